"""Modes of the link axis: the eigenbasis V of a derivative operator's A = D^T D = V diag(a) V^T."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from .._util import lapack
from .._util.threads import threads_here
from .._util.validate import Array

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

    @property
    def norm(self) -> float:
        """Spectral norm of A."""
        return float(np.abs(self.eigenvalues[[0, -1]]).max())

    def to_modes(self, matrix: Array) -> Array:
        """V^T matrix, for a matrix with n rows."""
        if self.vectors is not None:
            return self.vectors.T @ matrix
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

    def from_modes(self, matrix: Array) -> Array:
        """V matrix, for a matrix with n rows."""
        if self.vectors is not None:
            return self.vectors @ matrix
        if self.boundary == "neumann":
            return cast(
                Array, scipy.fft.idct(matrix, axis=0, norm="ortho", workers=_workers(matrix))
            )
        if self.boundary == "dirichlet":
            return cast(
                Array,
                scipy.fft.idst(matrix, type=1, axis=0, norm="ortho", workers=_workers(matrix)),
            )
        if self.order is not None:
            matrix = matrix[np.argsort(self.order)]
        return _inverse_real_fourier(matrix)

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
    n = len(matrix)
    spectrum = scipy.fft.rfft(matrix, axis=0, norm="ortho", workers=_workers(matrix))
    modes = np.empty_like(matrix)
    modes[0] = spectrum[0].real
    last = (n + 1) // 2
    modes[1 : 2 * last - 1 : 2] = spectrum[1:last].real
    modes[2 : 2 * last - 1 : 2] = -spectrum[1:last].imag
    modes[1 : 2 * last - 1] *= np.sqrt(2, dtype=matrix.dtype)
    if n % 2 == 0:
        modes[-1] = spectrum[-1].real
    return modes


def _inverse_real_fourier(modes: Array) -> Array:
    n = len(modes)
    complex_dtype = np.complex64 if modes.dtype == np.float32 else np.complex128
    spectrum = np.zeros((n // 2 + 1, *modes.shape[1:]), complex_dtype)
    spectrum[0] = modes[0]
    last = (n + 1) // 2
    half = np.sqrt(0.5, dtype=modes.dtype)
    np.multiply(modes[1 : 2 * last - 1 : 2], half, out=spectrum[1:last].real)
    np.multiply(modes[2 : 2 * last - 1 : 2], -half, out=spectrum[1:last].imag)
    if n % 2 == 0:
        spectrum[-1] = modes[-1]
    return cast(Array, scipy.fft.irfft(spectrum, n, axis=0, norm="ortho", workers=_workers(modes)))


def analytic_basis(n: int, order: float, boundary: str) -> LinkBasis:
    """Return the modes of a spectral derivative of the given order on n equispaced points."""
    if boundary == "periodic":
        frequency = (np.arange(n) + 1) // 2
        return LinkBasis(boundary, frequency.astype(np.float64) ** (2 * order))
    first = 0 if boundary == "neumann" else 1
    return LinkBasis(boundary, (np.arange(first, first + n) / 2) ** (2 * order))


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


def matrix_basis(a: Array) -> LinkBasis:
    """Return the modes of any symmetric A, shape (n, n)."""
    eigenvalues, vectors = lapack.eigh(a)
    return LinkBasis("operator", eigenvalues, np.ascontiguousarray(vectors))
