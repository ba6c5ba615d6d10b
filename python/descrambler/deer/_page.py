"""The report page of a trace: one HTML file that needs nothing else and can be printed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import numpy as np

from .._util.config import configuration
from .._util.files import write_bytes
from .._util.validate import require_extra
from ._distances import DistanceDistribution
from ._modulation import Modulation
from ._page_figures import modulated_panels, unmodulated_panels
from ._traces import Trace
from ._warnings import trace_warnings


def write_trace_page(
    path: str | os.PathLike[str],
    raw: Trace,
    trace: Trace,
    result: DistanceDistribution | Modulation,
    parameters: Mapping[str, object] | None = None,
) -> None:
    """Write a report page: what was measured, what was made of it, and what speaks against it.

    Parameters
    ----------
    path : path-like
        HTML file to write.
    raw, trace : Trace
        As read, and as `prepare` returned it.
    result : DistanceDistribution or Modulation
        The distribution, or the test that found no modulation.
    parameters : mapping of str to object, optional
        What else belongs in the list of parameters, such as the files of the networks.

    Raises
    ------
    MissingExtraError
        Without Jinja2, the extra "report".
    """
    jinja2 = require_extra("jinja2", "report", "a report page")
    markup = jinja2.utils.markupsafe.Markup
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(_text(__package__, "trace_page.html"))
    style = _text("descrambler.report._html", "page.css") + _text(__package__, "trace_page.css")
    if isinstance(result, DistanceDistribution):
        panels = modulated_panels(raw, trace, result)
        warnings, tables = trace_warnings(trace, result), _results(result)
    else:
        panels = unmodulated_panels(raw, trace, result)
        warnings, tables = trace.notes, []
    page = template.render(
        title=trace.name or "trace",
        style=markup(style),
        summary=_summary(trace, result),
        warnings=warnings,
        panels=[{"svg": markup(svg), "caption": caption} for svg, caption in panels],
        tables=[*tables, _parameters(raw, trace, result, parameters)],
    )
    write_bytes(path, page.encode())


def _text(package: str | None, name: str) -> str:
    return resources.files(package or __name__).joinpath(name).read_text("utf-8")


def _summary(trace: Trace, result: DistanceDistribution | Modulation) -> str:
    length = f"{trace.time.size} points, {trace.time[-1]:.3f} µs from the zero time"
    if isinstance(result, Modulation):
        return f"{length}; no dipolar modulation (p = {result.p:.2g})"
    peaks = ", ".join(f"{peak.position:.1f} Å" for peak in result.peaks)
    return f"{length}; {len(result.members)} networks; peaks at {peaks}"


def _table(
    title: str, head: Sequence[str], rows: Sequence[Sequence[str]], note: str = ""
) -> dict[str, Any]:
    return {"title": title, "head": head, "rows": rows, "note": note}


def _results(result: DistanceDistribution) -> list[dict[str, Any]]:
    count = len(result.members)
    peaks = [
        [
            _spread(peak.position, peak.position_spread, 1),
            _spread(peak.width, peak.width_spread, 1),
            f"{peak.share:.2f}",
            f"{peak.members} of {count}",
        ]
        for peak in result.peaks
    ]
    members = [
        [
            str(number),
            f"{fit.depth:.3f}",
            *_background(fit.parameters, fit.duration, fit.experiment == "deer"),
            f"{fit.rms:.4f}",
            f"{float(result.distance[int(np.argmax(member))]):.1f}",
        ]
        for number, (fit, member) in enumerate(
            zip(result.member_fits, result.members, strict=True), 1
        )
    ]
    names = ("rate (1/µs)", "dimension") if result.fit.experiment == "deer" else ("a", "b")
    spread = "±: standard deviation over the networks that have the peak."
    band = (
        "No 95 % band: it needs two or more networks and a calibration."
        if result.calibration is None
        else f"95 % band: {result.calibration.n_networks} networks, calibrated on "
        f"{result.calibration.n_traces} simulated traces."
    )
    return [
        _table(
            "Peaks", ["position (Å)", "width (Å)", "share", "networks"], peaks, f"{spread} {band}"
        ),
        _table("Networks", ["network", "depth", *names, "residual", "maximum (Å)"], members),
    ]


def _background(parameters: tuple[float, float], duration: float, deer: bool) -> list[str]:
    a, b = parameters
    return [f"{a / duration if deer else a:.4g}", f"{b:.3g}"]


def _spread(value: float, spread: float, digits: int) -> str:
    return f"{value:.{digits}f}" + (f" ± {spread:.{digits}f}" if np.isfinite(spread) else "")


def _parameters(
    raw: Trace,
    trace: Trace,
    result: DistanceDistribution | Modulation,
    others: Mapping[str, object] | None,
) -> dict[str, Any]:
    fit = result.fit
    known: dict[str, object] = {
        "measured points": f"{raw.time.size}, from {raw.time[0]:g} to {raw.time[-1]:g} µs",
        "phase taken off": "-" if trace.phase is None else f"{np.degrees(trace.phase):.2f}°",
        "zero time": "-" if trace.zero is None else f"{trace.zero:.4f} µs",
        "modulation": f"p = {(result if isinstance(result, Modulation) else result.modulation).p:.2g}",
        "background": ", ".join(_background(fit.parameters, fit.duration, fit.experiment == "deer"))
        + (" (rate per µs, dimension)" if fit.experiment == "deer" else " (a, b)"),
        "residual": f"{fit.rms:.4g} r.m.s. of the signal at time zero",
    }
    if isinstance(result, DistanceDistribution):
        known["modulation depth"] = _spread(fit.depth, result.depth_spread, 3)
        known["mean step"] = f"{result.sampling.step * 1000:.4g} ns"
        known["shortest distance shown"] = f"{result.sampling.shortest:.1f} Å"
    if trace.delays:
        known["delays (µs)"] = ", ".join(
            f"{name} {value:g}" for name, value in trace.delays.items()
        )
    known |= others or {}
    known |= configuration()
    rows = [[name, str(value)] for name, value in known.items()]
    return _table("Parameters and versions", ["what", "value"], rows)
