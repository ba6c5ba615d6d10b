"""A measured trace and the distance distribution that networks see in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..deer import DistanceDistribution, Modulation, Trace
from .layout import new_axes, panel_axes, root

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .layout import Place

MODEL = "#db6d00"
SPREAD = "#9bb7d9"


def distance_figure(trace: Trace, result: DistanceDistribution, *, ax: Place = None) -> Figure:
    """Draw the trace with its model, and the distribution with its spread.

    Parameters
    ----------
    trace : Trace
    result : DistanceDistribution
    ax : Figure, SubFigure or two Axes, optional
        Where to; a new figure otherwise.
    """
    _, ((left, right),) = panel_axes(ax, (1, 2), (8.4, 3.6))
    fit = result.fit
    _show_trace(left, trace, fit.scale)
    left.plot(trace.time, fit.model / fit.scale, color=MODEL, lw=1.3, label="from the distribution")
    pedestal = (1 - fit.depth) * fit.background
    left.plot(trace.time, pedestal, color="black", lw=0.9, ls="--", label="background")
    left.legend(frameon=False, fontsize=8)
    left.set_title(f"modulation depth {fit.depth:.2f}, residual {fit.rms:.3f} r.m.s.", fontsize=9)

    low, high = result.density - result.spread, result.density + result.spread
    right.fill_between(
        result.distance, np.maximum(low, 0), high, color=SPREAD, lw=0, label="± standard deviation"
    )
    right.plot(result.distance, result.density, color="black", lw=1.2, label="mean")
    for peak in result.peaks:
        height = float(np.interp(peak.position, result.distance, high))
        right.annotate(
            f"{peak.position:.1f}", (peak.position, height), (0, 3), textcoords="offset points",
            ha="center", fontsize=8,
        )  # fmt: skip
    right.set(
        xlabel="distance (Å)",
        ylabel="probability density (1/Å)",
        xlim=(result.distance[0], result.distance[-1]),
        ylim=(0, 1.15 * float(high.max())),
    )
    right.legend(frameon=False, fontsize=8)
    count = len(result.members)
    right.set_title(f"{count} networks" if count > 1 else "one network", fontsize=9)
    return root(right)


def unmodulated_figure(trace: Trace, found: Modulation, *, ax: Axes | None = None) -> Figure:
    """Draw a trace without modulation, and its background, into `ax` where it is given."""
    ax = ax or new_axes(5.2, 3.6)
    _show_trace(ax, trace, found.fit.scale)
    ax.plot(trace.time, found.fit.background, color=MODEL, lw=1.3, label="background alone")
    ax.legend(frameon=False, fontsize=8)
    ax.set_title(f"no dipolar modulation (p = {found.p:.2g})", fontsize=9)
    return root(ax)


def _show_trace(ax: Axes, trace: Trace, scale: float) -> None:
    ax.plot(trace.time, trace.signal / scale, color="0.55", lw=0.8, label="trace")
    ax.set(xlabel="time (µs)", ylabel="signal (at time zero 1)", xlim=(0, trace.time[-1]))
