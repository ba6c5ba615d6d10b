"""The parts of criteria: known signals, quadratic forms, and the sum that C++ evaluates."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import cast

import numpy as np
from numpy.typing import ArrayLike

from .. import _core as core
from .._geometry.link_basis import LinkBasis, circulant_basis, matrix_basis
from .._signals.gram import Gram, as_gram
from .._signals.sums import gram
from .._util.validate import Array, matrix

# Decimal digits before the point of the largest values of a criterion, some below the end of float64.
MOST_DIGITS = 300


@dataclass(frozen=True, eq=False)
class Data:
    """The known signals: their Gram matrix, and the signals themselves where a criterion needs them."""

    gram: Gram
    signals: Array | None = None

    @classmethod
    def of(cls, given: Gram | ArrayLike | None, signals: ArrayLike | None) -> Data:
        """Take exactly one of both."""
        if (given is None) == (signals is None):
            raise TypeError("a criterion of signals needs exactly one of gram= and signals=")
        if signals is None:
            return cls(as_gram(cast(ArrayLike, given)))
        rows = matrix("signals", signals, finite=False)
        return cls(gram(rows), rows)

    @property
    def n(self) -> int:
        """Number of units."""
        return self.gram.n

    @property
    def count(self) -> int:
        """Number of signals; of a bare matrix one."""
        return self.gram.count or 1

    @cached_property
    def unit(self) -> float:
        """Root mean square of the entries: criteria are evaluated on signals in this unit."""
        return float(np.sqrt(np.trace(self.gram.matrix) / (self.n * self.count))) or 1.0

    def rows(self, criterion: object, dtype: np.dtype[np.floating]) -> Array:
        """Signals themselves, without a copy where they have the dtype."""
        if self.signals is None:
            raise ValueError(f"{criterion} needs the signals, not their Gram matrix alone")
        return np.ascontiguousarray(self.signals, dtype)


@dataclass(frozen=True, eq=False)
class QuadraticForm:
    """``tr(A P B P^T) + constant``: A by its eigenvalues over the frequencies 0..n//2, or whole."""

    spectrum: Array | None = None
    matrix: Array | None = None
    constant: float = 0.0
    maximize: bool = False

    def own_value(self, least: float) -> float:
        """Value of the form where its minimized trace, of -A if the form is maximized, is `least`."""
        return (-least if self.maximize else least) + self.constant

    def dense(self, n: int) -> Array:
        """Return A, shape (n, n)."""
        if self.matrix is not None:
            return self.matrix
        basis = circulant_basis(n, cast(Array, self.spectrum))
        return basis.from_modes(basis.eigenvalues[:, None] * basis.to_modes(np.eye(n)))

    def basis(self, n: int) -> LinkBasis:
        """Return the modes of A, its eigenvalues ascending."""
        if self.matrix is None:
            return circulant_basis(n, cast(Array, self.spectrum))
        return matrix_basis(self.matrix)

    def checked(self, name: str, value: object, data: Data) -> QuadraticForm:
        """Return the form, whose values for these signals must be within the range of float64.

        Raises
        ------
        ValueError
            If they are not: it names the argument that makes them so large.
        """
        a = cast(Array, self.matrix if self.spectrum is None else self.spectrum)
        largest = float(np.abs(a).max())
        trace = float(data.gram.matrix.trace())
        # As logarithms: their product is what may overflow.
        reach = np.log10(max(largest, 1.0)) + np.log10(max(trace, 1.0))
        if not (np.isfinite(largest) and np.isfinite(self.constant) and reach <= MOST_DIGITS):
            raise ValueError(
                f"{name} must be smaller for these signals, got {value}: the values of the criterion "
                "are too large for float64"
            )
        return self

    def __mul__(self, weight: float) -> QuadraticForm:
        spectrum = None if self.spectrum is None else weight * self.spectrum
        matrix = None if self.matrix is None else weight * self.matrix
        return QuadraticForm(spectrum, matrix, weight * self.constant, self.maximize)

    def plus(self, other: QuadraticForm, n: int) -> QuadraticForm:
        """Sum of two forms on n points."""
        constant = self.constant + other.constant
        if self.spectrum is not None and other.spectrum is not None:
            return replace(self, spectrum=self.spectrum + other.spectrum, constant=constant)
        return QuadraticForm(None, self.dense(n) + other.dense(n), constant, self.maximize)


@dataclass(eq=False)
class Assembly:
    """Parts of a weighted sum, gathered so that all terms of the signals share one pass."""

    data: Data
    dtype: np.dtype[np.floating]
    terms: list[tuple[float, core.SignalTerm]] = field(default_factory=list)
    parts: list[tuple[float, core.Criterion]] = field(default_factory=list)
    form: QuadraticForm | None = None
    rows: Array | None = None

    @cached_property
    def b(self) -> Array:
        """Gram matrix of the signals in their unit."""
        return np.ascontiguousarray(self.data.gram.matrix / self.data.unit**2, self.dtype)

    def add_term(self, criterion: object, weight: float, term: core.SignalTerm) -> None:
        """Add a term that looks at one signal at a time, of the signals in their unit."""
        self.rows = self.data.rows(criterion, self.dtype)
        self.terms.append((weight, term))

    def add_part(self, weight: float, part: core.Criterion) -> None:
        """Add a C++ criterion of its own."""
        self.parts.append((weight, part))

    def add_form(self, weight: float, form: QuadraticForm) -> None:
        """Add a quadratic form of the signals in their unit."""
        scaled = form * weight
        self.form = scaled if self.form is None else self.form.plus(scaled, self.data.n)

    def kernel(self) -> tuple[core.Criterion, float]:
        """Sum in C++, scaled to be of order one, and the unit of its values."""
        parts = list(self.parts)
        if self.rows is not None:
            largest = max(abs(weight) for weight, _ in self.terms)
            terms = [(weight / largest, term) for weight, term in self.terms]
            parts.append((largest, core.SignalSum(self.rows, self.data.unit, terms)))
        if self.form is not None:
            dense = self.form.dense(self.data.n)
            largest = float(np.abs(dense).max()) or 1.0
            a = np.ascontiguousarray(dense / largest, self.dtype)
            parts.append((largest, core.Quadratic(a, self.b)))
        with np.errstate(over="ignore", invalid="ignore"):
            unit = sum(abs(weight) * part.scale for weight, part in parts) or 1.0
        if not 0 < unit <= 10.0**MOST_DIGITS:
            raise ValueError(
                "the weights of the criteria must be smaller for these signals, or the signals scaled: "
                f"values reach {unit:.1e}, too large for float64"
            )
        scaled = [(weight / unit, part) for weight, part in parts]
        return core.WeightedSum(scaled), unit
