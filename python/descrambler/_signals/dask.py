"""Dask arrays as signals: each block of rows is summed where it lies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from .._util.validate import Array, check_real, matrix, require_extra
from .sources import Accumulator, Rows, Source

A = TypeVar("A", bound=Accumulator)


class PairAccumulator(Protocol):
    """A sum over pairs of signals: numbered blocks of rows are added, partial sums merged."""

    def add(self, rows_a: Array, rows_b: Array, number: int) -> None:
        """Add a block of rows."""

    def merge(self, other: Any) -> None:
        """Add another such sum."""


PairTotal = TypeVar("PairTotal", bound=PairAccumulator)

# Partial sums that one task merges.
FAN_IN = 4


class DaskRows(Source):
    """A Dask array; its blocks of rows are summed where they lie, then merged as a tree."""

    sequential = False

    def __init__(self, name: str, array: Any) -> None:
        self.delayed = require_extra("dask", "dask", "a Dask array").delayed
        check_real(name, np.dtype(array.dtype))
        if array.ndim != 2:
            raise ValueError(f"{name} must have 2 dimensions, got shape {array.shape}")
        if 0 in array.shape:
            raise ValueError(f"{name} must not be empty, got shape {array.shape}")
        self.name, self.n, self.dtype = name, int(array.shape[1]), np.dtype(array.dtype)
        self.array = array.rechunk({1: -1})

    def head(self) -> NDArray[Any]:
        """Return the first row."""
        return np.asarray(self.array[:1])

    def blocks(self) -> Iterator[Array]:
        """Yield blocks of rows, one block of the array after the other."""
        for block in self.array.to_delayed().ravel():
            yield from Rows(self.name, block.compute()).blocks()

    def gather(self, make: Callable[[], A]) -> A:
        """Add all rows to what `make` returns."""
        # One node of the graph, however many tasks use it.
        shared = self.delayed(make, pure=False, traverse=False)
        sum_rows = self.delayed(_sum_rows)
        parts = [sum_rows(shared, self.name, b) for b in self.array.to_delayed().ravel()]
        total: A = _as_tree(self.delayed, shared, parts).compute()
        return total


def gather_pairs(
    a: DaskRows, b: DaskRows, make: Callable[[], PairTotal], size: int, pair: int
) -> PairTotal:
    """Add the rows of two arrays, block by block, to what `make` returns.

    Blocks of rows have at least `size` rows and a multiple of `pair`, save the last.
    """
    arrays = a.array, b.array
    for source, array in zip((a, b), arrays, strict=True):
        if not np.isfinite(array.shape[0]):
            raise ValueError(
                f"{source.name} must have a known number of rows: call compute_chunk_sizes() first"
            )
    if arrays[0].shape[0] != arrays[1].shape[0]:
        raise ValueError(
            f"{a.name} and {b.name} must have the same number of rows, one per input and in the same "
            f"order, got {arrays[0].shape[0]} and {arrays[1].shape[0]}"
        )
    tall = max(size, *arrays[0].chunks[0])
    tall += -tall % pair
    delayed = a.delayed
    shared = delayed(make, pure=False, traverse=False)
    blocks = [array.rechunk({0: tall, 1: -1}).to_delayed().ravel() for array in arrays]
    sum_pairs = delayed(_sum_pairs)
    names = a.name, b.name
    parts = [
        sum_pairs(shared, names, number, *both)
        for number, both in enumerate(zip(*blocks, strict=True))
    ]
    total: PairTotal = _as_tree(delayed, shared, parts).compute()
    return total


def _as_tree(delayed: Any, shared: Any, parts: list[Any]) -> Any:
    merge = delayed(_merge)
    while len(parts) > 1:
        parts = [merge(shared, parts[i : i + FAN_IN]) for i in range(0, len(parts), FAN_IN)]
    return parts[0]


def _sum_pairs(
    make: Callable[[], PairTotal],
    names: tuple[str, str],
    number: int,
    rows_a: NDArray[Any],
    rows_b: NDArray[Any],
) -> PairTotal:
    total = make()
    total.add(matrix(names[0], rows_a), matrix(names[1], rows_b), number)
    return total


def _sum_rows(make: Callable[[], A], name: str, rows: NDArray[Any]) -> A:
    return Rows(name, rows).gather(make) if len(rows) else make()


def _merge(make: Callable[[], Any], parts: list[Any]) -> Any:
    # Into a new sum: a task that is repeated must find its inputs as they were.
    total = make()
    for part in parts:
        total.merge(part)
    return total
