"""Criteria that look at every descrambled signal ``y = P s``: evaluated in C++, block by block.

Values are sums over the signals. Functions of the normalized power ``y_i^2 / ||y||^2`` are weighed by the
power of the signal; to weigh all signals alike, normalize them first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from .. import _core as core
from .._util.validate import Array, choice
from ._base import Criterion
from ._forms import Assembly, Data, QuadraticForm

RINGS = ("periodic", "open")


# Beyond, the rounded corner is all that a float32 or float64 sum sees of a signal, or nothing of it.
LEAST_WIDTH, MOST_WIDTH = 1e-12, 1e3


def _check_width(width: float) -> None:
    if not LEAST_WIDTH <= width <= MOST_WIDTH:
        raise ValueError(
            f"width must be positive, from {LEAST_WIDTH} to {MOST_WIDTH}, got {width!r}"
        )


class _OfSignals(Criterion):
    needs_signals: ClassVar[bool] = True


@dataclass(frozen=True, eq=False)
class Entropy(_OfSignals):
    """Shannon entropy of the normalized power, ``-sum_i y_i^2 log(y_i^2 / ||y||^2)``, minimized.

    In nats times power; low where few points of the link axis carry a signal (paper, Eq. 3 and the
    list below it).
    """

    symmetry: ClassVar[str] = "permutations"

    def __str__(self) -> str:
        return "Shannon entropy"

    def assemble(self, assembly: Assembly, weight: float) -> None:
        """Add the term."""
        assembly.add_term(self, weight * assembly.data.unit**2, core.entropy())


@dataclass(frozen=True, eq=False)
class Sparsity(_OfSignals):
    """Smoothed L1 norm, ``sum_i sqrt(y_i^2 + w^2) - w``, minimized.

    Parameters
    ----------
    width : float
        Rounding w of the corner, in units of the signals' root mean square entry; from 1e-12 to 1e3.

    Raises
    ------
    ValueError
        If the width is not within these.
    """

    width: float = 0.1

    symmetry: ClassVar[str] = "permutations"

    def __post_init__(self) -> None:
        _check_width(self.width)

    def __str__(self) -> str:
        return f"sparsity (width {self.width:g})"

    def assemble(self, assembly: Assembly, weight: float) -> None:
        """Add the term."""
        assembly.add_term(self, weight * assembly.data.unit, core.smooth_l1(self.width))


@dataclass(frozen=True, eq=False)
class TotalVariation(_OfSignals):
    """Smoothed total variation, ``sum_i sqrt((y_(i+1) - y_i)^2 + w^2) - w``, minimized.

    Rudin, Osher and Fatemi 1992, along the link axis.

    Parameters
    ----------
    width : float
        Rounding w of the corner, in units of the signals' root mean square entry; from 1e-12 to 1e3.
    boundary : {"periodic", "open"}
        Whether the step from the last point to the first counts.

    Raises
    ------
    ValueError
        If the width is not within these, or the boundary unknown.
    """

    width: float = 0.1
    boundary: str = "periodic"

    def __post_init__(self) -> None:
        _check_width(self.width)
        choice("boundary", self.boundary, RINGS)

    def __str__(self) -> str:
        return f"total variation (width {self.width:g}, {self.boundary})"

    def assemble(self, assembly: Assembly, weight: float) -> None:
        """Add the term."""
        periodic = self.boundary == "periodic"
        weight *= assembly.data.unit
        assembly.add_term(self, weight, core.total_variation(self.width, periodic))


@dataclass(frozen=True, eq=False)
class Monotonicity(_OfSignals):
    """Steps against a direction, ``sum_i min(y_(i+1) - y_i, 0)^2`` for "increasing", minimized.

    Zero where every signal is monotonic along the (open) link axis.

    Parameters
    ----------
    direction : {"increasing", "decreasing"}

    Raises
    ------
    ValueError
        If the direction is unknown.
    """

    direction: str = "increasing"

    def __post_init__(self) -> None:
        choice("direction", self.direction, ("increasing", "decreasing"))

    def __str__(self) -> str:
        return f"monotonicity ({self.direction})"

    def assemble(self, assembly: Assembly, weight: float) -> None:
        """Add the term."""
        sign = 1.0 if self.direction == "increasing" else -1.0
        assembly.add_term(self, weight * assembly.data.unit**2, core.descent(sign, False))


@dataclass(frozen=True, eq=False)
class Locality(Criterion):
    """Spread of the power about a center on the link axis, minimized.

    ``sum_i |r_i - c|^2 y_i^2``: divided by the power of a signal, the variance of its normalized power.

    Parameters
    ----------
    center : float, optional
        Center c in points of the link axis, 0..n-1, for all signals; the criterion is then quadratic
        and solved exactly. By default each signal has its own, the center of its own power.
    boundary : {"periodic", "open"}
        Points r_i = i of a line, or of a circle of circumference n, across which distances are chords
        (the spread about the own center is then ``1 - R^2`` of circular statistics, times the radius
        squared; Mardia and Jupp 2000, section 2.3).

    Raises
    ------
    ValueError
        If the center is not finite, or the boundary unknown.
    """

    center: float | None = None
    boundary: str = "periodic"

    symmetry: ClassVar[str] = "signs"

    def __post_init__(self) -> None:
        choice("boundary", self.boundary, RINGS)
        if self.center is not None and not np.isfinite(self.center):
            raise ValueError(f"center must be finite, got {self.center!r}")

    def __str__(self) -> str:
        about = "own centers" if self.center is None else f"center {self.center:g}"
        return f"locality ({about}, {self.boundary})"

    @property
    def needs_signals(self) -> bool:  # type: ignore[override]
        """Unless the center is fixed."""
        return self.center is None

    def _points(self, place: Array, n: int) -> NDArray[np.float64]:
        """Coordinates of places on the link axis, shape (2, ...)."""
        if self.boundary == "open":
            return np.stack([place, np.zeros_like(place)])
        angle = 2 * np.pi * place / n
        return n / (2 * np.pi) * np.stack([np.cos(angle), np.sin(angle)])

    def form(self, data: Data) -> QuadraticForm | None:
        """Diagonal A of squared distances, for a center that is fixed."""
        if self.center is None:
            return None
        n = data.n
        points = self._points(np.arange(n, dtype=np.float64), n)
        # On a ring, whole turns are none.
        center = self.center % n if self.boundary == "periodic" else self.center
        with np.errstate(over="ignore"):
            distance = points - self._points(np.array([center], np.float64), n)
            form = QuadraticForm(matrix=np.diag(np.square(distance).sum(axis=0)))
        return form.checked("center", f"{self.center:g}", data)

    def assemble(self, assembly: Assembly, weight: float) -> None:
        """Add the form, or the term."""
        n, unit = assembly.data.n, assembly.data.unit
        form = self.form(assembly.data)
        if form is not None:
            assembly.add_form(weight * unit**2, form)
            return
        points = self._points(np.arange(n, dtype=np.float64), n)
        assembly.add_term(self, weight * unit**2, core.spread(points))


@dataclass(frozen=True, eq=False)
class Kurtosis(_OfSignals):
    """Sum over the units of their kurtosis, ``m sum y_i^4 / (sum y_i^2)^2`` over m signals, maximized.

    Independent of the scale of each unit, as in independent component analysis (Hyvarinen, Karhunen
    and Oja 2001, chapter 8): for white signals it is :class:`Orthomax` with gamma 0 up to a factor.
    Uncentered; a unit without power counts nothing.
    """

    maximize: ClassVar[bool] = True
    symmetry: ClassVar[str] = "permutations"

    def __str__(self) -> str:
        return "kurtosis"

    def assemble(self, assembly: Assembly, weight: float) -> None:
        """Add the criterion, which has sums over signals in a denominator."""
        rows = assembly.data.rows(self, assembly.dtype)
        assembly.add_part(weight, core.Kurtosis(rows, assembly.data.unit, assembly.b))


@dataclass(frozen=True, eq=False)
class Orthomax(_OfSignals):
    """Orthomax family: ``sum y^4 - (gamma / m) sum_i (sum y_i^2)^2``, maximized.

    Harman 1976, chapter 13, with the m signals as variables and the n units as factors: gamma = 0 is
    quartimax, 1 varimax (raw: normalize the signals for Kaiser's), n / 2 equamax.

    Parameters
    ----------
    gamma : float

    Raises
    ------
    ValueError
        If gamma is not finite.
    """

    gamma: float = 1.0

    maximize: ClassVar[bool] = True
    symmetry: ClassVar[str] = "permutations"

    def __post_init__(self) -> None:
        if not np.isfinite(self.gamma):
            raise ValueError(f"gamma must be finite, got {self.gamma!r}")

    def __str__(self) -> str:
        name = {0.0: "quartimax", 1.0: "varimax"}.get(float(self.gamma))
        return name or f"orthomax (gamma {self.gamma:g})"

    def assemble(self, assembly: Assembly, weight: float) -> None:
        """Add the fourth powers, and what the units' powers take from them."""
        data = assembly.data
        if not 1e-65 < data.unit < 1e65:
            raise ValueError(
                "signals must be within 1e-65 and 1e65 where their fourth powers are summed, got a root "
                f"mean square of {data.unit:.1e}"
            )
        weight *= data.unit**4
        assembly.add_term(self, weight, core.quartic())
        if self.gamma != 0:
            assembly.add_part(-weight * self.gamma / data.count, core.SquaredPower(assembly.b))
