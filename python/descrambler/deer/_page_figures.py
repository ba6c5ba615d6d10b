"""Pictures of a trace's report page, as SVG in the colors of the page."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import numpy as np

from ..report._layout import new_axes, root
from ._distances import DistanceDistribution
from ._modulation import Modulation
from ._traces import Trace

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Panel = tuple[str, str]
"""A picture as SVG, and its caption."""

# Drawn in these, they become the variables of the page's style: light, dark or print.
_COLORS = {
    "measured": "#010a01",
    "other": "#010a02",
    "model": "#010a03",
    "member": "#010a04",
    "band": "#010a05",
}
_INK = "#010a06"


def modulated_panels(raw: Trace, trace: Trace, result: DistanceDistribution) -> list[Panel]:
    """Return the pictures of a trace and its distribution."""
    fit = result.fit
    ax = _axes("time (µs)", "signal (at time zero 1)")
    ax.plot(trace.time, trace.signal / fit.scale, color=_COLORS["measured"], lw=0.9, label="trace")
    ax.plot(trace.time, fit.model / fit.scale, color=_COLORS["model"], lw=1.3, label="model")
    pedestal = (1 - fit.depth) * fit.background
    spread = (1 - fit.depth) * result.background_spread
    if np.isfinite(spread).all():
        low, high = pedestal - spread, pedestal + spread
        ax.fill_between(trace.time, low, high, color=_COLORS["band"], lw=0)
    ax.plot(trace.time, pedestal, color=_INK, lw=0.9, ls="--", label="background")
    background = (
        _svg(ax),
        (
            "Prepared trace, model and background; shaded: the background's standard deviation over the "
            "networks."
        ),
    )
    ax = _axes("time (µs)", "form factor")
    divided = trace.signal / (fit.scale * fit.background)
    ax.plot(trace.time, divided, color=_COLORS["measured"], lw=0.9, label="trace / background")
    ax.plot(trace.time, fit.form_factor, color=_COLORS["model"], lw=1.3, label="fit")
    form = _svg(ax), "Form factor and its fit by the mean distribution."
    return [_raw(raw, trace), background, form, _distribution(result)]


def unmodulated_panels(raw: Trace, trace: Trace, found: Modulation) -> list[Panel]:
    """Return the pictures of a trace without modulation."""
    ax = _axes("time (µs)", "signal (at time zero 1)")
    scale = found.fit.scale
    ax.plot(trace.time, trace.signal / scale, color=_COLORS["measured"], lw=0.9, label="trace")
    ax.plot(trace.time, found.fit.background, color=_COLORS["model"], lw=1.3, label="background")
    return [_raw(raw, trace), (_svg(ax), "Prepared trace and the background that explains it.")]


def _raw(raw: Trace, trace: Trace) -> Panel:
    ax = _axes("time (µs)", "signal as measured")
    ax.plot(raw.time, raw.signal.real, color=_COLORS["measured"], lw=0.9, label="real")
    if np.iscomplexobj(raw.signal):
        ax.plot(raw.time, raw.signal.imag, color=_COLORS["other"], lw=0.9, label="imaginary")
    told = ""
    if trace.zero is not None and trace.phase is not None:
        ax.axvline(trace.zero, color=_INK, lw=0.9, ls=":", label="zero time")
        told = f" Phase taken off: {np.degrees(trace.phase):.1f}°; zero time: {trace.zero:.4f} µs."
    return _svg(ax), f"Measured signal.{told}"


def _distribution(result: DistanceDistribution) -> Panel:
    ax = _axes("distance (Å)", "density (1/Å)")
    caption = "Distance distribution: mean and each network."
    if result.lower is not None and result.upper is not None:
        ax.fill_between(
            result.distance,
            result.lower,
            result.upper,
            color=_COLORS["band"],
            lw=0,
            label="95 % band",
        )
        caption = "Distance distribution: mean, 95 % band and each network."
    for k, member in enumerate(result.members):
        label = "" if k else "networks"
        ax.plot(result.distance, member, color=_COLORS["member"], lw=0.7, label=label)
    ax.plot(result.distance, result.density, color=_INK, lw=1.4, label="mean")
    ax.set(xlim=result.distance[[0, -1]], ylim=(0, None))
    return _svg(ax), caption


def _axes(xlabel: str, ylabel: str) -> Axes:
    ax = new_axes(5.4, 3.4)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    return ax


def _svg(ax: Axes) -> str:
    """Return a picture that is as wide as its place, in the colors of the page."""
    import matplotlib

    ax.legend(frameon=False, fontsize=8, labelcolor=_INK)
    ax.tick_params(colors=_INK)
    for part in (ax.xaxis.label, ax.yaxis.label, ax.xaxis.offsetText, ax.yaxis.offsetText):
        part.set_color(_INK)
    for spine in ax.spines.values():
        spine.set_color(_INK)
    figure, stream = root(ax), io.StringIO()
    ax.patch.set_alpha(0)
    with matplotlib.rc_context(
        {"svg.hashsalt": "descrambler", "svg.fonttype": "none", "text.usetex": False}
    ):
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    for name, color in _COLORS.items():
        svg = svg.replace(color, f"var(--{name})")
    svg = svg.replace(_INK, "currentColor")
    named = ax.get_ylabel()
    # Pictures of one page must not share the names of their parts.
    prefix = re.sub(r"\W+", "-", named)
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}-", svg)
    return svg.replace("<svg", f'<svg role="img" aria-label="{named}"', 1)
