"""The limits of BLAS threads, a table in the package: do they suit this machine?"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import scipy.linalg
import threadpoolctl

from descrambler._util.platform.cpus import processors
from descrambler._util.symmetric import rows_of_pairs
from descrambler._util.threads import BLAS_TABLE, blas_limit
from descrambler._util.validate import Array

from .measure import SETTLED, seconds_of

KINDS: dict[str, Callable[[Array], object]] = {
    "product": lambda a: a @ a,
    "eigh": rows_of_pairs,
    "svd": lambda a: scipy.linalg.svd(a, check_finite=False),
}
BORDERS = [int(most) for most, _ in BLAS_TABLE[:-1]]
# The first size beyond each border, and half of the least: work takes as long with one unit less, below the border.
SIZES = [(BORDERS[0] + 1) // 2, *(n + 1 for n in BORDERS)]
ROWS = {f"limit, {kind}, n = {n}": (kind, n) for n in SIZES for kind in KINDS}
ROUNDS, NEAR = 3, 1.1
# Seconds after which no further round of three begins.
ENOUGH = 8.0
HEADER = (
    "| BLAS work | one thread | time with t threads / with one | limit below n, from n | limit / best | at most | met |\n"
    "|---|---|---|---|---|---|---|"
)


def lines(names: list[str], seconds: float) -> Iterator[str]:
    """Measure; yield the lines of the table."""
    for name in names:
        kind, n = ROWS[name]
        allowed = [blas_limit(n - 1), blas_limit(n)]
        times = measure(kind, n, counts(allowed), seconds)
        ratios = ", ".join(f"{times[t] / times[1]:.2f} ({t})" for t in times if t > 1)
        values = [times[t] / min(times.values()) for t in allowed]
        cells = (
            f"{1e3 * times[1]:.3g} ms", ratios or "-", ", ".join(map(str, allowed)),
            ", ".join(f"{value:.2f}" for value in values), f"{NEAR:g}",
            "yes" if max(values) <= NEAR else "**no**",
        )  # fmt: skip
        yield f"| {name} | {' | '.join(cells)} |"


def counts(allowed: list[int]) -> list[int]:
    """Return 1, 2, 4, ... and all processors, and what the table allows."""
    most = processors()
    return sorted({1, *allowed, most, *(2**k for k in range(most.bit_length()))})


def measure(kind: str, n: int, threads: list[int], seconds: float) -> dict[int, float]:
    """Return median seconds by the number of threads: all of them in turn, three times; long work once."""
    a = np.random.default_rng(0).standard_normal((n, n))
    symmetric, work = a + a.T, KINDS[kind]
    times: list[list[float]] = []
    began = time.perf_counter()
    while (spent := time.perf_counter() - began) < seconds or (
        len(times) < ROUNDS and spent < ENOUGH
    ):
        times.append([])
        for count in threads:
            with threadpoolctl.threadpool_limits(count, user_api="blas"):
                times[-1].append(seconds_of(lambda: work(symmetric), pause=SETTLED))
    return dict(zip(threads, np.median(times, axis=0).tolist(), strict=True))
