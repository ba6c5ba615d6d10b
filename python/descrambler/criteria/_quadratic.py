"""Criteria ``tr(A P B P^T)`` of the Gram matrix B: solved exactly, alone and in sums."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from .. import _core as core
from .._geometry.link_basis import BOUNDARIES, LinkBasis, analytic_basis, operator_basis
from .._util.tables import brief
from .._util.validate import Array, check_squares, choice, frozen, matrix, square
from ._base import Criterion
from ._forms import Assembly, Data, QuadraticForm


class Quadratic(Criterion):
    """A criterion that is a quadratic form of P."""

    def form(self, data: Data) -> QuadraticForm:
        """Return the form for signals as they are."""
        raise NotImplementedError

    def assemble(self, assembly: Assembly, weight: float) -> None:
        """Add the form."""
        assembly.add_form(weight * assembly.data.unit**2, self.form(assembly.data))


@brief
@dataclass(frozen=True, eq=False)
class Smoothness(Quadratic):
    """Tikhonov smoothness of the descrambled signals, ``||D P S||_F^2 = tr(A P B P^T)``, minimized.

    Source: Amey et al. 2021, Eqs 4-8; D is a spectral derivative operator on n equispaced points.

    Parameters
    ----------
    order : float
        Order q of the derivative: A = D^T D has the eigenvalues ``k^(2 q)`` with k = 0, 1, 1, 2, 2, ...
        (periodic) or ``(k / 2)^(2 q)`` with k = 0..n-1 (neumann), k = 1..n (dirichlet).
    boundary : {"periodic", "neumann", "dirichlet"}
        Ends of the link axis. The paper's is periodic.
    operator : array_like, shape (any, n), optional
        Your own D, which replaces `order` and `boundary`.

    Raises
    ------
    ValueError
        If the order is not positive and finite, the boundary unknown, or the operator not a matrix.
    """

    order: float = 2
    boundary: str = "periodic"
    operator: ArrayLike | None = None

    def __post_init__(self) -> None:
        choice("boundary", self.boundary, BOUNDARIES)
        if not (np.isfinite(self.order) and self.order > 0):
            raise ValueError(f"order must be positive and finite, got {self.order!r}")
        if self.operator is not None:
            operator = matrix("operator", self.operator)
            check_squares("operator", operator)
            object.__setattr__(self, "operator", frozen(operator))

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
            with np.errstate(over="ignore"):
                basis = analytic_basis(n, self.order, self.boundary)
            if not np.isfinite(basis.norm):
                raise ValueError(
                    f"order must be smaller for {n} units, got {self.order:g}: the derivative's "
                    "eigenvalues are too large for float64"
                )
            return basis
        operator = np.asarray(self.operator)
        if operator.shape[1] != n:
            raise ValueError(
                f"operator must have {n} columns, one per unit, got {operator.shape[1]}"
            )
        return operator_basis(operator)

    def form(self, data: Data) -> QuadraticForm:
        """Return A, by its spectrum where it is periodic."""
        n = data.n
        basis = self.basis(n)
        if self.operator is None and self.boundary == "periodic":
            form = QuadraticForm(np.arange(n // 2 + 1) ** (2.0 * self.order))
        else:
            dense = basis.from_modes(basis.eigenvalues[:, None] * basis.to_modes(np.eye(n)))
            form = QuadraticForm(matrix=dense)
        if self.operator is None:
            return form.checked("order", f"{self.order:g}", data)
        largest = np.abs(np.asarray(self.operator)).max()
        return form.checked("operator", f"entries up to {largest:.1e}", data)

    def evaluate(self, P: Array, data: Data) -> tuple[float, Array]:
        """Value and gradient ``2 A P B``, in the basis of the link modes."""
        basis = self.basis(data.n)
        modes = np.ascontiguousarray(basis.to_modes(P), P.dtype)
        if data.gram.factor is not None and P.dtype == np.float64:
            return _of_factor(basis, modes, data.gram.factor)
        b = data.gram.matrix.astype(P.dtype, copy=False)
        kernel = spectral_kernel(basis.eigenvalues.astype(P.dtype), b)
        value, gradient = kernel.value_and_gradient(modes)
        return value, np.ascontiguousarray(basis.from_modes(gradient), P.dtype)


def _of_factor(basis: LinkBasis, modes: Array, factor: Array) -> tuple[float, Array]:
    """Value and gradient as sums of squares: none of them is lost beside the largest."""
    response = modes @ factor.T
    slope = 2 * basis.eigenvalues[:, None] * response
    return float(np.sum(slope * response)) / 2, basis.from_modes(slope @ factor)


def spectral_kernel(a: Array, b: Array) -> core.Criterion:
    """C++ criterion tr(diag(a) P B P^T): a quadratic form in the basis of the link modes."""
    return core.Brockett(a, b)


def link_basis(n: int) -> LinkBasis:
    """Return the modes of a link dimension of n units: those of the paper's smoothness."""
    return Smoothness().basis(n)


