"""What "readable" means: figures of merit of a rotation P, with analytic gradients.

A criterion is minimised or maximised over SO(n) by :func:`descrambler.descramble` (criteria of the
signals) or :func:`descrambler.diagonalize` (criteria of a weight matrix).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from ._native import core
from ._validate import Array, choice, frozen, matrix, square
from .basis import BOUNDARIES, LinkBasis, analytic_basis, operator_basis

if TYPE_CHECKING:
    from . import _core

__all__ = ["DiagonalNormSquare", "DiagonalSum", "Smoothness"]


@dataclass(frozen=True, eq=False)
class Smoothness:
    """Tikhonov smoothness of the descrambled signals, ``||D P S||_F^2 = tr(A P B P^T)``, minimised.

    Source: Amey et al. 2021, Eqs 4-8; D is a spectral derivative operator on n equispaced points.

    Parameters
    ----------
    order : float
        Order q of the derivative: A = D^T D has the eigenvalues ``k^(2 q)`` with k = 0, 1, 1, 2, 2, ...
        (periodic) or ``(k / 2)^(2 q)`` with k = 0..n-1 (neumann), k = 1..n (dirichlet).
    boundary : {"periodic", "neumann", "dirichlet"}
        Ends of the link axis. The paper's is periodic.
    operator : array_like, shape (any, n), optional
        The user's own D; `order` and `boundary` then play no part.

    Raises
    ------
    ValueError
        If the order is not positive and finite, the boundary unknown, or the operator not a matrix.
    """

    order: float = 2
    boundary: str = "periodic"
    operator: ArrayLike | None = None

    maximised: ClassVar[bool] = False

    def __post_init__(self) -> None:
        choice("boundary", self.boundary, BOUNDARIES)
        if not (np.isfinite(self.order) and self.order > 0):
            raise ValueError(f"order must be positive and finite, got {self.order!r}")
        if self.operator is not None:
            object.__setattr__(self, "operator", frozen(matrix("operator", self.operator)))

    def __str__(self) -> str:
        if self.operator is not None:
            return "smoothness (user's operator)"
        return f"smoothness (order {self.order:g}, {self.boundary})"

    def basis(self, n: int) -> LinkBasis:
        """Return the modes of A on n points.

        Raises
        ------
        ValueError
            If the user's operator acts on another number of points.
        """
        if self.operator is None:
            return analytic_basis(n, self.order, self.boundary)
        operator = np.asarray(self.operator)
        if operator.shape[1] != n:
            raise ValueError(
                f"operator must have {n} columns, one per unit, got {operator.shape[1]}"
            )
        return operator_basis(operator)

    def value_and_gradient(
        self, P: ArrayLike, *, gram: ArrayLike | None = None, signals: ArrayLike | None = None
    ) -> tuple[float, Array]:
        """Value ``tr(A P B P^T)`` and Euclidean gradient ``2 A P B``.

        Parameters
        ----------
        P : array_like, shape (n, n)
            Rotation.
        gram : array_like, shape (n, n)
            Gram matrix B, symmetric; or
        signals : array_like, shape (m, n)
            the signals themselves, one in a row, of which B is the Gram matrix.

        Returns
        -------
        value : float
        gradient : ndarray, shape (n, n)
            In the dtype of P.

        Raises
        ------
        TypeError
            If not exactly one of `gram` and `signals` is given.
        ValueError
            If shapes do not fit.
        """
        if (gram is None) == (signals is None):
            raise TypeError("smoothness needs exactly one of gram= and signals=")
        rotation = square("P", P)
        n = len(rotation)
        if signals is not None:
            rows = matrix("signals", signals).astype(np.float64, copy=False)
            gram = rows.T @ rows
        b = square("gram", gram if gram is not None else ())
        if len(b) != n:
            raise ValueError(f"P is {n} x {n} but the signals have {len(b)} units")
        basis = self.basis(n)
        dtype = rotation.dtype
        modes = np.ascontiguousarray(basis.to_modes(rotation), dtype)
        kernel = spectral_kernel(basis.eigenvalues.astype(dtype), b.astype(dtype, copy=False))
        value, gradient = kernel.value_and_gradient(modes)
        return float(value), np.ascontiguousarray(basis.from_modes(gradient), dtype)


def spectral_kernel(a: Array, b: Array) -> _core.Criterion:
    """C++ criterion tr(diag(a) P B P^T): smoothness in the basis of the link modes."""
    return core.Brockett32(a, b) if b.dtype == np.float32 else core.Brockett64(a, b)


@dataclass(frozen=True, eq=False)
class _Diagonality:
    W: ArrayLike

    maximised: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "W", frozen(square("W", self.W)))

    def kernel(self, W: Array) -> _core.Criterion:
        """C++ criterion of W P, for W in either precision."""
        raise NotImplementedError

    def value_and_gradient(self, P: ArrayLike) -> tuple[float, Array]:
        """Value and Euclidean gradient.

        Parameters
        ----------
        P : array_like, shape (n, n)
            Rotation, of the size of W.

        Returns
        -------
        value : float
        gradient : ndarray, shape (n, n)
            In the dtype of P.

        Raises
        ------
        ValueError
            If P is not square and finite or its size differs from W's.
        """
        rotation = square("P", P)
        weights = np.asarray(self.W)
        if rotation.shape != weights.shape:
            raise ValueError(f"P must have the shape of W, {weights.shape}, got {rotation.shape}")
        kernel = self.kernel(weights.astype(rotation.dtype, copy=False))
        value, gradient = kernel.value_and_gradient(rotation)
        return float(value), gradient


@dataclass(frozen=True, eq=False)
class DiagonalSum(_Diagonality):
    """Sum of the diagonal, ``tr(P W)``, maximised (Amey et al. 2021, Eq. 14).

    Parameters
    ----------
    W : array_like, shape (n, n)
        Weight matrix.

    Raises
    ------
    ValueError
        If W is not square and finite.
    """

    def __str__(self) -> str:
        return "maximum diagonal sum"

    def kernel(self, W: Array) -> _core.Criterion:
        """C++ criterion for W in either precision."""
        return core.DiagonalSum32(W) if W.dtype == np.float32 else core.DiagonalSum64(W)


@dataclass(frozen=True, eq=False)
class DiagonalNormSquare(_Diagonality):
    """Squared norm of the diagonal, ``||diag(P W)||_2^2``, maximised (Amey et al. 2021, Eq. 14).

    Parameters
    ----------
    W : array_like, shape (n, n)
        Weight matrix.

    Raises
    ------
    ValueError
        If W is not square and finite.
    """

    def __str__(self) -> str:
        return "maximum diagonal norm square"

    def kernel(self, W: Array) -> _core.Criterion:
        """C++ criterion for W in either precision."""
        if W.dtype == np.float32:
            return core.DiagonalNormSquare32(W)
        return core.DiagonalNormSquare64(W)
