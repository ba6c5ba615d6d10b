"""Singular values of random matrices (Marchenko and Pastur 1967): what weights without learning have."""

from __future__ import annotations

import numpy as np

from .._util.validate import Array

_POINTS = 4096


def moment(aspect: float, power: float) -> float:
    """Mean of ``lambda^power`` under the law of aspect ratio ``n_min / n_max`` and unit variance.

    The eigenvalues are those of ``X X^T / n_max``; those that are zero for want of rank are left out.
    """
    values, weights = _law(aspect)
    return float(weights @ values**power)


def median(aspect: float) -> float:
    """Median eigenvalue of ``X X^T / n_max`` (zeros for want of rank left out)."""
    values, weights = _law(aspect)
    cumulated = np.cumsum(weights)
    return float(np.interp(0.5, cumulated - weights / 2, values))


def _law(aspect: float) -> tuple[Array, Array]:
    """Ascending eigenvalues and their weights, which sum to 1.

    With ``lambda = 1 + a - 2 sqrt(a) cos t`` the density has no edge in t: midpoints give 8 digits.
    """
    t = (np.arange(_POINTS) + 0.5) * np.pi / _POINTS
    values = 1 + aspect - 2 * np.sqrt(aspect) * np.cos(t)
    density = 2 / np.pi * np.sin(t) ** 2 / values
    return values, density * np.pi / _POINTS
