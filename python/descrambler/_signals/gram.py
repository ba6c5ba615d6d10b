"""The Gram matrix of signals: all that a quadratic criterion needs to know of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from scipy.linalg import blas

from .._util.files import read_arrays, write_arrays
from .._util.tables import brief
from .._util.validate import Array, frozen, real_array, square, working_dtype
from .checkpoint import resumed
from .sources import Signals, as_source, blocks_of

__all__ = ["Gram", "gram"]

SCHEMA = "descrambler.gram.v1"

# Sums of squares beyond these lose digits at the lower end of float64, or overflow in what is made of them.
LEAST, MOST = 1e-280, 1e280
LEAST_FLOAT32, MOST_FLOAT32 = 1e-30, 1e30  # where they are summed in float32


@brief
@dataclass(frozen=True, eq=False)
class Gram:
    """Gram matrix of signals with their mean and number.

    Attributes
    ----------
    matrix : ndarray, shape (n, n), float64
        ``sum of s s^T`` over the signals s, or of ``(s - mean) (s - mean)^T``.
    mean : ndarray, shape (n,), float64, or None
        Mean signal; None where only a matrix was given.
    count : int or None
        Number of signals.
    centered : bool
        Whether the mean was subtracted.
    """

    matrix: Array
    mean: Array | None = None
    count: int | None = None
    centered: bool = False

    def __post_init__(self) -> None:
        b = square("matrix", self.matrix).astype(np.float64, copy=False)
        if _asymmetry(b) > 1e-6 * max(b.max(), -b.min()):
            raise ValueError("matrix must be symmetric, as a Gram matrix is")
        if b.diagonal().min() < 0:
            raise ValueError("matrix must have a diagonal >= 0, as a Gram matrix has")
        object.__setattr__(self, "matrix", frozen(b))
        if (self.mean is None) != (self.count is None):
            raise ValueError("mean and count must be given together")
        if self.mean is not None and self.count is not None:
            mean = real_array("mean", self.mean, 1).astype(np.float64, copy=False)
            if mean.shape != (len(b),):
                raise ValueError(f"mean must have {len(b)} entries, got {mean.shape[0]}")
            if self.count < 1:
                raise ValueError(f"count must be at least 1, got {self.count}")
            object.__setattr__(self, "mean", frozen(mean))
        elif self.centered:
            raise ValueError("centered needs the mean that was subtracted")

    @property
    def n(self) -> int:
        """Number of units."""
        return len(self.matrix)

    def __add__(self, other: Gram) -> Gram:
        """Gram matrix of both sets of signals together."""
        if self.n != other.n:
            raise ValueError(f"Gram matrices of {self.n} and {other.n} units cannot be added")
        if self.centered != other.centered:
            raise ValueError("a centered and an uncentered Gram matrix cannot be added")
        total = self.matrix + other.matrix
        if self.mean is None or other.mean is None or self.count is None or other.count is None:
            return Gram(total)
        count = self.count + other.count
        if self.centered:
            # What is centered on either mean is brought to the common one.
            apart = self.mean - other.mean
            total += np.outer(apart, (self.count * other.count / count) * apart)
        mean = (self.count * self.mean + other.count * other.mean) / count
        return Gram(total, mean, count, self.centered)

    def center(self) -> Gram:
        """Gram matrix of the signals less their mean.

        Raises
        ------
        ValueError
            If the mean is not known.
        """
        if self.centered:
            return self
        if self.mean is None or self.count is None:
            raise ValueError("center needs the mean signal, which a bare matrix has not")
        # Symmetric to the last bit, as signals that do not vary leave nothing else.
        whole = np.sqrt(self.count) * self.mean
        centered = self.matrix - np.outer(whole, whole)
        # Rounding must not leave a negative variance.
        np.fill_diagonal(centered, np.maximum(centered.diagonal(), 0))
        centered.setflags(write=False)
        return replace(self, matrix=centered, centered=True)

    def save(self, path: str | Path) -> None:
        """Write to an .npz file, atomically and without pickle."""
        arrays: dict[str, ArrayLike] = {"matrix": self.matrix}
        if self.mean is not None and self.count is not None:
            arrays |= {"mean": self.mean, "count": self.count, "centered": self.centered}
        write_arrays(path, SCHEMA, arrays)

    @classmethod
    def load(cls, path: str | Path) -> Gram:
        """Read what :meth:`save` wrote.

        Raises
        ------
        ValueError
            If the file is not such a file.
        """
        arrays = read_arrays(path, SCHEMA)
        count = int(arrays["count"]) if "count" in arrays else None
        centered = bool(arrays.get("centered", False))
        return cls(arrays["matrix"], arrays.get("mean"), count, centered)


class GramSum:
    """Running Gram matrix in float64: rows are added in any number of blocks, sums are merged.

    Parameters
    ----------
    n : int
        Number of units.
    dtype : dtype
        In which the products of a block are formed, before they are added in float64.
    """

    def __init__(self, n: int, dtype: type[np.floating[Any]] = np.float64) -> None:
        self.matrix = np.zeros((n, n))
        self.sum = np.zeros(n)
        self.count = 0
        self.any = False
        self._dtype = dtype

    def add(self, rows: Array) -> None:
        """Add signals, one in a row, in blocks that fit the cache."""
        self.any = self.any or bool(rows.any())  # before they vanish in float32
        for block in blocks_of(rows, self._dtype):
            # The lower triangle in C order is BLAS's upper triangle, in place.
            if self._dtype == np.float64:
                blas.dsyrk(1.0, block.T, beta=1.0, c=self.matrix.T, overwrite_c=True)
            else:
                self.matrix += blas.ssyrk(1.0, block.T).T
            with np.errstate(invalid="ignore"):  # judged once, at the end
                self.sum += block.sum(axis=0, dtype=np.float64)
            self.count += len(block)

    def merge(self, other: GramSum) -> None:
        """Add another sum."""
        with np.errstate(over="ignore", invalid="ignore"):  # judged once, at the end
            self.matrix += other.matrix
            self.sum += other.sum
        self.count += other.count
        self.any = self.any or other.any

    def finish(self) -> Gram:
        """Hand the sum over as a Gram matrix; it ends here."""
        check_not_vanished(self.matrix.trace(), self.any, self._dtype)
        return finished(_mirrored(self.matrix), self.sum, self.count)


def gram(
    signals: Signals,
    *,
    center: bool = False,
    dtype: DTypeLike | None = None,
    checkpoint: str | Path | None = None,
) -> Gram:
    """Gather the Gram matrix of signals in one pass, in memory O(n^2).

    Parameters
    ----------
    signals : array_like, shape (m, n), or what is read in blocks of rows
        One signal in a row. Besides arrays: memory-mapped arrays, zarr and HDF5 datasets (anything with
        shape, dtype and row slices), iterators of batches, functions that return one, and Dask arrays,
        of which each block is summed where it lies. Any real type, bfloat16 and float16 included; the
        sum is kept in float64.
    center : bool
        Subtract the mean signal. The mean is kept either way, for signs.
    dtype : {"float64", "float32"}, optional
        In which the products of a block of rows are formed. float32 is twice as fast and costs the
        matrix a relative error of about 1e-7; float64 is the default.
    checkpoint : path, optional
        File to which the partial sum is written every half a minute, whole or not at all, with the
        number of rows done. Where it exists, those rows are passed over: call again with the same
        signals to resume. Not for Dask arrays, whose scheduler repeats what is lost.

    Returns
    -------
    Gram

    Raises
    ------
    TypeError, ValueError
        If the signals are not real, finite and two-dimensional, there are none, or the checkpoint
        is of other signals.
    """
    source = as_source("signals", signals)
    make = partial(GramSum, source.n, working_dtype(dtype or np.float64))
    total = source.gather(make) if checkpoint is None else resumed(source, make, Path(checkpoint))
    whole = total.finish()
    return whole.center() if center else whole


def check_not_vanished(trace: float, any_signal: bool, dtype: DTypeLike = np.float64) -> None:
    """Check that signals which are not zero have squares with all the digits of `dtype`."""
    if any_signal and trace < (LEAST if dtype == np.float64 else LEAST_FLOAT32):
        raise ValueError("signals must not be so small that their squares vanish: scale them")


def check_range(gram: Gram, dtype: type[np.floating[Any]]) -> None:
    """Check that a Gram matrix neither vanishes nor overflows in `dtype`."""
    wide = dtype == np.float64
    least, most = (LEAST, MOST) if wide else (LEAST_FLOAT32, MOST_FLOAT32)
    trace = float(gram.matrix.trace())
    if trace > 0 and not least <= trace <= most:
        raise ValueError(
            f"gram must have a trace within {least} and {most} in {dtype.__name__}, got {trace:.1e}"
        )


def finished(matrix: Array, total: Array, count: int) -> Gram:
    """Return sums over signals as a Gram, checked once: a NaN or an infinity cannot leave a sum."""
    with np.errstate(over="ignore", invalid="ignore"):
        finite = np.isfinite(total).all() and np.isfinite(matrix.sum())
        within = finite and matrix.trace() <= MOST
    if not within:
        raise ValueError("signals must be finite, and their squares must not overflow float64")
    matrix.setflags(write=False)
    return Gram(matrix, total / count, count)


def _mirrored(lower: Array, step: int = 512) -> Array:
    """Copy the lower triangle to the upper, in place and by blocks."""
    for start in range(0, len(lower), step):
        stop = start + step
        lower[start:stop, stop:] = lower[stop:, start:stop].T
        block = lower[start:stop, start:stop]
        block[...] = np.tril(block) + np.tril(block, -1).T
    return lower


def _asymmetry(b: Array, step: int = 512) -> float:
    """Largest |b - b^T|, by blocks."""
    starts = range(0, len(b), step)
    return max(float(np.abs(b[s : s + step] - b[:, s : s + step].T).max()) for s in starts)


def as_gram(value: Gram | ArrayLike) -> Gram:
    """Return a Gram as it is, a bare matrix without mean and number."""
    if isinstance(value, Gram):
        return value
    bare = Gram(cast(NDArray[np.float64], value))
    check_range(bare, np.float64)
    return bare
