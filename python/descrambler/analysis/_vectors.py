"""Singular vectors of weights, and what they resemble."""

from __future__ import annotations

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike

from .._util.threads import computes
from .._util.validate import Array, matrix, own_unit, real_array


@computes
def singular_vectors(weights: ArrayLike) -> tuple[Array, Array, Array]:
    """Singular value decomposition with a fixed sign: the output side sums to >= 0.

    For ``W P^T``, the values and the output side do not depend on P; the link side does.

    Parameters
    ----------
    weights : array_like, shape (n_out, n_in)

    Returns
    -------
    output_side : ndarray, shape (n_out, r)
    values : ndarray, shape (r,)
        Descending.
    input_side : ndarray, shape (r, n_in)

    Raises
    ------
    TypeError, ValueError
        If the weights are not a finite real matrix.
    """
    u, s, vt = scipy.linalg.svd(matrix("weights", weights), full_matrices=False)
    sign = np.where(u.sum(axis=0) < 0, -1, 1).astype(u.dtype)
    return u * sign, s, vt * sign[:, None]


def chebyshev_share(vector: ArrayLike, degree: int) -> tuple[float, Array]:
    """Share of a vector that one Chebyshev polynomial explains (Amey et al. 2021, Fig. 4).

    Parameters
    ----------
    vector : array_like, shape (n,)
        Values on n equispaced points of [-1, 1].
    degree : int
        Degree of T; the fit is ``c T_degree`` plus a constant.

    Returns
    -------
    share : float
        R^2 of the fit about the vector's mean; for degree 0, the energy of the mean.
    fit : ndarray, shape (n,)

    Raises
    ------
    TypeError, ValueError
        If the vector is not finite and real, or the degree negative.
    """
    y, exponent = own_unit(real_array("vector", vector, 1))
    if not y.size:
        raise ValueError("vector must not be empty")
    if degree < 0:
        raise ValueError(f"degree must be >= 0, got {degree}")
    x = np.linspace(-1, 1, len(y))
    columns = np.stack([np.ones_like(x), np.polynomial.Chebyshev.basis(degree)(x)], axis=1)
    fit = columns @ np.linalg.lstsq(columns, y, rcond=None)[0]
    base = 0.0 if degree == 0 else y.mean()
    energy = float(np.sum((y - base) ** 2))
    share = 1 - float(np.sum((y - fit) ** 2)) / energy if energy > 0 else 0.0
    return share, np.ldexp(fit, exponent)
