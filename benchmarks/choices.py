"""Measurements behind method="auto": every candidate on the same signals, to the same gradient norm.

python benchmarks/choices.py
"""

from __future__ import annotations

import time
import warnings

import numpy as np

import descrambler as ds
from descrambler import criteria

UNITS, SIGNALS = 64, 4000
TOLERANCE, CAP = 1e-5, 30.0


def signals() -> np.ndarray:
    """Heavy-tailed, of unequal power, mixed."""
    generator = np.random.default_rng(0)
    sources = generator.laplace(size=(SIGNALS, UNITS)) * np.logspace(0, -1, UNITS)
    return np.ascontiguousarray(sources @ ds.group.random_rotation(UNITS, 1))


def without_curvature(criterion: criteria.Criterion, x: np.ndarray) -> criteria.Custom:
    """Wrap a criterion as a user's function, of which the optimizer knows value and gradient alone."""
    data = criteria.base.Data.of(None, x)
    kernel, unit = criterion.kernel(data, x.dtype)

    def function(p: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = kernel.value_and_gradient(p)
        return unit * value, unit * gradient

    return criteria.Custom(function, "rotation", maximize=criterion.maximize, check=False)


def line(
    name: str, candidate: str, x: np.ndarray, criterion: criteria.Criterion, method: str
) -> None:
    stop = time.perf_counter() + CAP
    result = ds.descramble(
        x,
        criterion,
        method=method,
        gauge="none",
        tol=TOLERANCE,
        callback=lambda state: time.perf_counter() > stop,
    )
    cells = (f"{result.history[-1]:.8g}", result.n_eval, f"{result.seconds:.3g} s", result.status)
    print(f"| {name} | {candidate} |", " | ".join(map(str, cells)), "|", flush=True)


def jacobi_sweep(x: np.ndarray) -> float:
    """Seconds for the plane rotations of one Jacobi sweep, without the search for their angles."""
    y = np.ascontiguousarray(x.T)
    start = time.perf_counter()
    for i in range(UNITS):
        for j in range(i):
            y[i], y[j] = 0.8 * y[i] - 0.6 * y[j], 0.6 * y[i] + 0.8 * y[j]
    return time.perf_counter() - start


def main() -> None:
    warnings.simplefilter("ignore")
    x = signals()
    print(f"{UNITS} units, {SIGNALS} signals, gradient norm {TOLERANCE:g} x |objective|\n")
    print(
        "| criterion | method | objective | evaluations | time | status |\n|---|---|---|---|---|---|"
    )
    for name in ("varimax", "quartimax", "kurtosis"):
        line(name, "polar", x, criteria.named(name), "polar")
    for name in criteria.NAMES:
        criterion = criteria.named(name)
        line(name, "riemannian-lbfgs", x, criterion, "riemannian-lbfgs")
        bare = without_curvature(criterion, x)
        line(name, "the same, no preconditioner", x, bare, "riemannian-lbfgs")
        line(name, "cayley-lbfgs", x, bare, "cayley-lbfgs")
    print(f"\nplane rotations of one Jacobi sweep, alone: {jacobi_sweep(x):.3g} s")


if __name__ == "__main__":
    main()
