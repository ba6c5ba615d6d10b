"""Tables of `descrambler deer`: the distribution, the trace with its model, and the results."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from .. import deer
from .._util.tables import csv_cells


def distribution_csv(result: deer.DistanceDistribution) -> str:
    """Return distance, mean, spread, 95 % band and members; without a calibration, no band."""
    columns = {
        "distance_angstrom": result.distance,
        "density_per_angstrom": result.density,
        "spread_per_angstrom": result.spread,
    }
    if result.lower is not None and result.upper is not None:
        columns |= {"lower_95": result.lower, "upper_95": result.upper}
    columns |= {f"member_{k}": member for k, member in enumerate(result.members, 1)}
    return _columns(columns)


def trace_csv(trace: deer.Trace, result: deer.DistanceDistribution) -> str:
    """Return the prepared trace with its model, and the background with its spread."""
    fit = result.fit
    return _columns(
        {
            "time_us": trace.time,
            "signal": trace.signal / fit.scale,
            "model": fit.model / fit.scale,
            "background": (1 - fit.depth) * fit.background,
            "background_spread": (1 - fit.depth) * result.background_spread,
        }
    )


RESULT_COLUMNS = (
    "trace", "points", "last_us", "modulated", "p", "depth", "depth_spread", "background_rate_per_us",
    "background_dimension", "residual_rms", "networks", "position_angstrom", "position_spread",
    "width_angstrom", "width_spread", "share", "members", "refused",
)  # fmt: skip


def results_csv(rows: Sequence[dict[str, Any]]) -> str:
    """Return one row per peak; one for a trace without a peak."""
    lines = []
    for row in rows:
        peaks = row.get("peaks") or [{}]
        for peak in peaks:
            named = {
                "position_angstrom": peak.get("position"),
                "width_angstrom": peak.get("width"),
            }
            whole = row | peak | named
            lines.append([_cell(whole.get(name)) for name in RESULT_COLUMNS])
    return _csv(RESULT_COLUMNS, lines)


def result_row(
    trace: deer.Trace, result: deer.DistanceDistribution | None, p: float | None = None
) -> dict[str, Any]:
    """Return the results of a trace as JSON values; a trace without a result is not modulated."""
    known: dict[str, Any] = {
        "trace": trace.name,
        "points": trace.time.size,
        "last_us": float(trace.time[-1]),
        "zero_us": trace.zero,
        "notes": list(trace.notes),
        "modulated": result is not None,
    }
    if result is None:
        return known | {"p": p, "peaks": []}
    fit, found = result.fit, result.calibration
    a, b = fit.parameters
    background: dict[str, Any] = {"background_a": a, "background_b": b}
    if fit.experiment == "deer":
        background = {"background_rate_per_us": a / fit.duration, "background_dimension": b}
    return (
        known
        | {
            "p": float(result.modulation.p),
            "depth": float(fit.depth),
            "depth_spread": result.depth_spread,
            "residual_rms": fit.rms,
            "networks": len(result.members),
            "shortest_angstrom": result.sampling.shortest,
            "calibration_traces": None if found is None else found.n_traces,
        }
        | background
        | {"peaks": [asdict(peak) for peak in result.peaks]}
    )


def peak_lines(result: deer.DistanceDistribution) -> list[str]:
    """Return the peaks for the console."""
    lines = ["peak (A)      width (A)     share  networks"]
    for peak in result.peaks:
        place = _with_spread(peak.position, peak.position_spread)
        width = _with_spread(peak.width, peak.width_spread)
        lines.append(f"{place}  {width}  {peak.share:5.2f}  {peak.members}/{len(result.members)}")
    return lines


def _with_spread(value: float, spread: float) -> str:
    text = f"{value:.1f}" if math.isnan(spread) else f"{value:.1f} +- {spread:.1f}"
    return f"{text:<12}"


def _columns(columns: dict[str, Any]) -> str:
    rows = ([_cell(float(value)) for value in row] for row in zip(*columns.values(), strict=True))
    return _csv(columns, rows)


def _csv(names: Iterable[str], rows: Iterable[Sequence[object]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(csv_cells(row) for row in rows)
    return stream.getvalue()


def _cell(value: Any) -> object:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return f"{value:.8g}" if isinstance(value, float | np.floating) else value
