"""Errors of predicted distance distributions, and what a network has to beat."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg

from .._util.threads import computes
from .._util.validate import Array, check_squares, matrix, real_array
from ._simulate import DeerData, simulate

_TRAINING_SIZE = 30_000
_PENALTY = 1e-6  # relative to the summed squares of the inputs


@computes
def ridge_regression(training: DeerData) -> tuple[Callable[[Array], Array], Array]:
    """Learn linear ridge regression with an intercept.

    Parameters
    ----------
    training : DeerData

    Returns
    -------
    predict : callable
        From traces, shape (m, n_points), to distributions scaled to a maximum of 1.
    mean : ndarray, shape (n_points,)
        Mean of these.
    """
    x, targets = training.traces, training.targets
    x_mean, mean = x.mean(axis=0), targets.mean(axis=0)
    x = x - x_mean
    gram = x.T @ x
    penalty = _PENALTY * np.trace(gram) * np.eye(len(gram))
    slope = linalg.solve(gram + penalty, x.T @ (targets - mean), assume_a="pos")

    @computes
    def predict(traces: Array) -> Array:
        predicted: Array = (traces - x_mean) @ slope + mean
        return predicted

    return predict, mean


def overlap(output: ArrayLike, truth: ArrayLike) -> Array:
    """Return the overlap of predicted and true distributions, row by row.

    The sum of the smaller of both, where each has the sum 1 and negative values count as 0: one less
    half of the total variation between them.

    Parameters
    ----------
    output, truth : array_like, shape (m, n)

    Returns
    -------
    ndarray of float64, shape (m,)
        Between 0 and 1; 0 where a row has nothing positive.

    Raises
    ------
    TypeError, ValueError
        If the arguments are not finite real matrices of one shape.
    """
    p, q = (
        np.maximum(matrix(name, value), 0) for name, value in (("output", output), ("truth", truth))
    )
    if p.shape != q.shape:
        raise ValueError(f"output and truth must have one shape, got {p.shape} and {q.shape}")
    p, q = (x / np.maximum(x.sum(axis=1, keepdims=True), np.finfo(x.dtype).tiny) for x in (p, q))
    shared: Array = np.minimum(p, q).sum(axis=1, dtype=np.float64)
    return shared


def mean_squared_error(output: ArrayLike, data: DeerData) -> float:
    """Return the mean squared error against the distributions scaled to a maximum of 1.

    Parameters
    ----------
    output : array_like, shape (m, n) or (n,)
        For each trace, or for all.
    data : DeerData
        m traces.

    Raises
    ------
    TypeError, ValueError
        If `output` is not finite and real, or does not fit.
    """
    given = real_array("output", output, 1 if np.ndim(output) == 1 else 2)
    shape = data.targets.shape
    if given.shape not in (shape, shape[1:]):
        raise ValueError(f"output must have shape {shape} or {shape[1:]}, got {given.shape}")
    check_squares("output", given)
    return float(np.mean((given - data.targets) ** 2, dtype=np.float64))


@computes
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
    predict, mean = ridge_regression(simulate(_TRAINING_SIZE, random_state, data.time.size))
    return {
        "ridge": mean_squared_error(predict(data.traces), data),
        "mean": mean_squared_error(mean, data),
    }
