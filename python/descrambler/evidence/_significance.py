"""p values of measured values under null draws, corrected for their number."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .._util.validate import Array

# A spread below this part of the values is rounding: the null does not change the statistic.
ROUNDING = 1e-9
# Values nearer than this part of the spread count as equal.
TIE = 1e-3
# Normal quantile of a power of 80 %.
POWER_80 = 0.8416

Mask = NDArray[np.bool_]


def standardized(observed: Array, draws: Array) -> tuple[Array, Array]:
    """Values and draws in units of their common spread, about their common mean.

    The observed value counts as one more draw: where the null holds, all are then exchangeable.

    Parameters
    ----------
    observed : ndarray, shape (d,)
    draws : ndarray, shape (n, d)
        NaN where there is no value; every column has at least one value, here or in `observed`.

    Returns
    -------
    observed : ndarray, shape (d,)
    draws : ndarray, shape (n, d)
    """
    pooled = np.vstack([observed, draws])
    center = np.nanmean(pooled, axis=0)
    spread = np.maximum(np.nanstd(pooled, axis=0), ROUNDING * (1 + np.abs(center)))
    scaled: Array = (pooled - center) / spread
    return scaled[0], scaled[1:]


def step_down_max_t(observed: Array, draws: Array, reached: Mask | None = None) -> Array:
    """Return the adjusted p of each value, upper tail, by Westfall and Young's step-down max-T.

    The family-wise error is controlled. All statistics are drawn jointly, so redundant ones do not lower
    the power. Under the null the observed row and the draws are exchangeable, so the test is exact for
    any tails and correlations of the statistics.

    Parameters
    ----------
    observed : ndarray, shape (d,)
    draws : ndarray, shape (n, d)
        One row per draw of all statistics. NaN where there is no value.
    reached : ndarray of bool, shape (n + 1, d), optional
        Which values count: the observed ones in the first row, then the draws. The test takes all others,
        and NaN, as minus infinity.

    Returns
    -------
    ndarray, shape (d,)
        In (0, 1], at least 1 / (n + 1); 1 where the observed value does not count.

    Notes
    -----
    Westfall and Young, Resampling-Based Multiple Testing, Wiley 1993, algorithm 4.1, with the
    observed values counted among the draws.
    """
    scores = np.vstack(standardized(observed, draws))
    counted = np.isfinite(scores) if reached is None else reached & np.isfinite(scores)
    scores = np.where(counted, scores, -np.inf)
    values, null = scores[0], scores[1:]
    order = np.argsort(-values, kind="stable")
    # The largest value per draw among the claims that are not yet rejected.
    running = np.maximum.accumulate(null[:, order[::-1]], axis=1)[:, ::-1]
    exceeded = np.count_nonzero(running >= values[order] - TIE, axis=0)
    adjusted = np.empty(len(values))
    adjusted[order] = np.maximum.accumulate((1 + exceeded) / (1 + len(draws)))
    return adjusted


def student_t(observed: Array, draws: Array) -> Array:
    """Return the distance of each value from the mean of its draws, in standard errors of one more draw.

    ``(v - mean) / (sd sqrt(1 + 1 / n))`` with n - 1 degrees of freedom: an effect size, not a verdict,
    since draws have heavier tails than normal ones.
    """
    count = np.count_nonzero(np.isfinite(draws), axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        center = np.nanmean(draws, axis=0)
        spread = np.nanstd(draws, axis=0) * np.sqrt(count / np.maximum(count - 1, 1))
        t: Array = (observed - center) / (spread * np.sqrt(1 + 1 / np.maximum(count, 1)))
    return np.where(observed == center, 0.0, t)


def found_with_power(draws: Array, reached: Mask, level: float) -> Array:
    """Return the strength of each statistic that would be significant in 80 % of cases.

    The single-step critical value of the max-T test, plus the normal 80 % quantile times the
    draws' spread: a network whose strength scatters as the draws do is detected with 80 % power.

    Parameters
    ----------
    draws : ndarray, shape (n, d)
    reached : ndarray of bool, shape (n, d)
    level : float

    Returns
    -------
    ndarray, shape (d,)
        Infinite where there are too few draws for the level.
    """
    allowed = int(np.floor(level * (1 + len(draws)) + 1e-9)) - 1
    if allowed < 0:
        return np.full(draws.shape[1], np.inf)
    center, spread = np.nanmean(draws, axis=0), np.nanstd(draws, axis=0)
    scores = (draws - center) / np.maximum(spread, ROUNDING * (1 + np.abs(center)))
    largest = np.where(reached & np.isfinite(scores), scores, -np.inf).max(axis=1)
    critical = np.sort(largest)[::-1][allowed]
    lifted: Array = spread * POWER_80
    return lifted + center + critical * spread if np.isfinite(critical) else lifted - np.inf


def settled(exceeded: Array, draws: int, level: float) -> Mask:
    """Tell whether the draws that are at least as large already rule out p <= level at the full number.

    The adjusted p is never below ``(1 + exceeded) / (1 + draws)``, so stopping changes no verdict and
    keeps the level (curtailed sampling; compare Besag and Clifford, Biometrika 78, 1991).
    """
    forbidden: Mask = (1 + exceeded) / (1 + draws) > level
    return forbidden
