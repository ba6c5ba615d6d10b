"""This package and DeerLab on the same traces: peaks, widths, overlap, seconds.

``python -m benchmarks.deerlab`` prints the table of docs/traces.md. It needs DeerLab and, for the
measured traces, DESCRAMBLER_TEST_DATA.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from descrambler import NoModulationError, deer
from descrambler.deer._peaks import find_peaks

Vector = NDArray[np.float64]

MEASURED: dict[str, dict[str, float]] = {
    "deer_bi_36_50K.DTA": {},
    "CT_DEER_mix_28_36.DTA": {},
    "sample2_labA.DTA": {"stop": 4.0},
    "DEER_A1v33R1_K52C_S231C.dat": {},
    "01_input.dat": {},
    "low_noise_1.dat": {},
}
ANSWER = "noise_test_pcr_1.dat"
"""The distribution of low_noise_1.dat, which is simulated."""
SIMULATED, DURATION = 4, 2.5
POINTS = 120  # of DeerLab's distance axis


class Case(NamedTuple):
    """A prepared trace; its distribution on a distance axis in Angstrom, where it is known."""

    name: str
    trace: deer.Trace
    truth: tuple[Vector, Vector] | None


def cases() -> Iterator[Case]:
    """Yield the measured traces, and simulated ones."""
    folder = os.environ.get("DESCRAMBLER_TEST_DATA")
    for name, cuts in MEASURED.items() if folder else ():
        traces = Path(str(folder)) / "traces"
        trace = deer.prepare(deer.load_trace(traces / name), **cuts)
        known = deer.load_distribution(traces / ANSWER) if name == "low_noise_1.dat" else None
        yield Case(name, trace, None if known is None else (known.distance, known.density))
    data = deer.simulate(SIMULATED, 20, 256, duration=DURATION)
    for k in range(SIMULATED):
        trace = deer.Trace(data.time, data.traces[k])
        yield Case(f"simulated {k + 1}", trace, (data.distance, data.distributions[k]))


def ours(networks: list[Any], trace: deer.Trace) -> tuple[Vector, Vector]:
    """Return distance and density; the density is 0 where there is no modulation."""
    try:
        found = deer.predict_distances(networks, trace)
    except NoModulationError:
        return np.linspace(15, 60, POINTS), np.zeros(POINTS)
    return found.distance, found.density


def theirs(trace: deer.Trace) -> tuple[Vector, Vector]:
    """Return distance and density of DeerLab's fit by its defaults: Tikhonov, weight by AIC."""
    import deerlab

    far = min(deer.distance_range(trace.time[-1] / 255, trace.time[-1])[1] / 10, 8.0)
    nanometers = np.linspace(1.5, far, POINTS)
    model = deerlab.dipolarmodel(trace.time, nanometers, Bmodel=deerlab.bg_strexp)
    fit = deerlab.fit(model, trace.signal / trace.signal.max())
    return 10 * nanometers, np.asarray(fit.P) / 10


def overlap(one: tuple[Vector, Vector], other: tuple[Vector, Vector]) -> float:
    """Return the overlap of two distributions, on the axis of the first."""
    axis, density = one
    second = np.interp(axis, *other, left=0, right=0)
    if not density.any() or not second.any():
        return float("nan")
    return float(deer.overlap(second[None], density[None])[0])


def peaks(found: tuple[Vector, Vector]) -> str:
    """Return places and widths of the peaks."""
    if not found[1].any():
        return "none"
    return ", ".join(f"{p.position:.1f} ({p.width:.1f})" for p in find_peaks(*found))


def main() -> None:
    """Print the table."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import deerlab  # noqa: F401
    networks = [deer.pretrained(*kind) for kind in deer.PRETRAINED if kind.n_layers == 2]
    print(
        "| trace | here: peaks (width), Å | DeerLab: peaks (width), Å | overlap of both | with the truth: here, DeerLab | seconds: here, DeerLab |"
    )
    print("|---|---|---|---|---|---|")
    for case in cases():
        clock = [time.process_time()]
        mine = ours(networks, case.trace)
        clock.append(time.process_time())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            other = theirs(case.trace)
        clock.append(time.process_time())
        known = "-"
        if case.truth is not None:
            known = f"{overlap(case.truth, mine):.2f}, {overlap(case.truth, other):.2f}"
        both = overlap(mine, other)
        agree = "-" if np.isnan(both) else f"{both:.2f}"
        seconds = ", ".join(f"{value:.1f}" for value in np.diff(clock))
        print(
            f"| {case.name} | {peaks(mine)} | {peaks(other)} | {agree} | {known} | {seconds} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
