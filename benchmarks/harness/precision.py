"""Single precision against double: what it saves, and what it loses."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

import descrambler as ds
from descrambler._util.validate import Array

from .measure import Row, Scale, side_by_side
from .problems import Smoothness

TITLE = "float32 against float64"
ABOUT = """\
Smoothness, from signals in either precision. The exact method solves in float64 and rounds the rotation; the
iterative one works in the precision of the signals (100 iterations). The notes give the relative gap to the optimum and
the orthogonality error, float32 first."""
ITERATIONS = 100


def cases(scale: Scale) -> Iterator[Precisions]:
    """Yield both methods at every size, Gram eigenvalues over 2 decades."""
    for n in scale.choose(tiny=(6,), quick=(80, 256), full=(80, 256, 512, 1024)):
        problem = Smoothness(n, 2)
        yield Precisions(problem, "exact")
        if n <= 512:
            yield Precisions(problem, "riemannian-lbfgs")


@dataclass(frozen=True)
class Precisions:
    """One method in both precisions."""

    problem: Smoothness
    method: str

    @property
    def case(self) -> str:
        """Size and method."""
        return f"n = {self.problem.n}, {self.method}"

    def ours(self) -> ds.Descrambling:
        """Solve in single precision."""
        return self._solve(self.problem.signals.astype(np.float32))

    def check(self) -> None:
        """Assert the dtype, and that the exact solution loses no more than the precision."""
        result = self.ours()
        assert result.rotation.matrix.dtype == np.float32
        assert result.orthogonality_error < 1e-6 * np.sqrt(self.problem.n) + 1e-5
        if self.method == "exact":
            assert result.gap < 1e-3, result.gap

    def rows(self, scale: Scale) -> Iterator[Row]:
        """Time both; note what each lost."""
        self.check()
        single, double = self.problem.signals.astype(np.float32), self.problem.signals
        results = [self._solve(single), self._solve(double)]
        notes = [
            f"gap {result.objective / self.problem.unit / self.problem.optimum - 1:.0e},"
            f" orthogonality {result.orthogonality_error:.0e}"
            for result in results
        ]
        times = side_by_side(
            lambda: self._solve(single), lambda: self._solve(double), scale.seconds
        )
        yield Row(self.case, "float32", "float64", *times, note="; ".join(notes))

    def _solve(self, signals: Array) -> ds.Descrambling:
        if self.method == "exact":
            return ds.descramble(signals)
        with warnings.catch_warnings():
            # Stopped after so many iterations, it has not converged.
            warnings.simplefilter("ignore")
            return ds.descramble(signals, method=self.method, max_iter=ITERATIONS, tol=0)
