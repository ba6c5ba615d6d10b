"""Subspaces of vectors: principal components, overlap, smoothness."""

from __future__ import annotations

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike

from .._util.threads import computes
from .._util.validate import Array, as_integer, choice, matrix, own_unit


@computes
def principal_components(data: ArrayLike, count: int) -> Array:
    """Return the leading principal components of data.

    P does not matter.

    Parameters
    ----------
    data : array_like, shape (m, n)
        Samples in rows; their mean is removed.
    count : int

    Returns
    -------
    ndarray, shape (n, count)
        Orthonormal columns by falling variance, each with its largest entry positive.

    Raises
    ------
    TypeError, ValueError
        If the data are not a finite real matrix or the count is not between 1 and min(m, n).
    """
    x = own_unit(matrix("data", data))[0]
    if not 1 <= as_integer("count", count) <= min(x.shape):
        raise ValueError(f"count must be between 1 and {min(x.shape)}, got {count}")
    centered = x - x.mean(axis=0)
    covariance = centered.T @ centered
    n = len(covariance)
    _, vectors = scipy.linalg.eigh(covariance, subset_by_index=(n - count, n - 1))
    components = vectors[:, ::-1]
    largest = np.abs(components).argmax(axis=0)
    signs = np.sign(components[largest, np.arange(count)])
    result: Array = components * signs
    return result


@computes
def subspace_overlap(first: ArrayLike, second: ArrayLike, *, centered: bool = True) -> float:
    """Return the share of the smaller of two subspaces that lies in the other, ``||Q_1^T Q_2||^2 / k``.

    The mean squared cosine of the principal angles; k the smaller dimension. Random subspaces of
    dimensions k <= l in n have l / n, or l / (n - 1) if centered. P as for `match_bases`.

    Parameters
    ----------
    first, second : array_like, shape (n, any)
        Spanning vectors in columns; linearly dependent ones add nothing.
    centered : bool
        Whether the mean of each vector is removed first, so that a common constant does not count.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    TypeError, ValueError
        If an array is not a finite real matrix, they have different n, or one spans nothing.
    """
    a, b = matrix("first", first), matrix("second", second)
    if len(a) != len(b):
        raise ValueError(f"second must have {len(a)} rows like first, got shape {b.shape}")
    q = [_orthonormal(name, x, centered) for name, x in (("first", a), ("second", b))]
    smaller = int(min(q[0].shape[1], q[1].shape[1]))
    return float(np.sum(np.square(q[0].T @ q[1]))) / smaller


def leading_shapes(n: int, count: int, family: str) -> Array:
    """Orthonormal polynomials of degree below `count`, or as many cosines, on n points: (n, count)."""
    if family == "polynomials":
        return _orthogonal(np.polynomial.legendre.legvander(np.linspace(-1, 1, n), count - 1))
    return _orthogonal(np.cos(np.pi * (np.arange(n)[:, None] + 0.5) * np.arange(count) / n))


def _orthogonal(columns: Array) -> Array:
    q: Array = np.linalg.qr(columns)[0]
    return q


@computes
def shape_share(vectors: ArrayLike, family: str = "polynomials") -> float:
    """Return the share of a subspace that polynomials of low degree, or slow cosines, span.

    The `subspace_overlap`, constants included, of the vectors' span with that of polynomials of degree
    0 ... k - 1 (Chebyshev's and Legendre's span the same space) or of cosines of 0 ... k - 1 half cycles,
    k the number of vectors. P as for `match_bases`.

    Parameters
    ----------
    vectors : array_like, shape (n, k)
        In columns, on n equispaced points; k <= n.
    family : {"polynomials", "cosines"}

    Returns
    -------
    float
        Between 0 and 1; about k / n for random vectors.

    Raises
    ------
    TypeError, ValueError
        If the vectors are not a finite real matrix, are more than their points or span nothing, or the
        family is unknown.
    """
    v = matrix("vectors", vectors)
    choice("family", family, ("cosines", "polynomials"))
    if v.shape[1] > len(v):
        raise ValueError(f"vectors must have at least as many rows as columns, got {v.shape}")
    span = _orthonormal("vectors", v, centered=False)
    shared: Array = span.T @ leading_shapes(len(v), v.shape[1], family)
    return float(np.sum(np.square(shared))) / int(span.shape[1])


def _orthonormal(name: str, columns: Array, centered: bool) -> Array:
    x = own_unit(columns.astype(np.float64))[0]
    level = max(x.shape) * float(np.finfo(columns.dtype).eps) * float(np.linalg.norm(x))
    if centered:
        x -= x.mean(axis=0)
    u, s, _ = scipy.linalg.svd(x, full_matrices=False, check_finite=False)
    kept: Array = u[:, s > level]
    if not kept.size:
        raise ValueError(f"{name} must span something{' besides a constant' if centered else ''}")
    return kept
