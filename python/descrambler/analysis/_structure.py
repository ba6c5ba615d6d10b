"""Structure of a matrix between two axes: a group of shifts, or none.

Every number here depends on P where an axis is a link dimension.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike

from .._util.validate import Array, choice, matrix, own_unit, square


@dataclass(frozen=True)
class StructureShares:
    """Shares of a matrix's energy in its nearest structured matrices, and those of noise.

    Attributes
    ----------
    circulant : float or None
        Of ``W_ij = c_(i-j mod n)``: commutes with cyclic shifts. None unless W is square.
    toeplitz, hankel : float
        Of ``t_(i-j)`` and ``h_(i+j)``.
    random_circulant : float or None
    random_toeplitz, random_hankel : float
        Expected for independent entries of zero mean: dimension of the subspace by that of all.
    """

    circulant: float | None
    toeplitz: float
    hankel: float
    random_circulant: float | None
    random_toeplitz: float
    random_hankel: float


def structure_shares(weights: ArrayLike) -> StructureShares:
    """Project a matrix on the circulant, Toeplitz and Hankel ones.

    ``||proj W||^2 / ||W||^2``; the projection is the mean along each (cyclic, anti-) diagonal.

    Parameters
    ----------
    weights : array_like, shape (n_out, n_in)
        Not all zero.

    Returns
    -------
    StructureShares

    Raises
    ------
    TypeError, ValueError
        If the weights are not a finite real matrix or are all zero.
    """
    w = _nonzero(weights)
    n_out, n_in = w.shape
    energy = float(np.sum(np.square(w)))
    difference = np.subtract.outer(np.arange(n_out), np.arange(n_in)) + n_in - 1
    total = np.add.outer(np.arange(n_out), np.arange(n_in))
    linear = (n_out + n_in - 1) / w.size
    is_square = n_out == n_in
    return StructureShares(
        circulant=_energy_of_means(w, (difference + 1) % n_in) / energy if is_square else None,
        toeplitz=_energy_of_means(w, difference) / energy,
        hankel=_energy_of_means(w, total) / energy,
        random_circulant=1 / n_in if is_square else None,
        random_toeplitz=linear,
        random_hankel=linear,
    )


def shift_commutator(weights: ArrayLike) -> float:
    """Departure from a circulant, ``||S W - W S|| / (sqrt(2) ||W||)``, S the cyclic shift.

    0 for a circulant, about 1 for noise, at most sqrt(2).

    Parameters
    ----------
    weights : array_like, shape (n, n)
        Not all zero.

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        If the weights are not a finite real square matrix or are all zero.
    """
    w = _nonzero(square("weights", weights))
    change = np.roll(w, 1, axis=0) - np.roll(w, -1, axis=1)
    return float(np.linalg.norm(change) / (np.sqrt(2) * np.linalg.norm(w)))


def irrep_energy(weights: ArrayLike) -> Array:
    """Energy of a matrix between the irreducible representations of the cyclic groups on its sides.

    ``E_kl = ||F_k^T W F_l||^2 / ||W||^2`` with F_k the orthonormal pair cos k, sin k (one vector for
    zero and Nyquist). A map that commutes with cyclic shifts has E on the diagonal k = l alone; a map
    x -> p x of the group has it on l = p k (modulo n). No shift and no phase changes E.

    Parameters
    ----------
    weights : array_like, shape (n_out, n_in)
        Not all zero.

    Returns
    -------
    ndarray, shape (n_out // 2 + 1, n_in // 2 + 1)
        Frequencies in cycles per length of the axis; the entries sum to 1.

    Raises
    ------
    TypeError, ValueError
        If the weights are not a finite real matrix or are all zero.
    """
    w = _nonzero(weights)
    power = np.square(np.abs(scipy.fft.fft2(w)))
    folded = _folded(_folded(power).T).T
    share: Array = folded / folded.sum()
    return share


def low_frequency_share(weights: ArrayLike, below: float) -> float:
    """Share of the energy between frequencies below a limit on both axes.

    The sum of `irrep_energy` over ``k < below, l < below``. The smoothness criterion itself puts the
    components of large variance there: compare with nulls.

    Parameters
    ----------
    weights : array_like, shape (n_out, n_in)
        Not all zero.
    below : float
        In cycles per length of the axis.

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        If the weights are not a finite real matrix or are all zero, or the limit is not positive.
    """
    if not below > 0:
        raise ValueError(f"below must be positive, got {below}")
    energy = irrep_energy(weights)
    rows, columns = (np.arange(n) < below for n in energy.shape)
    return float(energy[rows][:, columns].sum())


def off_diagonal_share(weights: ArrayLike, side: str = "columns") -> float:
    """Departure from orthogonal columns (or rows): off-diagonal share of the energy of W^T W.

    ``1 - sum_i G_ii^2 / ||G||^2`` with G = W^T W, or W W^T for rows; 0 where they are orthogonal. P
    matters on the side that is a link dimension, not on the other.

    Parameters
    ----------
    weights : array_like, shape (n_out, n_in)
        Not all zero.
    side : {"columns", "rows"}

    Returns
    -------
    float
        For k random vectors of d entries about (k - 1) / (k + d + 1).

    Raises
    ------
    TypeError, ValueError
        If the weights are not a finite real matrix or are all zero, or the side is unknown.
    """
    w = _nonzero(weights)
    if choice("side", side, ("columns", "rows")) == "rows":
        w = w.T
    gram = w.T @ w
    diagonal = float(np.sum(np.square(np.diagonal(gram))))
    return 1 - diagonal / float(np.sum(np.square(gram)))


def _nonzero(weights: ArrayLike) -> Array:
    w = matrix("weights", weights).astype(np.float64, copy=False)
    if not w.any():
        raise ValueError("weights must not be all zero")
    return own_unit(w)[0]


def _energy_of_means(w: Array, label: Array) -> float:
    """Energy of the matrix whose entries are the mean over all entries of the same label."""
    index = label.ravel()
    sums = np.bincount(index, w.ravel())
    counts = np.bincount(index)
    used = counts > 0
    return float(np.sum(np.square(sums[used]) / counts[used]))


def _folded(power: Array) -> Array:
    """Add rows of negative frequency to those of positive."""
    n = len(power)
    folded = power[: n // 2 + 1].copy()
    mirrored = power[: n // 2 : -1]
    folded[1 : 1 + len(mirrored)] += mirrored
    return folded
