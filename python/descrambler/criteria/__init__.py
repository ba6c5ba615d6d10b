"""What "readable" means: figures of merit of a rotation P, with analytic gradients.

A criterion is minimised or maximised over SO(n) by :func:`descrambler.descramble` (criteria of the
signals) or :func:`descrambler.diagonalize` (criteria of a weight matrix). Those of signals can be weighed
and added up: ``2 * Smoothness() + Locality()``. Formulas: ``docs/criteria.md``.
"""

from __future__ import annotations

from collections.abc import Callable

from .._validate import choice
from .base import Criterion, WeightedSum
from .custom import Custom, check_gradient
from .diagonal import DiagonalNormSquare, DiagonalSum
from .quadratic import Autocorrelation, Periodicity, Smoothness, TargetCovariance
from .signals import (
    Entropy,
    Kurtosis,
    Locality,
    Monotonicity,
    Orthomax,
    Sparsity,
    TotalVariation,
)
from .spectrum import TargetAutocorrelation, TargetSpectrum

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
    raise TypeError(f"criterion must be a name or a criterion of signals, got {criterion!r}")
