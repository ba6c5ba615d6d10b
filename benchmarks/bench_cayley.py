"""One Cayley value and gradient of smoothness against the straightforward NumPy formula."""

from __future__ import annotations

import numpy as np
from harness import row, side_by_side

import descrambler as ds
from descrambler._native import core

TITLE = "Cayley value + gradient (ours) against NumPy's formula"
SIZES = (80, 256, 512, 1024, 2048)
TARGETS = {80: "<= 0.588 (1.7 x)", 256: "<= 0.769 (1.3 x)"}


def formula(
    q: np.ndarray, a: np.ndarray, b: np.ndarray, one: np.ndarray
) -> tuple[float, np.ndarray]:
    """Value tr(A P B P^T) and its gradient on the generator, as one would write them down."""
    k = np.linalg.inv(one + q)
    p = k @ (one - q)
    apb = a @ p @ b if a.ndim == 2 else a[:, None] * (p @ b)
    value = float(np.sum(apb * p))
    m = -(k.T @ (2 * apb) @ (one + p).T)
    return value, m - m.T


def run(sizes: tuple[int, ...] = SIZES) -> list[str]:
    """Two formulas: A as a matrix, and A diagonal as in our own frame (the basis of its modes)."""
    rows = []
    for n in sizes:
        generator = np.random.default_rng(n)
        x = generator.standard_normal((2 * n, n))
        b = x.T @ x / n
        a = ds.criteria.Smoothness().basis(n).eigenvalues / n**4
        lower = np.tril(generator.standard_normal((n, n)), -1) / n
        q = lower - lower.T
        packed, one, dense = ds.group.pack_generator(q), np.eye(n), np.diag(a)
        chart = core.CayleyChart64(core.Brockett64(a, b))
        value, gradient = chart.value_and_gradient(packed)
        for other in (a, dense):
            expected, skew = formula(q, other, b, one)
            assert abs(value / expected - 1) < 1e-11
            error = np.abs(gradient - ds.group.pack_generator(skew)).max()
            assert error < 1e-11 * np.abs(gradient).max()
        target = TARGETS.get(n, "<= 1.05")

        def ours(chart: object = chart, packed: np.ndarray = packed) -> object:
            return chart.value_and_gradient(packed)

        for name, other in (("A a matrix", dense), ("A diagonal", a)):

            def theirs(q=q, other=other, b=b, one=one) -> object:
                return formula(q, other, b, one)

            rows.append(row(f"n = {n}, {name}", *side_by_side(ours, theirs), target))
    return rows
