"""Leading eigenpairs of a Gram matrix from its products with blocks of vectors: block Lanczos.

Golub and Underwood 1977; with a random start and full reorthogonalization as a randomized block Krylov
method, Musco and Musco 2015.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.linalg

from .._signals.leading_modes import Leading
from .._util.validate import Array, own_unit
from .operators import Operator
from .outcome import Status

MAX_PASSES = 60


@dataclass(frozen=True, eq=False)
class Search:
    """The result of a search for leading eigenpairs.

    Attributes
    ----------
    leading : Leading
        More pairs than were asked for; the further ones are less exact.
    n_passes : int
        Products with the operator.
    error : float
        Estimated relative error of the plain or of the weighted sum of the eigenvalues asked for, the
        larger one.
    status : Status
    """

    leading: Leading
    n_passes: int
    error: float
    status: Status


def leading_pairs(
    operator: Operator,
    rank: int,
    weights: Array,
    *,
    tol: float,
    seed: np.random.Generator,
    dtype: type[np.floating[Any]],
    stop: Callable[[Search], bool],
) -> Search:
    """Find the `rank` leading eigenpairs of an operator.

    Parameters
    ----------
    operator : Operator
    rank : int
        Well below n.
    weights : ndarray, shape (n,)
        Weights of the eigenvalues in the sum that must reach the relative `tol`, as must the plain sum.
    tol : float
    seed : Generator
        Draws the start.
    dtype : type
        Type of the vectors.
    stop : callable
        Told of each pass; stops the search when it returns True.
    """
    width = max(16, -(-rank // 4))
    limit = min(MAX_PASSES, operator.n // width - 1)
    space = _Space(operator.n, width, limit, seed, dtype)
    sums, first_break = np.full(2, np.inf), limit + 1
    for number in range(1, limit + 1):
        image = operator.product(space.block)
        if number == 1:
            unit = int(own_unit(image)[1])
        broken = space.grow(np.ldexp(image, -unit))
        pairs = space.pairs(rank + width)
        errors = pairs.errors()
        found = pairs.values[:rank]
        before, sums = sums, np.array([found.sum(), weights[: len(found)] @ found])
        error = relative_error(found, errors[:rank], weights)
        # A space that can grow no more may still lack copies of a multiple eigenvalue: a fresh start
        # orthogonal to it must add nothing.
        first_break = min(first_break, number) if broken else first_break
        settled = number < first_break or (
            number > first_break and bool((sums <= before * (1 + tol)).all())
        )
        search = Search(
            _leading(operator, pairs, errors, unit, dtype), number, error, Status.STOPPED
        )
        stopped = stop(search)
        if len(pairs.values) > rank and error <= tol and settled:
            return replace(search, status=Status.CONVERGED)
        if stopped:
            return search
    return replace(search, status=Status.MAX_ITERATIONS)


def relative_error(values: Array, errors: Array, weights: Array) -> float:
    """Error of the plain or of the weighted sum of leading eigenvalues, relatively, the larger one."""
    both = np.stack([np.ones(len(values)), weights[: len(values)]])
    sums, misses = both @ values, both @ errors
    return float(np.max(np.divide(misses, sums, out=np.zeros(2), where=sums > 0)))


def _leading(
    operator: Operator, pairs: _Pairs, errors: Array, unit: int, dtype: type[np.floating[Any]]
) -> Leading:
    """Return what is known, in the operator's unit; pairs and errors are in 2**unit of it."""
    rounding = np.finfo(dtype).eps * float(pairs.values[0])
    return Leading(
        values=np.ldexp(pairs.values, unit),
        modes=np.ascontiguousarray(pairs.vectors.T),
        residuals=np.ldexp(pairs.residuals + rounding, unit),
        errors=np.ldexp(errors + rounding, unit),
        trace=operator.trace,
        mean=operator.mean,
        count=operator.count,
        centered=operator.centered,
    )


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Ritz pairs, descending."""

    values: Array
    vectors: Array
    residuals: Array

    def errors(self) -> Array:
        """How far the eigenvalues may lie above the values: residual, or its square over the gap.

        The second (Kato and Temple) takes the last value for the upper end of what was not found.
        """
        gaps = self.values - self.values[-1]
        with np.errstate(divide="ignore", invalid="ignore"):
            errors = np.fmin(self.residuals, self.residuals**2 / gaps)
        return np.asarray(np.nan_to_num(errors))


class _Space:
    """An orthonormal basis Q that grows by the image of its last block, and T = Q^T B Q."""

    def __init__(
        self,
        n: int,
        width: int,
        limit: int,
        seed: np.random.Generator,
        dtype: type[np.floating[Any]],
    ) -> None:
        # Memory is taken page by page, as the basis grows.
        self._basis = np.empty((n, width * (limit + 1)), dtype, order="F")
        self._t = np.empty((0, 0))
        self._width, self._size, self._seed = width, 0, seed
        self._last = np.zeros((width, width))
        self._append(seed.standard_normal((n, width), dtype=np.float64).astype(dtype))

    @property
    def block(self) -> Array:
        """Last block of the basis, whose image is wanted next."""
        last: Array = self._basis[:, self._size - self._width : self._size]
        return last

    def grow(self, image: Array) -> bool:
        """Take in the image of the last block; tell whether it had lost rank."""
        basis, width = self._basis[:, : self._size], self._width
        image = image.astype(basis.dtype, copy=False)
        coefficients = basis.T @ image
        t = np.zeros((self._size, self._size))
        t[:-width, :-width] = self._t
        t[:, -width:] = coefficients
        t[-width:, :] = coefficients.T
        t[-width:, -width:] = (coefficients[-width:] + coefficients[-width:].T) / 2
        self._t = t
        residual = image - basis @ coefficients
        rounding = 8 * np.sqrt(len(basis)) * np.finfo(basis.dtype).eps * np.abs(t.diagonal()).max()
        return self._append(residual, float(rounding))

    def _append(self, residual: Array, rounding: float = 0.0) -> bool:
        """Orthonormalize a block against the basis ("twice is enough") and append it."""
        block, first = scipy.linalg.qr(self._outside(residual), mode="economic")
        lost = np.abs(first.diagonal()) <= rounding
        first[lost] = 0
        if lost.any():
            block[:, lost] = self._seed.standard_normal((len(block), int(lost.sum())))
        block, second = scipy.linalg.qr(self._outside(block), mode="economic", overwrite_a=True)
        self._last = (second @ first).astype(np.float64)
        self._basis[:, self._size : self._size + self._width] = block
        self._size += self._width
        return bool(lost.any())

    def _outside(self, block: Array) -> Array:
        basis = self._basis[:, : self._size]
        outside: Array = block - basis @ (basis.T @ block)
        return outside

    def pairs(self, number: int) -> _Pairs:
        """Return the leading Ritz pairs of what is known of B."""
        size = len(self._t)
        number = min(number, size)
        chosen = (size - number, size - 1)
        values, y = scipy.linalg.eigh(self._t, subset_by_index=chosen, check_finite=False)
        values, y = values[::-1], y[:, ::-1]
        residuals = np.linalg.norm(self._last @ y[-self._width :], axis=0)
        vectors = self._basis[:, :size] @ y.astype(self._basis.dtype)
        return _Pairs(np.maximum(values, 0), vectors, residuals)
