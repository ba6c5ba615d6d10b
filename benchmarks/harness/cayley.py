"""One Cayley value and gradient of smoothness against the straightforward NumPy formula."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import descrambler as ds
from descrambler import _core as core
from descrambler._util.validate import Array

from .measure import Scale, SideBySide

TITLE = "Cayley value and gradient against NumPy's formula"
ABOUT = """\
Two formulas: with A as a matrix, as one would write it, and with A diagonal, the frame that our optimizer uses."""

# Up to 1024 units faster by so much, beyond not slower.
LIMITS = {80: 1 / 1.7, 256: 1 / 1.3, 512: 1 / 1.2, 1024: 1 / 1.2}


def cases(scale: Scale) -> Iterator[SideBySide]:
    """Yield both formulas."""
    for n in scale.choose(tiny=(6,), quick=(80, 256), full=(80, 256, 512, 1024, 2048)):
        yield from cases_of(n, scale.threads)


def formula(q: Array, a: Array, b: Array, one: Array) -> tuple[float, Array]:
    """Value tr(A P B P^T) and its gradient on the generator, as one would write them down."""
    k = np.linalg.inv(one + q)
    p = k @ (one - q)
    apb = a @ p @ b if a.ndim == 2 else a[:, None] * (p @ b)
    value = float(np.sum(apb * p))
    m = -(k.T @ (2 * apb) @ (one + p).T)
    return value, m - m.T


def cases_of(n: int, threads: int) -> Iterator[SideBySide]:
    """Yield both formulas at one size, at equal numbers of threads."""
    core.set_threads(threads)
    generator = np.random.default_rng(n)
    x = generator.standard_normal((2 * n, n))
    b = x.T @ x / n
    a = ds.criteria.Smoothness().basis(n).eigenvalues / n**4
    lower = np.tril(generator.standard_normal((n, n)), -1) / n
    q, one = lower - lower.T, np.eye(n)
    packed = ds.group.pack_generator(q).astype(np.float64, copy=False)
    chart = core.CayleyChart(core.Brockett(a, b))
    for name, other in (("A a matrix", np.diag(a)), ("A diagonal", a)):

        def check(other: Array = other) -> None:
            value, gradient = chart.value_and_gradient(packed)
            expected, skew = formula(q, other, b, one)
            assert abs(value / expected - 1) < 1e-11
            error = np.abs(gradient - ds.group.pack_generator(skew)).max()
            assert error < 1e-11 * np.abs(gradient).max()

        def ours() -> object:
            return chart.value_and_gradient(packed)

        def theirs(other: Array = other) -> object:
            return formula(q, other, b, one)

        limit = LIMITS.get(n, 1.0)
        yield SideBySide(f"n = {n}, {name}", "C++", ours, "NumPy", theirs, check, limit)
