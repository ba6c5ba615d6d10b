"""Share of the energy on the diagonal of a matrix, and of rotated random matrices."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .._util.threads import computes
from .._util.validate import as_integer, matrix, own_unit, real_array
from . import _marchenko_pastur as marchenko_pastur


def diagonal_share(weights: ArrayLike) -> float:
    """Return the share of a matrix's energy on its diagonal, ``sum_i W_ii^2 / ||W||^2``.

    P matters: compare P W under Eq. 14 (Amey et al. 2021) with `random_diagonal_share`.

    Parameters
    ----------
    weights : array_like, shape (n_out, n_in)

    Returns
    -------
    float
        Between 0 and 1; NaN for a matrix of zeros.

    Raises
    ------
    TypeError, ValueError
        If the weights are not a finite real matrix.
    """
    w = own_unit(matrix("weights", weights).astype(np.float64, copy=False))[0]
    energy = float(np.sum(np.square(w)))
    return float(np.sum(np.square(np.diagonal(w)))) / energy if energy > 0 else np.nan


def expected_diagonal_share(values: ArrayLike) -> float:
    """Return the diagonal share that the maximum diagonal sum gives to a matrix with these singular values.

    The rotation turns a square W = U S V^T into V S V^T. For Haar-random V the expected share of energy on
    the diagonal is ``(2 + (sum s)^2 / sum s^2) / (n + 2)``, without any learning.

    Parameters
    ----------
    values : array_like, shape (n,)
        Singular values of a square matrix.

    Returns
    -------
    float
        Between 3 / (n + 2) and 1; NaN where all values are zero.

    Raises
    ------
    TypeError, ValueError
        If the values are not finite real numbers.
    """
    s = own_unit(real_array("values", values, 1).astype(np.float64, copy=False))[0]
    energy = float(s @ s)
    return (2 + float(s.sum()) ** 2 / energy) / (len(s) + 2) if energy > 0 else np.nan


@computes
def random_diagonal_share(n_out: int, n_in: int | None = None) -> float:
    """Return the diagonal share that the maximum diagonal sum gives to P W for random W, without any learning.

    P W has the singular values of W as the eigenvalues of its (square) upper part, so its diagonal
    entries tend to their mean: ``(E s)^2 / E s^2`` for n_out >= n_in, times n_out / n_in else, s
    following the Marchenko-Pastur law. For a square matrix ``(8 / (3 pi))^2`` = 0.7205. The limit of
    large matrices with independent entries; the diagonal norm square reaches a little more.

    Parameters
    ----------
    n_out, n_in : int
        n_in is n_out by default.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If a size is less than 1.
    """
    n_in = n_out if n_in is None else n_in
    if min(as_integer("n_out", n_out), as_integer("n_in", n_in)) < 1:
        raise ValueError(f"n_out and n_in must be at least 1, got {n_out} and {n_in}")
    # A rotation of the outputs reaches the first n_out columns alone.
    columns = min(n_out, n_in)
    share = marchenko_pastur.moment(columns / n_out, 0.5) ** 2
    return share * columns / n_in
