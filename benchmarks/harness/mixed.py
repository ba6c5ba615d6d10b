"""Single precision, then refinement in double, against double precision at once: eigenvectors and polar factors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import scipy.linalg

import descrambler as ds
from descrambler._util.lapack import eigh
from descrambler._util.validate import Array

from .measure import Row, Scale, side_by_side

TITLE = "Single precision, refined in double"
ABOUT = """\
Eigenvectors of a Gram matrix: LAPACK in float64, against LAPACK in float32 and steps of Ogita and Aishima (2018) in
float64, at most six, until the residual is that of float64. Polar factor: `ds.group.polar` in float64, against the same in float32
and two Newton-Schulz steps in float64. The notes give the residuals, mixed precision first: of eigenvectors
|B X - X L| / |B|, of polar factors the skew part of P^T M / |M|; where they differ, the mixed answer is not that of
float64."""
STEPS = 6
LEVEL = 4.0
"""How many times the residual of float64 counts as its level."""


def cases(scale: Scale) -> Iterator[Mixed]:
    """Yield both at every size: eigenvalues over 2 and 8 decades, singular values over 1 and 4."""
    for n in scale.choose(tiny=(6,), quick=(256,), full=(256, 512, 1024, 2048)):
        for decades in (2.0, 8.0):
            yield Mixed("eigh", n, decades)
        for decades in (1.0, 4.0):
            yield Mixed("polar", n, decades)


@dataclass(frozen=True)
class Mixed:
    """One problem in both ways."""

    kind: str
    n: int
    decades: float

    @property
    def case(self) -> str:
        """Kind, size and spectrum."""
        return f"{self.kind}, n = {self.n}, {self.decades:g} decades"

    @cached_property
    def matrix(self) -> Array:
        """A symmetric matrix, or any, with this spectrum."""
        left, right = (ds.group.random_rotation(self.n, seed) for seed in (0, 1))
        spectrum = np.logspace(0, -self.decades, self.n)
        if self.kind == "polar":
            return (left * spectrum) @ right
        b: Array = (left * spectrum) @ left.T
        return (b + b.T) / 2

    def double(self) -> Array:
        """Return the answer of float64."""
        if self.kind == "polar":
            return ds.group.polar(self.matrix)
        return eigh(self.matrix)[1]

    def ours(self, steps: int = STEPS) -> Array:
        """Return the answer of float32 after so many steps in float64."""
        single = self.matrix.astype(np.float32)
        if self.kind == "polar":
            p = ds.group.polar(single).astype(np.float64)
            for _ in range(2):
                p = 1.5 * p - 0.5 * p @ (p.T @ p)
            return p
        x = scipy.linalg.eigh(single, driver="evd", check_finite=False)[1].astype(np.float64)
        for _ in range(steps):
            x = _refined(self.matrix, x)
        return x

    def residual(self, x: Array) -> float:
        """Return how far an answer is from what it should be, relative to the matrix."""
        product = x.T @ self.matrix
        if self.kind == "polar":
            left = product - product.T
        else:
            left = product - np.sum(product * x.T, axis=1)[:, None] * x.T
        return float(np.linalg.norm(left) / np.linalg.norm(self.matrix))

    def check(self) -> None:
        """Assert that mixed precision gives orthonormal vectors."""
        x = self.ours()
        assert np.abs(x.T @ x - np.eye(self.n)).max() < 1e-5

    def rows(self, scale: Scale) -> Iterator[Row]:
        """Count the steps, time both; note the residuals."""
        level = self.residual(self.double())
        mixed, steps = self._counted(LEVEL * level)
        work: Callable[[], object] = partial(self.ours, steps)
        times = side_by_side(work, self.double, scale.seconds)
        note = f"residuals {mixed:.0e}, {level:.0e}"
        yield Row(self.case, f"float32, {steps} steps", "float64", *times, note=note, n=self.n)

    def _counted(self, goal: float) -> tuple[float, int]:
        """Return the residual after as many steps as reach the goal, or after the most."""
        if self.kind == "polar":
            return self.residual(self.ours()), 2
        x, steps = self.ours(0), 0
        while (found := self.residual(x)) > goal and steps < STEPS:
            x, steps = _refined(self.matrix, x), steps + 1
        return found, steps


def _refined(b: Array, x: Array) -> Array:
    """Return eigenvectors after a step, which squares their errors where those are small against the gaps."""
    defect, values = -x.T @ x, x.T @ (b @ x)
    defect[np.diag_indices(len(x))] += 1
    within = np.diagonal(values) / (1 - np.diagonal(defect))
    apart = values - np.diag(within)
    close = 2 * (np.linalg.norm(apart) + np.abs(within).max() * np.linalg.norm(defect))
    gaps = within - within[:, None]
    change = defect / 2
    far = np.abs(gaps) > close
    change[far] = ((values + defect * within)[far]) / gaps[far]
    refined: Array = x + x @ change
    return refined
