"""Rows through a chain of layers, in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._util.arrays import as_numpy
from .._util.validate import Array, as_integer, check_array, check_unmasked, matrix, shape_advice
from ._layers import Folded


def run(
    x: ArrayLike | Iterator[ArrayLike], stages: Sequence[Folded], n_in: int, batch_size: int
) -> Iterator[Array]:
    """Yield the outputs of the stages for the rows of `x`, at most `batch_size` at a time."""
    if as_integer("batch_size", batch_size) < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    return _outputs(x if isinstance(x, Iterator) else iter([x]), stages, n_in, batch_size)


def _outputs(
    parts: Iterator[ArrayLike], stages: Sequence[Folded], n_in: int, batch_size: int
) -> Iterator[Array]:
    for part in parts:
        rows = rows_of(part, n_in)
        for first in range(0, max(len(rows), 1), batch_size):
            # Sliced first: the check copies what is not contiguous.
            signal = matrix("x", rows[first : first + batch_size])
            for stage in stages:
                signal = stage(signal)
            yield signal


def rows_of(x: ArrayLike, n_in: int) -> NDArray[Any]:
    """Return samples as an array with `n_in` columns, not yet checked entry by entry."""
    check_unmasked("x", x)
    rows = as_numpy(x)
    check_array("x", x, rows)
    if rows.ndim != 2 or rows.shape[1] != n_in:
        advice = shape_advice(rows.shape, n_in) if rows.ndim == 2 else ": one sample per row"
        raise ValueError(f"x must have shape (m, {n_in}), got {rows.shape}{advice}")
    return rows


def collect(batches: Iterator[Array], m: int) -> Array:
    """Return the batches, `m` rows in all, as one array."""
    first = next(batches)
    out = np.empty((m, first.shape[1]), first.dtype)
    done = 0
    for batch in chain([first], batches):
        out[done : done + len(batch)] = batch
        done += len(batch)
    return out
