"""Dask arrays as signals: each block of rows is summed where it lies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from .._util.validate import Array, check_real, require_extra
from .sources import Accumulator, Rows, Source

A = TypeVar("A", bound=Accumulator)

# Partial sums that one task merges.
FAN_IN = 4


class DaskRows(Source):
    """A Dask array; its blocks of rows are summed where they lie, then merged as a tree."""

    def __init__(self, name: str, array: Any) -> None:
        self._delayed = require_extra("dask", "dask", "a Dask array").delayed
        check_real(name, np.dtype(array.dtype))
        if array.ndim != 2:
            raise ValueError(f"{name} must have 2 dimension(s), got shape {array.shape}")
        if 0 in array.shape:
            raise ValueError(f"{name} must not be empty, got shape {array.shape}")
        self.name, self.n, self.dtype = name, int(array.shape[1]), np.dtype(array.dtype)
        self._array = array.rechunk({1: -1})

    def head(self) -> NDArray[Any]:
        """Return the first row."""
        return np.asarray(self._array[:1])

    def blocks(self) -> Iterator[Array]:
        """Yield blocks of rows, one block of the array after the other."""
        for block in self._array.to_delayed().ravel():
            yield from Rows(self.name, block.compute()).blocks()

    def gather(self, make: Callable[[], A]) -> A:
        """Add all rows to what `make` returns."""
        # One node of the graph, however many tasks use it.
        shared = self._delayed(make, pure=False, traverse=False)
        sum_rows, merge = self._delayed(_sum_rows), self._delayed(_merge)
        parts = [sum_rows(shared, self.name, b) for b in self._array.to_delayed().ravel()]
        while len(parts) > 1:
            parts = [merge(shared, parts[i : i + FAN_IN]) for i in range(0, len(parts), FAN_IN)]
        total: A = parts[0].compute()
        return total


def _sum_rows(make: Callable[[], A], name: str, rows: NDArray[Any]) -> A:
    return Rows(name, rows).gather(make) if len(rows) else make()


def _merge(make: Callable[[], A], parts: list[A]) -> A:
    # Into a new sum: a task that is repeated must find its inputs as they were.
    total = make()
    for part in parts:
        total.merge(part)
    return total
