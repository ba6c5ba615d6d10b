"""The Gram matrix of signals: all that a quadratic criterion needs to know of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._util.files import documented, read_arrays, write_arrays
from .._util.tables import brief
from .._util.validate import Array, frozen, real_array, scalar, square

__all__ = ["Gram"]

SCHEMA = "descrambler.gram.v1"

EPS = float(np.finfo(np.float64).eps)

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
    uncertainty : float
        How far rounding may have moved the eigenvalues, beyond that of sums in float64: where products
        were formed in float32, or the mean was subtracted from the sums and not from the signals.
    factor : ndarray, shape (k, n), or None
        R with ``matrix = R^T R``, from a QR decomposition of the signals. It has the digits of small
        eigenvalues that the matrix has lost. Not saved.
    """

    matrix: Array
    mean: Array | None = None
    count: int | None = None
    centered: bool = False
    uncertainty: float = 0.0
    factor: Array | None = None

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
        if not 0 <= self.uncertainty < np.inf:
            raise ValueError(f"uncertainty must be finite and >= 0, got {self.uncertainty}")
        if self.factor is not None:
            object.__setattr__(self, "factor", frozen(self.factor))

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
        uncertainty = self.uncertainty + other.uncertainty
        if self.mean is None or other.mean is None or self.count is None or other.count is None:
            return Gram(total, uncertainty=uncertainty)
        count = self.count + other.count
        if self.centered:
            # What is centered on either mean is brought to the common one.
            apart, weight = self.mean - other.mean, self.count * other.count / count
            total += np.outer(apart, weight * apart)
            # Both means are rounded: far from zero, their difference has lost digits.
            lost = EPS * float(np.linalg.norm(self.mean) + np.linalg.norm(other.mean))
            uncertainty += weight * lost * (2 * float(np.linalg.norm(apart)) + lost)
        # As a step from one to the other: equal means stay as they are.
        mean = self.mean + (other.count / count) * (other.mean - self.mean)
        return Gram(total, mean, count, self.centered, uncertainty)

    def center(self) -> Gram:
        """Gram matrix of the signals less their mean.

        The digits that a mean far larger than the spread has cost are lost in the sums: they count as
        `uncertainty`. ``descrambler.gram(signals, center=True)`` keeps them.

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
        # All terms of these sums have one sign, and so has much of their rounding.
        lost = 4 * (rounding_level(float(self.matrix.trace()), self.n) + self.uncertainty)
        if centered.trace() <= lost:
            centered[:] = 0  # rounding is all that is left
        centered.setflags(write=False)
        return replace(
            self,
            matrix=centered,
            centered=True,
            uncertainty=lost,
            factor=None,
        )

    def save(self, path: str | Path) -> None:
        """Write to an .npz file, atomically and without pickle."""
        arrays: dict[str, ArrayLike] = {"matrix": self.matrix}
        if self.mean is not None and self.count is not None:
            arrays |= {"mean": self.mean, "count": self.count, "centered": self.centered}
        arrays["uncertainty"] = self.uncertainty
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
        with documented(path, "is not a saved Gram matrix"):
            mean = real_array("mean", arrays["mean"], 1) if "mean" in arrays else None
            count = scalar(arrays, "count", "iu") if "count" in arrays else None
            centered = bool(scalar(arrays, "centered", "b")) if "centered" in arrays else False
            lost = scalar(arrays, "uncertainty", "f") if "uncertainty" in arrays else 0.0
            return cls(real_array("matrix", arrays["matrix"], 2), mean, count, centered, lost)


def rounding_level(largest: float, n: int, dtype: type[np.floating[Any]] = np.float64) -> float:
    """Uncertainty of the eigenvalues of a Gram matrix from rounding alone."""
    return float(8 * np.sqrt(n) * np.finfo(dtype).eps * max(largest, 0))


def check_range(gram: Gram, dtype: type[np.floating[Any]]) -> None:
    """Check that a Gram matrix neither vanishes nor overflows in `dtype`."""
    wide = dtype == np.float64
    least, most = (LEAST, MOST) if wide else (LEAST_FLOAT32, MOST_FLOAT32)
    trace = float(gram.matrix.trace())
    if trace > 0 and not least <= trace <= most:
        raise ValueError(
            f"gram must have a trace within {least} and {most} in {dtype.__name__}, got {trace:.1e}"
        )


def _asymmetry(b: Array, step: int = 512) -> float:
    """Largest |b - b^T|, by blocks."""
    starts = range(0, len(b), step)
    return max(float(np.abs(b[s : s + step] - b[:, s : s + step].T).max()) for s in starts)


def as_gram(value: Gram | ArrayLike) -> Gram:
    """Return a Gram; a bare matrix becomes one without mean and count."""
    if isinstance(value, Gram):
        return value
    bare = Gram(cast(NDArray[np.float64], value))
    check_range(bare, np.float64)
    return bare
