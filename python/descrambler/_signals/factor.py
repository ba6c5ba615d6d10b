"""The triangular factor R of signals, R^T R = B: accurate where the Gram matrix B has lost digits."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import scipy.linalg

from .._util.validate import Array
from .gram import Gram
from .sources import Source, blocks_of

# Rows, for each unit, that wait for one QR decomposition: less, and most of its work would be R's own.
WAITING = 4


class FactorSum:
    """Running R of a QR decomposition of signals, in blocks, in float64.

    With an `origin` the signals are centered: of ``[1, s - origin]`` the triangular factor without its
    first row and column is that of the signals less their mean, wherever the origin is.
    """

    def __init__(self, n: int, origin: Array | None) -> None:
        self._n = n + (origin is not None)
        self._origin = origin
        self._parts: list[Array] = []
        self._waiting = 0

    def add(self, rows: Array) -> None:
        """Add signals, one in a row."""
        for block in blocks_of(rows, np.float64, self._origin):
            part = np.ones((len(block), self._n))
            part[:, self._n - block.shape[1] :] = block
            self._take(part)

    def merge(self, other: FactorSum) -> None:
        """Add the factor of other signals."""
        for part in other._parts:
            self._take(part)

    def _take(self, part: Array) -> None:
        self._parts.append(part)
        self._waiting += len(part)
        if self._waiting >= WAITING * self._n:
            self._reduce()

    def _reduce(self) -> None:
        stacked = np.concatenate(self._parts)
        if len(stacked) > self._n:
            (r,) = scipy.linalg.qr(stacked, mode="r", overwrite_a=True, check_finite=False)
            stacked = r[: self._n].copy()
        self._parts, self._waiting = [stacked], len(stacked)

    def finish(self) -> Array:
        """Return R, shape (k, n), k <= n."""
        if self._origin is None:
            self._reduce()
            return self._parts[0]
        # A row of zeros more: of a single signal nothing else is left.
        self._parts.append(np.zeros((1, self._n)))
        (r,) = scipy.linalg.qr(np.concatenate(self._parts), mode="r", check_finite=False)
        return np.ascontiguousarray(r[1 : self._n, 1:])


def with_factor(gram: Gram, source: Source) -> Gram:
    """Return a Gram matrix with the factor of its signals, which are read once more."""
    origin = gram.mean if gram.centered else None
    factor = source.gather(partial(FactorSum, gram.n, origin)).finish()
    return replace(gram, factor=factor, uncertainty=0.0)
