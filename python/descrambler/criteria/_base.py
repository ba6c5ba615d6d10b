"""The base of all criteria: evaluation, weights and sums."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from .. import _core as core
from .._signals.gram import Gram
from .._util.tables import brief
from .._util.threads import computes
from .._util.validate import Array, square
from ._forms import Assembly, Data, QuadraticForm


class Criterion:
    """Figure of merit of a rotation P: minimized, or maximized where `maximize` says so.

    Criteria add up: ``2 * Smoothness() + Locality()``. A sum is maximized if all its terms are;
    otherwise it is minimized, and terms to be maximized count negative. A negative weight asks for the
    opposite: ``-1 * Orthomax(0)`` minimizes the sum of fourth powers.
    """

    maximize: ClassVar[bool] = False
    needs_signals: ClassVar[bool] = False
    # Changes of P's rows that leave the value: "permutations" (with signs), "signs" or "none".
    symmetry: ClassVar[str] = "none"

    def assemble(self, assembly: Assembly, weight: float) -> None:
        """Add this criterion's parts, times the weight."""
        raise NotImplementedError

    def form(self, data: Data) -> QuadraticForm | None:
        """Return the form if the criterion is quadratic in P, of the signals as they are."""
        return None

    def kernel(self, data: Data, dtype: np.dtype[np.floating]) -> tuple[core.Criterion, float]:
        """Return the C++ criterion for this data, and the unit of its values."""
        assembly = Assembly(data, dtype)
        self.assemble(assembly, 1.0)
        return assembly.kernel()

    def constant(self, data: Data) -> float:
        """Part of the value that P does not change and the kernel leaves out."""
        form = self.form(data)
        return 0.0 if form is None else form.constant

    def evaluate(self, P: Array, data: Data) -> tuple[float, Array]:
        """Value and Euclidean gradient, in the dtype of P."""
        kernel, unit = self.kernel(data, P.dtype)
        value, gradient = kernel.value_and_gradient(P)
        return unit * value + self.constant(data), (unit * gradient).astype(P.dtype, copy=False)

    @computes
    def value_and_gradient(
        self,
        P: ArrayLike,
        *,
        gram: Gram | ArrayLike | None = None,
        signals: ArrayLike | None = None,
    ) -> tuple[float, Array]:
        """Value and Euclidean gradient.

        Parameters
        ----------
        P : array_like, shape (n, n)
            Rotation.
        gram : Gram or array_like, shape (n, n)
            Gram matrix B, for criteria that need no more.
        signals : array_like, shape (m, n)
            The signals themselves, one sample per row. Give either `gram` or `signals`.

        Returns
        -------
        value : float
        gradient : ndarray, shape (n, n)
            Unconstrained, d value / dP, in the dtype of P.

        Raises
        ------
        TypeError
            If not exactly one of `gram` and `signals` is given.
        ValueError
            If shapes do not fit, or the criterion needs the signals and has their Gram matrix alone.
        """
        data = Data.of(gram, signals)
        rotation = square("P", P)
        n = len(rotation)
        if data.n != n:
            raise ValueError(f"P is {n} x {n} but the signals have {data.n} units")
        return self.evaluate(rotation, data)

    def __mul__(self, weight: float) -> WeightedSum:
        return WeightedSum(((weight, self),))

    __rmul__ = __mul__

    def __neg__(self) -> WeightedSum:
        return -1 * self

    def __add__(self, other: Criterion) -> WeightedSum:
        if not isinstance(other, Criterion):
            return NotImplemented
        return WeightedSum((*(1 * self).terms, *(1 * other).terms))


_SYMMETRIES = ("permutations", "signs", "none")


@brief
@dataclass(frozen=True, eq=False)
class WeightedSum(Criterion):
    """Weighted sum of criteria, as ``2 * Smoothness() + Locality()`` makes it.

    Parameters
    ----------
    terms : tuple of (float, Criterion)
        Weights and criteria. `maximize` of the sum does not depend on the weights: a negative weight
        asks for the opposite of its term.

    Raises
    ------
    ValueError
        If there is no term, or a weight is zero or not finite.
    """

    terms: tuple[tuple[float, Criterion], ...]

    def __post_init__(self) -> None:
        flat: list[tuple[float, Criterion]] = []
        for weight, criterion in self.terms:
            if not (np.isfinite(weight) and weight != 0):
                raise ValueError(
                    f"the weight of {criterion} must be finite and not zero, got {weight!r}"
                )
            inner = criterion.terms if isinstance(criterion, WeightedSum) else ((1.0, criterion),)
            flat += [(float(weight) * own, part) for own, part in inner]
        if not flat:
            raise ValueError("a sum of criteria needs at least one term")
        object.__setattr__(self, "terms", tuple(flat))

    @property
    def maximize(self) -> bool:  # type: ignore[override]
        """Whether every term is."""
        return all(criterion.maximize for _, criterion in self.terms)

    @property
    def needs_signals(self) -> bool:  # type: ignore[override]
        """Whether any term does."""
        return any(criterion.needs_signals for _, criterion in self.terms)

    @property
    def symmetry(self) -> str:  # type: ignore[override]
        """The common value of all terms."""
        return _SYMMETRIES[max(_SYMMETRIES.index(c.symmetry) for _, c in self.terms)]

    def __str__(self) -> str:
        return " + ".join(f"{weight:g} x {criterion}" for weight, criterion in self.terms)

    def _signed(self) -> list[tuple[float, Criterion]]:
        """Terms with the sign with which they enter."""
        return [(w if c.maximize == self.maximize else -w, c) for w, c in self.terms]

    def assemble(self, assembly: Assembly, weight: float) -> None:
        """Add the parts of every term."""
        for own, criterion in self._signed():
            criterion.assemble(assembly, weight * own)

    def constant(self, data: Data) -> float:
        """Sum of the terms' constants."""
        return sum(own * criterion.constant(data) for own, criterion in self._signed())

    def form(self, data: Data) -> QuadraticForm | None:
        """Sum of the forms, if every term is quadratic."""
        total = None
        for own, criterion in self._signed():
            form = criterion.form(data)
            if form is None:
                return None
            with np.errstate(over="ignore", invalid="ignore"):
                form = (form * own).checked(f"the weight of {criterion}", f"{abs(own):g}", data)
            total = form if total is None else total.plus(form, data.n)
        return None if total is None else replace(total, maximize=self.maximize)
