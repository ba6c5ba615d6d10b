"""Side-by-side timing: both candidates in turn, in one process, medians of the ratios."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np


def side_by_side(
    ours: Callable[[], object], theirs: Callable[[], object], seconds: float = 3.0
) -> tuple[float, float, float]:
    """Median seconds of both, and the median of ours / theirs, over at least three pairs of calls."""
    ours(), theirs()
    times: list[tuple[float, float]] = []
    start = time.perf_counter()
    while len(times) < 3 or (time.perf_counter() - start < seconds and len(times) < 200):
        t0 = time.perf_counter()
        ours()
        t1 = time.perf_counter()
        theirs()
        times.append((t1 - t0, time.perf_counter() - t1))
    a, b = np.array(times).T
    return float(np.median(a)), float(np.median(b)), float(np.median(a / b))


def row(case: str, ours: float, theirs: float, ratio: float, target: str) -> str:
    """One line of the table."""
    return f"| {case} | {1e3 * ours:.3g} ms | {1e3 * theirs:.3g} ms | {ratio:.3f} | {target} |"
