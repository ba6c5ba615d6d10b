"""A Gram matrix known by its products with blocks of vectors: in memory, or never formed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from typing import Any

import numpy as np
import scipy.linalg

from .._signals.gram import Gram
from .._signals.sources import Source, blocks_of, first_origin
from .._signals.sums import check_not_vanished
from .._util.validate import Array


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