@dataclass(frozen=True, eq=False)
class Autocorrelation(Quadratic):
    """Agreement of each signal with itself, shifted: ``sum_i y_i y_(i+lag)``, maximized.

    Parameters
    ----------
    lag : int
        Shift along the link axis; on a ring of n points, lag n is lag 0.
    boundary : {"periodic", "open"}
        Whether the link axis is a ring, or its ends overlap with nothing.

    Notes
    -----
    A is the symmetric circulant with the eigenvalues ``cos(2 pi k lag / n)``, or the open one's
    Toeplitz matrix.

    Raises
    ------
    ValueError
        If the lag is not an integer from 1 on, reaches beyond an open link axis, or the boundary is
        unknown.
    """

    lag: int = 1
    boundary: str = "periodic"

    maximize: ClassVar[bool] = True

    def __post_init__(self) -> None:
        choice("boundary", self.boundary, ("periodic", "open"))
        # An integer may be longer than any float.
        whole = isinstance(self.lag, Integral) or float(self.lag).is_integer()
        if not whole or self.lag < 1:
            raise ValueError(f"lag must be an integer from 1 on, got {self.lag!r}")

    def __str__(self) -> str:
        return f"autocorrelation (lag {self.lag}, {self.boundary})"

    def form(self, data: Data) -> QuadraticForm:
        """Return A: half a shift forth, half a shift back."""
        n, lag = data.n, int(self.lag)
        if self.boundary == "periodic":
            # Whole turns of the ring are none; as integers, which do not round.
            turns = lag % n * np.arange(n // 2 + 1) % n
            return QuadraticForm(np.cos(2 * np.pi * turns / n), maximize=True)
        if lag >= n:
            raise ValueError(
                f"lag must be below {n}, the number of units, on an open link axis, got {lag}"
            )
        shift = (np.eye(n, k=lag) + np.eye(n, k=-lag)) / 2
        return QuadraticForm(matrix=shift, maximize=True)


@dataclass(frozen=True, eq=False)
class Periodicity(Quadratic):
    """Power of the signals at the harmonics of a period, maximized.

    The mean agreement of each signal with itself shifted by every multiple of the period, on the ring
    of n points: A is the circulant with the eigenvalues ``mean_j cos(2 pi k j period / n)``,
    j = 0..n/period - 1. Where the period divides n, A projects onto the signals of that period.

    Parameters
    ----------
    period : float
        In points of the link axis, at least 1; need not divide n.

    Raises
    ------
    ValueError
        If the period is not finite and at least 1.
    """

    period: float

    maximize: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not (np.isfinite(self.period) and self.period >= 1):
            raise ValueError(f"period must be finite and at least 1, got {self.period!r}")

    def __str__(self) -> str:
        return f"periodicity (period {self.period:g})"

    def form(self, data: Data) -> QuadraticForm:
        """Return A: the mean of the shifts."""
        n = data.n
        shifts = self.period * np.arange(max(1, round(n / self.period)))
        angles = 2 * np.pi / n * np.outer(np.arange(n // 2 + 1), shifts)
        return QuadraticForm(np.cos(angles).mean(axis=1), maximize=True)


@brief
@dataclass(frozen=True, eq=False)
class TargetCovariance(Quadratic):
    """Deviation from expected second moments, ``||P B P^T / m - C||_F^2``, minimized.

    It is quadratic in P because ``||P B P^T||`` does not depend on P: A = -2 C / m, and a constant.

    Parameters
    ----------
    target : array_like, shape (n, n)
        C, symmetric: the second moments E[y y^T] that the descrambled signals should have. The number
        of signals m is the Gram matrix's count; for a bare matrix it is 1.

    Raises
    ------
    ValueError
        If the target is not a symmetric matrix, or not of the signals' size.
    """

    target: ArrayLike

    def __post_init__(self) -> None:
        target = square("target", self.target).astype(np.float64, copy=False)
        check_squares("target", target)
        if np.abs(target - target.T).max() > 1e-6 * np.abs(target).max():
            raise ValueError("target must be symmetric, as a covariance is")
        object.__setattr__(self, "target", frozen((target + target.T) / 2))

    def __str__(self) -> str:
        return "deviation from a target covariance"

    def form(self, data: Data) -> QuadraticForm:
        """Return A = -2 C / m and the constant."""
        target = np.asarray(self.target)
        if len(target) != data.n:
            raise ValueError(f"target must be {data.n} x {data.n}, got shape {target.shape}")
        b = data.gram.matrix / data.count
        check_squares("the second moments of the signals", b)
        constant = float(np.square(b).sum() + np.square(target).sum())
        form = QuadraticForm(None, -2 * target / data.count, constant)
        return form.checked("target", f"entries up to {np.abs(target).max():.1e}", data)
