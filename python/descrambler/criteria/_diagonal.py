"""Criteria of a weight matrix: how diagonal P W is (Amey et al. 2021, Eq. 14)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from .. import _core as core
from .._util.tables import brief
from .._util.threads import computes
from .._util.validate import Array, check_squares, frozen, square


@dataclass(frozen=True, eq=False)
class _Diagonality:
    W: ArrayLike

    maximize: ClassVar[bool] = True

    def __post_init__(self) -> None:
        weights = square("W", self.W)
        check_squares("W", weights)
        object.__setattr__(self, "W", frozen(weights))

    def kernel(self, W: Array) -> core.Criterion:
        """C++ criterion of W P, for W in either precision."""
        raise NotImplementedError

    @computes
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


@brief
@dataclass(frozen=True, eq=False)
class DiagonalSum(_Diagonality):
    """Sum of the diagonal, ``tr(P W)``, maximized (Amey et al. 2021, Eq. 14).

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

    def kernel(self, W: Array) -> core.Criterion:
        """C++ criterion for W in either precision."""
        return core.DiagonalSum(W)


@brief
@dataclass(frozen=True, eq=False)
class DiagonalNormSquare(_Diagonality):
    """Squared norm of the diagonal, ``||diag(P W)||_2^2``, maximized (Amey et al. 2021, Eq. 14).

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

    def kernel(self, W: Array) -> core.Criterion:
        """C++ criterion for W in either precision."""
        return core.DiagonalNormSquare(W)
