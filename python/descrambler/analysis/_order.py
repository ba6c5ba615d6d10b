"""Order along an axis: whether outputs further along it respond to higher or to lower frequencies."""

from __future__ import annotations

import numpy as np
import scipy  # its submodules load at first use
from numpy.typing import ArrayLike, NDArray

from .._util.threads import computes
from .._util.validate import Array, choice, matrix, own_unit, real_array
from ._structure import link_energy

LEAST_ENERGY = 0.01
"""Outputs with less than this part of the largest energy are left out."""
LEAST_POINTS = 8


@computes
def output_frequencies(jacobian: ArrayLike) -> tuple[Array, NDArray[np.intp]]:
    """Return the mean frequency that excites each output: the energy-weighted mean over cosines of its row.

    Zero frequency and outputs with less than 1 % of the largest energy are left out. P does not matter.

    Parameters
    ----------
    jacobian : array_like, shape (n_out, n_in)
        From `mean_jacobian`.

    Returns
    -------
    frequency : ndarray, shape (k,)
        Number of the cosine (half cycles per length of the input axis).
    outputs : ndarray of int, shape (k,)
        Numbers of the outputs, counted from 0.

    Raises
    ------
    TypeError, ValueError
        If the Jacobian is not a finite real matrix.
    """
    j = own_unit(matrix("jacobian", jacobian).astype(np.float64, copy=False))[0]
    return _centroids(np.square(scipy.fft.dct(j, axis=1, norm="ortho")))


@computes
def frequency_order(jacobian: ArrayLike, axis: ArrayLike | None = None) -> float:
    """Return the rank correlation (Spearman) of an output's position with its `output_frequencies`.

    P does not matter.

    Parameters
    ----------
    jacobian : array_like, shape (n_out, n_in)
    axis : array_like, shape (n_out,), optional
        Positions of the outputs; their numbers by default.

    Returns
    -------
    float
        Between -1 and 1; NaN where fewer than 8 outputs have energy, or one of the two does not vary.

    Raises
    ------
    TypeError, ValueError
        If an array is not finite and real, or does not fit.
    """
    frequency, outputs = output_frequencies(jacobian)
    return _rank_correlation(frequency, _positions(axis, len(np.asarray(jacobian)))[outputs])


@computes
def mode_order(
    weights: ArrayLike, axis: ArrayLike | None = None, transform: str = "fourier"
) -> float:
    """Return the rank correlation (Spearman) of an output's position with the mean link frequency that feeds it.

    The link frequency of a row of ``W P^T`` is the energy-weighted mean over its link frequencies, zero
    left out; rows with less than 1 % of the largest energy are left out. Amey et al. 2021, Fig. 3, read
    "fast" link modes as going to short distances: a negative value.

    P matters: link frequencies are principal components by second moment.

    Parameters
    ----------
    weights : array_like, shape (n_out, n_link)
        ``W P^T``.
    axis : array_like, shape (n_out,), optional
        Positions of the outputs; their numbers by default.
    transform : {"fourier", "dct"}
        "fourier" for the periodic smoothness, "dct" for boundary "neumann".

    Returns
    -------
    float
        Between -1 and 1; NaN where fewer than 8 rows have energy, or one of the two does not vary.

    Raises
    ------
    TypeError, ValueError
        If an array is not finite and real or does not fit, or the transform is unknown.
    """
    w = own_unit(matrix("weights", weights).astype(np.float64, copy=False))[0]
    positions = _positions(axis, len(w))
    if choice("transform", transform, ("dct", "fourier")) == "dct":
        energy = np.square(scipy.fft.dct(w, norm="ortho"))
    else:
        energy = link_energy(w)
    frequency, rows = _centroids(energy)
    return _rank_correlation(frequency, positions[rows])


def _centroids(energy: Array) -> tuple[Array, NDArray[np.intp]]:
    """Mean frequency of each row with energy, zero frequency left out, and which rows have it."""
    tone = energy[:, 1:]
    total = tone.sum(axis=1)
    kept = np.flatnonzero(total > LEAST_ENERGY * total.max(initial=0.0))
    return tone[kept] @ np.arange(1.0, energy.shape[1]) / total[kept], kept


def _positions(axis: ArrayLike | None, n: int) -> Array:
    if axis is None:
        return np.arange(float(n))
    positions = real_array("axis", axis, 1)
    if positions.size != n:
        raise ValueError(f"axis must have {n} entries, got {positions.size}")
    return positions


def _rank_correlation(x: Array, y: Array) -> float:
    if len(x) < LEAST_POINTS or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(np.corrcoef(ranks(x), ranks(y))[0, 1])


def ranks(x: Array) -> Array:
    """Return the rank of each entry, from 1; ties get their mean rank. Importing SciPy's takes a second."""
    order = np.argsort(x, kind="stable")
    ordered = x[order]
    first = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    bounds = np.append(np.flatnonzero(first), len(x))
    group = np.cumsum(first) - 1
    result = np.empty(len(x))
    result[order] = (bounds[group] + 1 + bounds[group + 1]) / 2
    return result
