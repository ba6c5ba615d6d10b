"""The rotation group SO(n): charts, their inverses and pull-backs, projection.

A generator is a skew-symmetric matrix Q. Two charts lead from generators to rotations, the Cayley map
``P = (1 + Q)^-1 (1 - Q)`` (Amey et al. 2021, Eq. 7) and the exponential ``P = exp(Q)``; neither inverse
reaches a P that has an eigenvalue -1. float32 and float64 are kept; all else becomes float64.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .. import _core as core
from .._util import lapack
from .._util.arrays import keeps_kind
from .._util.seeds import generator_of
from .._util.threads import computes, computing
from .._util.validate import Array, check_squares, square
from ..errors import ChartError
from .checks import angles, cayley_generator, orthogonal, skew, unpacked

# Units from which a singular value decomposition is faster than the thirty steps to a polar factor from afar.
MANY = 100

__all__ = [
    "cayley",
    "cayley_pullback",
    "exp",
    "exp_pullback",
    "inverse_cayley",
    "log",
    "pack_generator",
    "polar",
    "random_rotation",
    "unpack_generator",
]


@keeps_kind
def pack_generator(Q: ArrayLike) -> Array:
    """Pack a generator into its free parameters.

    Parameters
    ----------
    Q : array_like, shape (n, n)
        Skew-symmetric matrix.

    Returns
    -------
    ndarray, shape (n * (n - 1) / 2,)
        The strict lower triangle, column by column, as the reference implementation lists it.

    Raises
    ------
    ValueError
        If Q is not square, finite and skew-symmetric.
    """
    return core.pack(skew("Q", Q))


@keeps_kind
def unpack_generator(packed: ArrayLike) -> Array:
    """Unpack free parameters into the generator Q = L - L^T.

    Parameters
    ----------
    packed : array_like, shape (n * (n - 1) / 2,)
        The strict lower triangle L, column by column.

    Returns
    -------
    ndarray, shape (n, n)

    Raises
    ------
    ValueError
        If the length is not n (n - 1) / 2 for any n.
    """
    return unpacked("packed", packed)


@keeps_kind
@computes
def cayley(Q: ArrayLike) -> Array:
    """Cayley map, P = (1 + Q)^-1 (1 - Q).

    Parameters
    ----------
    Q : array_like, shape (n, n)
        Skew-symmetric generator.

    Returns
    -------
    ndarray, shape (n, n)
        Rotation, det +1.

    Raises
    ------
    ValueError
        If Q is not square, finite and skew-symmetric, or has entries beyond 1.3e8 (float32: 5.8e3), whose
        rotation would lose more than half of its digits.
    """
    return core.cayley(cayley_generator("Q", Q))


@keeps_kind
@computes
def inverse_cayley(P: ArrayLike) -> Array:
    """Return the generator of a rotation in the Cayley chart, Q = (1 - P) (1 + P)^-1.

    Parameters
    ----------
    P : array_like, shape (n, n)
        Rotation.

    Returns
    -------
    ndarray, shape (n, n)
        Skew-symmetric generator.

    Raises
    ------
    ChartError
        If P has an eigenvalue -1, to half of the working precision.
    ValueError
        If P is not square, finite and orthogonal.
    """
    try:
        return core.inverse_cayley(orthogonal("P", P))
    except core.OutsideChart as error:
        raise ChartError(str(error)) from None


@keeps_kind
@computes
def exp(Q: ArrayLike) -> Array:
    """Exponential map, P = exp(Q), by scaling and squaring.

    Parameters
    ----------
    Q : array_like, shape (n, n)
        Skew-symmetric generator.

    Returns
    -------
    ndarray, shape (n, n)
        Rotation, det +1.

    Raises
    ------
    ValueError
        If Q is not square, finite and skew-symmetric.
    """
    return core.exp(angles("Q", Q))


@keeps_kind
@computes
def log(P: ArrayLike) -> Array:
    """Principal logarithm: the generator Q of P = exp(Q) with all angles inside (-pi, pi).

    Parameters
    ----------
    P : array_like, shape (n, n)
        Rotation.

    Returns
    -------
    ndarray, shape (n, n)
        Skew-symmetric generator.

    Raises
    ------
    ChartError
        If P has an eigenvalue -1, to half of the working precision.
    ValueError
        If P is not square, finite and orthogonal.
    """
    try:
        return core.log(orthogonal("P", P))
    except core.OutsideChart as error:
        raise ChartError(str(error)) from None


@keeps_kind
@computes
def polar(M: ArrayLike) -> Array:
    """Nearest orthogonal matrix in the Frobenius norm.

    By Newton-Schulz steps; from 100 units on, and not near an orthogonal matrix, by the singular value decomposition.

    Parameters
    ----------
    M : array_like, shape (n, n)
        Regular matrix; the result's determinant has the sign of M's.

    Returns
    -------
    ndarray, shape (n, n)

    Raises
    ------
    ValueError
        If M is not square and finite, or is singular to working precision.
    """
    m = square("M", M)
    n = len(m)
    with np.errstate(over="ignore", invalid="ignore"):
        near = n < MANY or np.linalg.norm(m.T @ m - np.eye(n)) < 1
    if near:
        return core.polar(m)
    u, s, vt = lapack.svd(m)
    if s[-1] <= np.sqrt(n) * np.finfo(m.dtype).eps * s[0]:
        raise ValueError("M is singular to working precision: its nearest rotation is not unique")
    nearest: Array = u @ vt
    return nearest


def _same_size(first: Array, G: ArrayLike) -> tuple[Array, Array]:
    gradient = square("G", G)
    check_squares("G", gradient)
    if gradient.shape != first.shape:
        raise ValueError(f"G must have the shape of Q, {first.shape}, got {gradient.shape}")
    dtype = np.result_type(first, gradient)
    return first.astype(dtype, copy=False), gradient.astype(dtype, copy=False)


@keeps_kind
@computes
def cayley_pullback(Q: ArrayLike, G: ArrayLike) -> Array:
    """Gradient with respect to the Cayley generator (Amey et al. 2021, SI S1).

    Parameters
    ----------
    Q : array_like, shape (n, n)
        Skew-symmetric generator of P = cayley(Q).
    G : array_like, shape (n, n)
        Unconstrained Euclidean gradient d value / dP.

    Returns
    -------
    ndarray, shape (n, n)
        Skew-symmetric; entry (i, j) of the strict lower triangle is d value / d q_ij, where q_ij moves
        together with its mirror q_ji = -q_ij.

    Raises
    ------
    ValueError
        If Q is not skew-symmetric or the shapes differ.
    """
    return core.cayley_pullback(*_same_size(cayley_generator("Q", Q), G))


@keeps_kind
@computes
def exp_pullback(Q: ArrayLike, G: ArrayLike) -> Array:
    """Gradient with respect to the exponential generator.

    Parameters
    ----------
    Q : array_like, shape (n, n)
        Skew-symmetric generator of P = exp(Q).
    G : array_like, shape (n, n)
        Unconstrained Euclidean gradient d value / dP.

    Returns
    -------
    ndarray, shape (n, n)
        Skew-symmetric, entries as in :func:`cayley_pullback`.

    Raises
    ------
    ValueError
        If Q is not skew-symmetric or the shapes differ.
    """
    return core.exp_pullback(*_same_size(angles("Q", Q), G))


def random_rotation(n: int, random_state: int | np.random.Generator | None = None) -> Array:
    """Draw a rotation from the uniform (Haar) distribution on SO(n).

    Parameters
    ----------
    n : int
        Dimension, at least 1.
    random_state : int, Generator or None
        Seed.

    Returns
    -------
    ndarray, shape (n, n)
    """
    generator = generator_of(random_state)
    with computing(n):
        q, r = np.linalg.qr(generator.standard_normal((n, n)))
        q *= np.sign(np.diagonal(r))
        if np.linalg.slogdet(q).sign < 0:
            q[:, -1] *= -1
    return q
