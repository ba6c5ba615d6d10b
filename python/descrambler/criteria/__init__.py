"""Criteria: figures of merit of a rotation P, with analytic gradients.

A criterion is minimized or maximized over SO(n) by :func:`descrambler.descramble` (criteria of the
signals) or :func:`descrambler.diagonalize` (criteria of a weight matrix). Those of signals can be weighed
and added up: ``2 * Smoothness() + Locality()``. Formulas: ``docs/criteria.md``.
"""

from __future__ import annotations

from collections.abc import Callable

from .._util.validate import choice
from ._base import Criterion, WeightedSum
from ._custom import Custom, check_gradient
from ._diagonal import DiagonalNormSquare, DiagonalSum
from ._quadratic import Autocorrelation, Periodicity, Smoothness, TargetCovariance, link_basis
from ._signals import Entropy, Kurtosis, Locality, Monotonicity, Orthomax, Sparsity, TotalVariation
from ._spectrum import TargetAutocorrelation, TargetSpectrum

__all__ = [
    "Autocorrelation",
    "Criterion",
    "Custom",
    "DiagonalNormSquare",
    "DiagonalSum",
    "Entropy",
    "Kurtosis",
    "Locality",
    "Monotonicity",
    "Orthomax",
    "Periodicity",
    "Smoothness",
    "Sparsity",
    "TargetAutocorrelation",
    "TargetCovariance",
    "TargetSpectrum",
    "TotalVariation",
    "WeightedSum",
    "check_gradient",
    "link_basis",
]

NAMES: dict[str, Callable[[], Criterion]] = {
    "smoothness": Smoothness,
    "autocorrelation": Autocorrelation,
    "entropy": Entropy,
    "kurtosis": Kurtosis,
    "locality": Locality,
    "monotonicity": Monotonicity,
    "quartimax": lambda: Orthomax(0),
    "sparsity": Sparsity,
    "total_variation": TotalVariation,
    "varimax": Orthomax,
}


def named(criterion: str | Criterion) -> Criterion:
    """Return the criterion that a short name stands for, or the criterion itself."""
    if isinstance(criterion, Criterion):
        return criterion
    if isinstance(criterion, str):
        return NAMES[choice("criterion", criterion, tuple(NAMES))]()
    if callable(criterion) and not isinstance(criterion, type):
        raise TypeError(
            "criterion must be a name or a criterion of signals, got a function: wrap it, as in "
            "ds.criteria.Custom(function), where function(Y) returns the value and its gradient, or "
            "ds.criteria.Custom(function, autograd=True), where it is PyTorch's"
        )
    hint = f": pass {criterion.__name__}()" if isinstance(criterion, type) else ""
    raise TypeError(f"criterion must be a name or a criterion of signals, got {criterion!r}{hint}")
