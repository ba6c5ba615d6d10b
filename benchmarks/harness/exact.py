"""Exact smoothness from a Gram matrix against the eigendecomposition that it cannot avoid."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.linalg

import descrambler as ds

from .measure import Scale, SideBySide

TITLE = "Exact smoothness against its eigendecomposition alone"
CURVES = "Exact smoothness"
ABOUT = """\
From a Gram matrix, against `scipy.linalg.eigh(driver="evd")`. "Gap evaluated too": objective, gap and the like
are computed from the rotation itself when they are first read."""


def cases(scale: Scale) -> Iterator[SideBySide]:
    """Yield the solve, and the solve with its evidence."""
    for n in scale.choose(tiny=(6,), quick=(80, 256), full=(80, 256, 512, 1024, 2048)):
        yield from cases_of(n)


def cases_of(n: int) -> Iterator[SideBySide]:
    """Yield the solve at one size."""
    generator = np.random.default_rng(n)
    gram = ds.gram(generator.standard_normal((2 * n, n)) * np.logspace(0, -2, n))

    def check() -> None:
        result = ds.descramble(gram)
        a = ds.criteria.Smoothness().basis(n).eigenvalues
        b = scipy.linalg.eigvalsh(gram.matrix)[::-1]
        assert abs(result.objective / (a @ b) - 1) < 1e-10
        assert result.orthogonality_error < 1e-12
        assert np.linalg.det(result.rotation.matrix) > 0

    def eigh() -> object:
        return scipy.linalg.eigh(gram.matrix, driver="evd", check_finite=False)

    def solve() -> object:
        return ds.descramble(gram)

    def judged() -> float:
        return ds.descramble(gram).gap

    limit = 1.25 if n >= 256 else None
    yield SideBySide(
        f"n = {n}",
        "exact",
        solve,
        "eigh",
        eigh,
        check,
        limit,
        n=n,
        curve="from a Gram matrix",
    )
    yield SideBySide(f"n = {n}, gap evaluated too", "exact", judged, "eigh", eigh, check)
