"""Modes of the link axis: the eigenbasis V of a derivative operator's A = D^T D = V diag(a) V^T."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import cast

import numpy as np
import scipy.fft
import scipy.fftpack
from numpy.typing import NDArray

from .._util import lapack
from .._util.symmetric import padded
from .._util.threads import computes, product, threads_here
from .._util.validate import Array, floating, frozen

BOUNDARIES = ("periodic", "neumann", "dirichlet")
# Entries from which on a matrix is transformed by several threads.
LARGE = 2**20


@dataclass(frozen=True, eq=False)
class LinkBasis:
    """Orthonormal modes in ascending order of their eigenvalue.

    Periodic modes are 1, cos k, sin k (in this order, k ascending) and, for even n, the alternating
    Nyquist mode; Neumann modes are the DCT-II basis, Dirichlet modes the DST-I basis. A user's operator
    brings its own eigenvectors; a circulant whose eigenvalues do not rise with frequency, the order of
    the periodic modes.
    """

    boundary: str
    eigenvalues: Array
    vectors: Array | None = None
    order: NDArray[np.intp] | None = None

    @property
    def n(self) -> int:
        """Number of points on the link axis, and of modes."""
        return len(self.eigenvalues)

    @cached_property
    def norm(self) -> float:
        """Spectral norm of A."""
        return float(np.abs(self.eigenvalues[[0, -1]]).max())

    def to_modes(self, matrix: Array) -> Array:
        """V^T matrix, for a matrix with n rows."""
        matrix = floating("matrix", matrix)
        if self.vectors is not None:
            return product(self.vectors.T, matrix, self.n)
        if self.boundary == "neumann":
            return cast(
                Array, scipy.fft.dct(matrix, axis=0, norm="ortho", workers=_workers(matrix))
            )
        if self.boundary == "dirichlet":
            return cast(
                Array, scipy.fft.dst(matrix, type=1, axis=0, norm="ortho", workers=_workers(matrix))
            )
        modes = _real_fourier(matrix)
        return modes if self.order is None else modes[self.order]

    def from_modes(self, matrix: Array, factors: Array | float = 1.0) -> Array:
        """V diag(factors) matrix, for a matrix with n rows."""
        matrix = floating("matrix", matrix)
        given = floating("factors", np.asarray(factors))
        factors = given if given.ndim else float(given)
        if self.vectors is None and self.boundary == "periodic":
            return self._from_periodic(matrix, factors)
        if isinstance(factors, float):
            matrix = matrix if factors == 1 else factors * matrix
        else:
            matrix = _column(factors, matrix) * matrix
        if self.vectors is not None:
            return product(self.vectors, matrix, self.n)
        workers = _workers(matrix)
        if self.boundary == "neumann":
            return cast(Array, scipy.fft.idct(matrix, axis=0, norm="ortho", workers=workers))
        return cast(Array, scipy.fft.idst(matrix, type=1, axis=0, norm="ortho", workers=workers))

    def _from_periodic(self, matrix: Array, factors: Array | float) -> Array:
        if self.order is not None:
            back = np.argsort(self.order)
            matrix = matrix[back]
            factors = factors if isinstance(factors, float) else factors[back]
        return _inverse_real_fourier(matrix, factors)

    def degenerate_blocks(self) -> Iterator[slice]:
        """Yield runs of modes with one eigenvalue, within which the criterion fixes no axes."""
        a = self.eigenvalues
        # An analytic spectrum is exact; other eigenvalues carry rounding.
        exact = self.vectors is None and self.order is None
        closeness = 0.0 if exact else 8 * self.n * np.finfo(np.float64).eps * self.norm
        edges = np.flatnonzero(np.diff(a) > closeness) + 1
        for start, stop in zip([0, *edges], [*edges, self.n], strict=True):
            yield slice(int(start), int(stop))


def _workers(matrix: Array) -> int:
    """Threads for the transforms of a large matrix."""
    return 1 if matrix.size < LARGE else threads_here()


def _real_fourier(matrix: Array) -> Array:
    modes = _transformed(scipy.fftpack.rfft, matrix)
    modes *= _column(1 / _lengths(len(matrix)), modes)
    return modes


def _inverse_real_fourier(modes: Array, factors: Array | float) -> Array:
    return _transformed(scipy.fftpack.irfft, modes, _column(factors * _lengths(len(modes)), modes))


def _transformed(
    transform: Callable[..., Array], matrix: Array, factors: Array | float = 1.0
) -> Array:
    """Transform the columns of ``factors * matrix``: in place, where rows are padded."""
    work = padded(matrix.shape, matrix.dtype)
    np.multiply(matrix, factors, out=work)
    with scipy.fft.set_workers(_workers(matrix)):
        return np.ascontiguousarray(transform(work, axis=0, overwrite_x=True))


@lru_cache(maxsize=8)
def _lengths(n: int) -> Array:
    """Return what FFTPACK's coefficients are of ours: its sines have the other sign, none is normalized."""
    lengths = np.full(n, np.sqrt(n / 2))
    lengths[2::2] *= -1
    lengths[0] = np.sqrt(n)
    if n % 2 == 0:
        lengths[-1] = np.sqrt(n)
    return frozen(lengths)


def _column(factors: Array, matrix: Array) -> Array:
    """Return factors of the rows of a matrix, or of the entries of a vector."""
    shape = (-1, *[1] * (matrix.ndim - 1))
    return factors.astype(matrix.dtype, copy=False).reshape(shape)


@lru_cache(maxsize=8)
def analytic_basis(n: int, order: float, boundary: str) -> LinkBasis:
    """Return the modes of a spectral derivative of the given order on n equispaced points."""
    first = 1 if boundary == "dirichlet" else 0
    frequency = np.arange(first, first + n) / 2
    if boundary == "periodic":
        frequency = np.ceil(frequency)
    return LinkBasis(boundary, frozen(frequency ** (2 * order)))


@computes
def operator_basis(operator: Array) -> LinkBasis:
    """Return the modes of a user's derivative operator D, shape (any, n)."""
    d = operator.astype(np.float64, copy=False)
    eigenvalues, vectors = lapack.eigh(d.T @ d)
    return LinkBasis("operator", np.maximum(eigenvalues, 0), np.ascontiguousarray(vectors))


def circulant_basis(n: int, spectrum: Array) -> LinkBasis:
    """Return the modes of a symmetric circulant with these eigenvalues at the frequencies 0..n//2."""
    eigenvalues = np.asarray(spectrum, np.float64)[(np.arange(n) + 1) // 2]
    order = np.argsort(eigenvalues, kind="stable")
    if (order == np.arange(n)).all():
        return LinkBasis("periodic", eigenvalues)
    return LinkBasis("periodic", eigenvalues[order], order=order)


@computes
def matrix_basis(a: Array) -> LinkBasis:
    """Return the modes of any symmetric A, shape (n, n)."""
    eigenvalues, vectors = lapack.eigh(a)
    return LinkBasis("operator", eigenvalues, np.ascontiguousarray(vectors))
