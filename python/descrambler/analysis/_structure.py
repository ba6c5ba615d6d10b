"""Structure of a matrix between two axes: symmetry under shifts, orthogonality, pure waves.

These numbers depend on P if an axis is a link dimension.
"""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike

from .._util.threads import computes
from .._util.validate import Array, choice, matrix, own_unit, real_array


@computes
def irrep_energy(weights: ArrayLike) -> Array:
    """Energy of a matrix between the irreducible representations of the cyclic groups on its sides.

    ``E_kl = ||F_k^T W F_l||^2 / ||W||^2`` with F_k the orthonormal pair cos k, sin k (one vector for
    zero and Nyquist). A map that commutes with cyclic shifts has E only on the diagonal k = l; a map
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


@computes
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


def mode_purity(vectors: ArrayLike, values: ArrayLike) -> float:
    """Share of a link-side vector's energy at its strongest link frequency, mean by squared value.

    ``sum_i s_i^2 max_k ||F_k^T v_i||^2 / sum_i s_i^2`` with F_k the pair cos k, sin k (one vector for zero
    and Nyquist) and v_i of norm 1. 1 where each vector is a single wave; random vectors have about
    ``(log(n / 2) + 0.58) / (n / 2)``. P matters.

    Parameters
    ----------
    vectors : array_like, shape (r, n)
        In rows, along the link axis: ``V^T P^T`` of W = U S V^T.
    values : array_like, shape (r,)
        Singular values.

    Returns
    -------
    float
        Between 0 and 1; NaN where all values or vectors are zero.

    Raises
    ------
    TypeError, ValueError
        If an array is not finite and real, or they do not fit.
    """
    v = own_unit(matrix("vectors", vectors).astype(np.float64, copy=False), axis=1)[0]
    s = own_unit(real_array("values", values, 1).astype(np.float64, copy=False))[0]
    if len(s) != len(v):
        raise ValueError(f"values must have {len(v)} entries like vectors, got {len(s)}")
    energy = link_energy(v)
    total = energy.sum(axis=1)
    purity = np.divide(energy.max(axis=1), total, out=np.zeros_like(total), where=total > 0)
    weight = np.square(s) * (total > 0)
    return float(weight @ purity / weight.sum()) if weight.any() else np.nan


def expected_purity(n: int) -> float:
    """Return the mean `mode_purity` of random vectors on n units, for n of 8 and more."""
    return float(np.log(n / 2) + 0.5772) / (n / 2)


def link_energy(rows: Array) -> Array:
    """Energy of each row at each frequency 0, 1, ... n // 2: pairs cos, sin are added."""
    n = rows.shape[1]
    energy = np.square(np.abs(scipy.fft.rfft(rows, norm="ortho")))
    energy[:, 1 : (n + 1) // 2] *= 2
    return energy


def _nonzero(weights: ArrayLike) -> Array:
    w = matrix("weights", weights).astype(np.float64, copy=False)
    if not w.any():
        raise ValueError("weights must not be all zero")
    return own_unit(w)[0]


def _folded(power: Array) -> Array:
    """Add rows of negative frequency to those of positive."""
    n = len(power)
    folded = power[: n // 2 + 1].copy()
    mirrored = power[: n // 2 : -1]
    folded[1 : 1 + len(mirrored)] += mirrored
    return folded
