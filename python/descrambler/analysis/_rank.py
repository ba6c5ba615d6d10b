"""Effective ranks."""

from __future__ import annotations

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike

from .._util.threads import computes
from .._util.validate import matrix, own_unit, real_array
from . import _marchenko_pastur as marchenko_pastur

TRACY_WIDOM_95 = 0.9793
"""95 % quantile of the Tracy-Widom law of order 1 (Johnstone 2001)."""


def participation_ratio(values: ArrayLike) -> float:
    """Return the effective number of singular values, ``(sum s^2)^2 / sum s^4``.

    Does not depend on P.

    Parameters
    ----------
    values : array_like, shape (r,)
        Singular values.

    Returns
    -------
    float
        Between 1 and r; 0 where all values are 0.

    Raises
    ------
    TypeError, ValueError
        If the values are not finite real numbers.
    """
    squares = np.square(own_unit(real_array("values", values, 1))[0], dtype=np.float64)
    total = float(squares.sum())
    return total**2 / float(np.square(squares).sum()) if total > 0 else 0.0


@computes
def noise_level(weights: ArrayLike) -> float:
    """Estimate the standard deviation of the noise in a matrix from its median singular value.

    ``median(s) / sqrt(n_max mu)``, mu the median of the Marchenko-Pastur law (Gavish and Donoho 2014).
    Valid while fewer than about half of the singular values carry signal. P does not matter.

    Parameters
    ----------
    weights : array_like, shape (n_out, n_in)

    Returns
    -------
    float
        In the units of the weights.

    Raises
    ------
    TypeError, ValueError
        If the weights are not a finite real matrix.
    """
    w = matrix("weights", weights)
    values = scipy.linalg.svdvals(w.astype(np.float64, copy=False), check_finite=False)
    smaller, larger = sorted(w.shape)
    return float(np.median(values) / np.sqrt(larger * marchenko_pastur.median(smaller / larger)))


@computes
def values_above_noise(weights: ArrayLike, sigma: float | None = None) -> int:
    """Return the number of singular values above the noise.

    The limit is the 95 % quantile of the largest singular value of noise of the given sigma (Johnstone
    2001), which tends to ``sigma (sqrt(n_out) + sqrt(n_in))``; with the estimated `noise_level` about a tenth of
    noise matrices exceed it. P does not matter. Weight decay shrinks what is not learnt, so
    counts with the spread of the untrained weights and with the `noise_level` differ.

    Parameters
    ----------
    weights : array_like, shape (n_out, n_in)
    sigma : float, optional
        Standard deviation of the noise, such as that of the untrained weights. By default `noise_level`.

    Returns
    -------
    int

    Raises
    ------
    TypeError, ValueError
        If the weights are not a finite real matrix, or sigma is negative or not finite.
    """
    w = matrix("weights", weights)
    sigma = noise_level(w) if sigma is None else sigma
    n, m = w.shape
    if not 0 <= sigma < np.inf:
        raise ValueError(f"sigma must be finite and not negative, got {sigma}")
    edge = float(sigma * (np.sqrt(n) + np.sqrt(m)))
    center = np.sqrt(max(n - 1, 0.5)) + np.sqrt(m)
    spread = center * (1 / np.sqrt(max(n - 1, 0.5)) + 1 / np.sqrt(m)) ** (1 / 3)
    limit = max(sigma * np.sqrt(center**2 + TRACY_WIDOM_95 * spread), edge)
    values = scipy.linalg.svdvals(w.astype(np.float64, copy=False), check_finite=False)
    return int(np.count_nonzero(values > limit))
