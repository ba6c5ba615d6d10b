"""Errors of predicted distance distributions, and what a network has to beat."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg

from .simulate import DeerData, simulate

_TRAINING_SIZE = 30_000
_PENALTY = 1e-6  # relative to the summed squares of the inputs


def mean_squared_error(output: ArrayLike, data: DeerData) -> float:
    """Return the mean squared error against the distributions scaled to a maximum of 1."""
    return float(np.mean((np.asarray(output) - data.targets) ** 2, dtype=np.float64))


def baseline_errors(data: DeerData, random_state: int = 0) -> dict[str, float]:
    """Return what predictions without a network reach on `data`, a simulated set.

    Parameters
    ----------
    data : DeerData
        Validation traces of 2 microseconds.
    random_state : int
        Seed of the 30 000 traces that the baselines learn from.

    Returns
    -------
    dict
        Mean squared errors: ``ridge``, of linear ridge regression with an intercept, and
        ``mean``, of the mean distribution.
    """
    training = simulate(_TRAINING_SIZE, random_state, data.time.size)
    x, targets = training.traces, training.targets
    x_mean, mean = x.mean(axis=0), targets.mean(axis=0)
    x -= x_mean
    gram = x.T @ x
    penalty = _PENALTY * np.trace(gram) * np.eye(len(gram))
    slope = linalg.solve(gram + penalty, x.T @ (targets - mean), assume_a="pos")
    return {
        "ridge": mean_squared_error((data.traces - x_mean) @ slope + mean, data),
        "mean": mean_squared_error(mean, data),
    }
