"""How improbable measured values are under null draws, corrected for how many there are."""

from __future__ import annotations

import numpy as np

from .._util.validate import Array

# A spread below this part of the values is rounding: the null does not change the statistic.
ROUNDING = 1e-9
# Values nearer than this part of the spread count as equal.
TIE = 1e-3


def standardized(observed: Array, draws: Array) -> tuple[Array, Array]:
    """Values and null draws in units of their common spread, about their common mean.

    The observed value counts as one more draw: where the null holds, all are then exchangeable.

    Parameters
    ----------
    observed : ndarray, shape (d,)
    draws : ndarray, shape (n, d)

    Returns
    -------
    observed : ndarray, shape (d,)
    draws : ndarray, shape (n, d)
    """
    pooled = np.vstack([observed, draws])
    center = pooled.mean(axis=0)
    spread = np.maximum(pooled.std(axis=0), ROUNDING * (1 + np.abs(center)))
    scaled: Array = (pooled - center) / spread
    return scaled[0], scaled[1:]


def step_down_max_t(observed: Array, draws: Array) -> Array:
    """Return the adjusted p of each value, upper tail, by Westfall and Young's step-down max-T.

    The family-wise error is controlled, and the draws of all statistics being joint, statistics that
    say the same thing cost nothing.

    Parameters
    ----------
    observed : ndarray, shape (d,)
    draws : ndarray, shape (n, d)
        One row a draw of all statistics.

    Returns
    -------
    ndarray, shape (d,)
        In (0, 1], at least 1 / (n + 1).

    Notes
    -----
    Westfall and Young, Resampling-Based Multiple Testing, Wiley 1993, algorithm 4.1, with the
    observed values counted among the draws.
    """
    values, null = standardized(observed, draws)
    order = np.argsort(-values, kind="stable")
    # Of the values not yet rejected, the largest in each draw.
    running = np.maximum.accumulate(null[:, order[::-1]], axis=1)[:, ::-1]
    exceeded = np.count_nonzero(running >= values[order] - TIE, axis=0)
    adjusted = np.empty(len(values))
    adjusted[order] = np.maximum.accumulate((1 + exceeded) / (1 + len(draws)))
    return adjusted
