"""Compare two descramblings modulo gauge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ._validate import Array, matrix
from .basis import LinkBasis
from .criteria import Smoothness
from .gauge import aligned
from .result import Descrambling

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True, eq=False)
class Comparison:
    """Similarity of two descrambled matrices.

    Attributes
    ----------
    similarity : float
        Cosine of the angle between them as they are, in their own gauges; in [-1, 1].
    bound : float
        The largest similarity that any gauge allows.
    rotation : ndarray, shape (n, n)
        The gauge rotation R of SO(n), commuting with A, that brings the second closest to the first.
    """

    similarity: float
    bound: float
    rotation: Array


def compare(
    result_a: Descrambling,
    result_b: Descrambling,
    *,
    weights: tuple[ArrayLike, ArrayLike] | None = None,
) -> Comparison:
    """Compare two descramblings by one smoothness criterion, modulo gauge.

    Parameters
    ----------
    result_a, result_b : Descrambling
        With the same number of units and the same criterion.
    weights : pair of array_like, shape (n, any), optional
        What the rotations act on from the left: for two networks, the weights before the signals.
        Without them the rotations themselves are compared, which means something only where both
        descramble the same units.

    Returns
    -------
    Comparison

    Raises
    ------
    TypeError, ValueError
        If the results have different units or criteria, or a matrix does not fit or is all zero.
    """
    criterion = result_a.criterion
    if not (isinstance(criterion, Smoothness) and isinstance(result_b.criterion, Smoothness)):
        raise TypeError("compare needs two results of a smoothness criterion")
    n = result_a.rotation.n
    if result_b.rotation.n != n:
        raise ValueError(f"result_b has {result_b.rotation.n} units, result_a has {n}")
    basis = criterion.basis(n)
    other = result_b.criterion.basis(n)
    probe = np.eye(n)
    if not (
        np.array_equal(basis.eigenvalues, other.eigenvalues)
        and np.array_equal(basis.to_modes(probe), other.to_modes(probe))
    ):
        raise ValueError(f"result_b minimises {result_b.criterion}, result_a {criterion}")
    pair = (np.eye(n), np.eye(n)) if weights is None else weights
    a, b = (
        basis.to_modes(result.rotation.left(matrix("weights", w).astype(np.float64)))
        for result, w in zip((result_a, result_b), pair, strict=True)
    )
    if a.shape != b.shape:
        raise ValueError(f"weights must have one shape, got {a.shape} and {b.shape}")
    if not (a.any() and b.any()):
        raise ValueError("weights must not be all zero")
    similarity, bound = similarities(np.stack([a, b]), np.ones((2, n), bool), basis)
    turned = aligned(np.eye(n), a @ b.T, basis)
    rotation = basis.from_modes(basis.from_modes(turned.T).T)
    return Comparison(float(similarity[0, 1]), float(bound[0, 1]), rotation)


def similarities(modes: Array, counted: Array, basis: LinkBasis) -> tuple[Array, Array]:
    """Compare descrambled matrices, each with each, modulo gauge.

    Parameters
    ----------
    modes : ndarray, shape (n_matrices, n, any)
        The matrices in mode coordinates: V^T P W, one link mode in a row.
    counted : ndarray of bool, shape (n_matrices, n)
        Two matrices are compared over the modes that count in both.
    basis : LinkBasis
        Modes of one eigenvalue may be mixed by the gauge, others change sign; the determinant of
        the whole is +1, at no cost where some mode does not count.

    Returns
    -------
    similarity, bound : ndarray, shape (n_matrices, n_matrices)
        Cosine as they are, and the largest that any gauge allows (Procrustes). NaN for a pair
        without a mode to compare.
    """
    number = len(modes)
    inner, best, power = (np.zeros((number, number)) for _ in range(3))
    weakest, parity = np.full((number, number), np.inf), np.ones((number, number))
    for block in basis.degenerate_blocks():
        rows = modes[:, block]
        both = np.logical_and(counted[:, None, block], counted[None, :, block])
        size = rows.shape[1]
        flat = rows.reshape(number * size, -1)
        products = (flat @ flat.T).reshape(number, size, number, size).transpose(0, 2, 1, 3)
        products = products * (both[..., :, None] & both[..., None, :])
        fits = np.linalg.svd(products, compute_uv=False)
        inner += np.trace(products, axis1=2, axis2=3)
        best += fits.sum(axis=-1)
        weakest = np.minimum(weakest, fits[..., -1])
        parity *= np.sign(np.linalg.det(products))
        power += np.einsum("abi,ai->ab", both, np.einsum("aij,aij->ai", rows, rows))
    best -= 2 * np.where(parity < 0, weakest, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        norm = np.sqrt(power * power.T)
        return inner / norm, best / norm
