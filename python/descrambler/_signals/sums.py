"""Running sums over signals: a Gram matrix in one pass."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike
from scipy.linalg import blas

from .._util.progress import Progress, reporting
from .._util.threads import computing
from .._util.validate import Array, working_dtype
from .checkpoint import resumed
from .gram import LEAST, LEAST_FLOAT32, MOST, Gram, rounding_level
from .sources import Signals, Watched, as_source, blocks_of

__all__ = ["gram"]


class GramSum:
    """Running Gram matrix in float64: rows are added in any number of blocks, sums are merged.

    Parameters
    ----------
    n : int
        Number of units.
    dtype : dtype
        In which the products of a block are formed, before they are added in float64.
    """

    centered = False

    def __init__(self, n: int, dtype: type[np.floating[Any]] = np.float64) -> None:
        self.matrix = np.zeros((n, n))
        self.origin = np.zeros(n)
        self.sum = np.zeros(n)
        self.count = 0
        self.any = False
        self.dtype = dtype

    def add(self, rows: Array) -> None:
        """Add signals, one in a row, in blocks that fit the cache."""
        self.any = self.any or bool(rows.any())  # before they vanish in float32
        for block in blocks_of(rows, self.dtype):
            self._add_products(block)
            with np.errstate(invalid="ignore"):  # judged once, at the end
                self.sum += block.sum(axis=0, dtype=np.float64)
            self.count += len(block)

    def _add_products(self, block: Array) -> None:
        # The lower triangle in C order is BLAS's upper triangle, in place.
        if self.dtype == np.float64:
            blas.dsyrk(1.0, block.T, beta=1.0, c=self.matrix.T, overwrite_c=True)
        else:
            self.matrix += blas.ssyrk(1.0, block.T).T

    def merge(self, other: GramSum) -> None:
        """Add another sum."""
        with np.errstate(over="ignore", invalid="ignore"):  # judged once, at the end
            self.matrix += other.matrix
            self.sum += other.sum
        self.count += other.count
        self.any = self.any or other.any

    def finish(self) -> Gram:
        """Hand the sum over as a Gram matrix; it ends here."""
        check_not_vanished(self.matrix.trace(), self.any, self.dtype)
        mean = self.origin + self.sum / self.count
        return finished(mirrored(self.matrix), mean, self.count, self.centered, self.dtype)


class CenteredSum(GramSum):
    """Running Gram matrix of signals less their mean, with the digits that a large mean would cost.

    Each block is centered on its own mean, and what is known of the others is brought to the common one
    (Chan, Golub and LeVeque 1983). `matrix` is about the mean so far, and `sum` counts from `origin`, the
    first signal.
    """

    centered = True

    def add(self, rows: Array) -> None:
        """Add signals, one in a row, in blocks that fit the cache."""
        if self.count == 0:
            self.origin = rows[0].astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):  # judged once, at the end
            for deviations in blocks_of(rows, np.float64, self.origin):
                mean = deviations.mean(axis=0)
                deviations -= mean
                self.any = self.any or bool(deviations.any())
                self._add_products(deviations.astype(self.dtype, copy=False))
                self._join(mean, len(deviations))

    def merge(self, other: GramSum) -> None:
        """Add another sum."""
        if other.count == 0:
            return
        if self.count == 0:
            self.origin = other.origin
        with np.errstate(over="ignore", invalid="ignore"):  # judged once, at the end
            self.matrix += other.matrix
            self._join(other.sum / other.count + (other.origin - self.origin), other.count)
        self.any = self.any or other.any

    def _join(self, mean: Array, count: int) -> None:
        """Take in as many signals with this mean, whose matrix about it is added already."""
        if self.count:
            apart = mean - self.sum / self.count
            self.matrix += np.outer(apart, (self.count * count / (self.count + count)) * apart)
            self.any = self.any or bool(apart.any())
        self.sum += count * mean
        self.count += count


def gram(
    signals: Signals,
    *,
    center: bool = False,
    dtype: DTypeLike | None = None,
    checkpoint: str | Path | None = None,
    threads: int | None = None,
    progress: Progress = False,
) -> Gram:
    """Gather the Gram matrix of signals in one pass, in memory O(n^2).

    Parameters
    ----------
    signals : array_like, shape (m, n), or what is read in blocks of rows
        One sample per row. Besides arrays: memory-mapped arrays, zarr and HDF5 datasets (anything with
        shape, dtype and row slices), iterators of batches, functions that return one, and Dask arrays,
        of which each block is summed where it lies. Any real type, bfloat16 and float16 included; the
        sum is kept in float64.
    center : bool
        Subtract the mean signal, before squares are summed: a mean far larger than the spread costs no
        digits. The mean is kept either way, for signs.
    dtype : {"float64", "float32"}, optional
        Precision of the products of a block of rows. float32 is twice as fast and costs the
        matrix a relative error of about 1e-7; float64 is the default.
    checkpoint : path, optional
        File to which the partial sum is written every half a minute, whole or not at all, with the
        number of rows done and a digest of them. Where it exists, those rows are compared and passed
        over: call again with the same signals to resume. Not for Dask arrays, whose scheduler repeats
        what is lost.
    threads : int or None
        As in :func:`descrambler.descramble`.
    progress : bool or callable
        True shows a bar. A function is called with a step (`done`, `total`, `label`) after each block of
        rows; `total` is None where their number is not known. Not for Dask arrays: Dask shows its own.

    Returns
    -------
    Gram

    Raises
    ------
    TypeError, ValueError
        If the signals are not real, finite and two-dimensional, there are none, or the checkpoint
        is of other signals or other options, or damaged.
    """
    source = as_source("signals", signals)
    if progress is not False and not source.sequential:
        raise ValueError("progress is not for Dask arrays: use dask.diagnostics.ProgressBar")
    kind = CenteredSum if center else GramSum
    make = partial(kind, source.n, working_dtype(dtype or np.float64))
    with computing(source.n, threads), reporting(progress, source.m, "signal") as report:
        seen = source if progress is False else Watched(source, report)
        total = seen.gather(make) if checkpoint is None else resumed(seen, make, Path(checkpoint))
        return total.finish()


def check_not_vanished(trace: float, any_signal: bool, dtype: DTypeLike = np.float64) -> None:
    """Check that signals which are not zero have squares with all the digits of `dtype`."""
    if any_signal and trace < (LEAST if np.dtype(dtype) == np.float64 else LEAST_FLOAT32):
        raise ValueError("signals must not be so small that their squares vanish: scale them")


def finished(
    matrix: Array,
    mean: Array,
    count: int,
    centered: bool = False,
    dtype: type[np.floating[Any]] = np.float64,
) -> Gram:
    """Return sums over signals as a Gram, checked once: a NaN or an infinity cannot leave a sum.

    `dtype` is that of the products which were summed.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        finite = np.isfinite(mean).all() and np.isfinite(matrix.sum())
        within = finite and matrix.trace() <= MOST
    if not within:
        raise ValueError("signals must be finite, and their squares must not overflow float64")
    matrix.setflags(write=False)
    single = dtype == np.float32
    lost = rounding_level(float(matrix.trace()), len(matrix), np.float32) if single else 0.0
    return Gram(matrix, mean, count, centered, lost)


def mirrored(lower: Array, step: int = 512) -> Array:
    """Copy the lower triangle to the upper, in place and by blocks."""
    for start in range(0, len(lower), step):
        stop = start + step
        lower[start:stop, stop:] = lower[stop:, start:stop].T
        block = lower[start:stop, start:stop]
        block[...] = np.tril(block) + np.tril(block, -1).T
    return lower
