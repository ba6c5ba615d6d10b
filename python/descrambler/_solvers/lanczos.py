"""Leading eigenpairs of a Gram matrix from its products with blocks of vectors: block Lanczos.

Golub and Underwood 1977; with a random start and full reorthogonalization as a randomized block Krylov
method, Musco and Musco 2015.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import scipy.linalg

from .._signals.gram import Gram
from .._signals.leading_modes import Leading
from .._signals.sources import Source, blocks_of, first_origin
from .._signals.sums import check_not_vanished
from .._util.validate import Array, own_unit
from .status import Status

MAX_PASSES = 60


class Operator(ABC):
    """A Gram matrix known by its products."""

    n: int
    trace: float
    mean: Array | None
    count: int | None
    centered: bool

    @abstractmethod
    def product(self, block: Array) -> Array:
        """B times a block of columns, shape (n, w)."""


class Formed(Operator):
    """The products of a matrix in memory."""

    def __init__(self, gram: Gram, dtype: type[np.floating[Any]]) -> None:
        self.n, self.trace = gram.n, float(np.trace(gram.matrix))
        self.mean, self.count, self.centered = gram.mean, gram.count, gram.centered
        self._matrix = gram.matrix.astype(dtype, copy=False)

    def product(self, block: Array) -> Array:
        """B times a block of columns."""
        product: Array = self._matrix @ block
        return product


class Streamed(Operator):
    """The products of signals that are read anew for each: S^T (S Q), without S^T S.

    Trace, mean and count are known after the first.
    """

    def __init__(self, source: Source, center: bool, dtype: type[np.floating[Any]]) -> None:
        self.n, self.centered = source.n, center
        self.count, self.mean = None, None
        self._source, self._dtype = source, dtype
        # Squares are summed about a point near the mean, then about the mean itself.
        self._origin = first_origin(source) if center else None

    def product(self, block: Array) -> Array:
        """B times a block of columns, in one pass over the signals."""
        right = np.asfortranarray(block, self._dtype)
        first = self.mean is None
        total = self._source.gather(partial(_ProductSum, right, first, self._origin))
        if not np.isfinite(total.product).all():
            raise ValueError("signals must be finite, and their squares must not overflow")
        product: Array = total.product
        if first:
            check_not_vanished(total.square, total.any, self._dtype)
            self.count, self.mean = total.count, total.sum / total.count
            self.trace = total.square
            if self._origin is not None:
                apart, self.mean = self.mean, self._origin + self.mean
                self.trace -= self.count * float(apart @ apart)
                product -= np.outer(apart, self.count * (apart @ block))
                self._origin = self.mean
        return product


class _ProductSum:
    """Running S^T (S Q), and in the first pass the sum of the signals and of their squares."""

    def __init__(self, right: Array, summary: bool, origin: Array | None) -> None:
        self.product = np.zeros(right.shape, right.dtype, order="F")
        self.sum, self.square, self.count = np.zeros(len(right)), 0.0, 0
        self.any = False
        self._right, self._summary, self._origin = right, summary, origin

    def add(self, rows: Array) -> None:
        right = self._right
        gemm = scipy.linalg.get_blas_funcs("gemm", dtype=right.dtype)
        # Before they vanish in float32.
        self.any = self.any or bool((rows != (0 if self._origin is None else self._origin)).any())
        for block in blocks_of(rows, right.dtype.type, self._origin):
            # Columns of these transposes are contiguous: BLAS works in place, without copies.
            response = gemm(1.0, right, block.T, trans_a=True)
            gemm(1.0, block.T, response, 1.0, self.product, trans_b=True, overwrite_c=True)
            if self._summary:
                self.sum += block.sum(axis=0, dtype=np.float64)
                self.square += float(np.vdot(block, block))
            self.count += len(block)

    def merge(self, other: _ProductSum) -> None:
        with np.errstate(over="ignore", invalid="ignore"):  # judged once, at the end
            self.product += other.product
            self.sum += other.sum
        self.square += other.square
        self.count += other.count
        self.any = self.any or other.any


@dataclass(frozen=True, eq=False)
class Search:
    """What a search for leading eigenpairs has come to.

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
        Of the eigenvalues in the sum that must be exact to the relative `tol`, as the plain sum.
    tol : float
    seed : Generator
        Of the start.
    dtype : type
        Of the vectors.
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
