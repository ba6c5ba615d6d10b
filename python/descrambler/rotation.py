"""A rotation of a layer's units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike

from . import group
from ._array_api import like
from ._validate import Array, matrix


@dataclass(frozen=True, eq=False)
class Rotation:
    """P in SO(n): acts on weights, never on the network.

    Attributes
    ----------
    matrix : ndarray, shape (n, n)
        P, one link coordinate in a row, one unit in a column.
    rank : int
        Number of modes that were placed on purpose; the rest is turned as little as possible.
    """

    matrix: Array
    rank: int

    @property
    def n(self) -> int:
        """Number of units."""
        return len(self.matrix)

    def left(self, weights: ArrayLike) -> Array:
        """P W: descramble the output dimension of the weights before the signals, (n, n_in)."""
        w = matrix("weights", weights)
        if w.shape[0] != self.n:
            raise ValueError(f"weights must have {self.n} rows, one per unit, got shape {w.shape}")
        rotated: Array = like(weights, self.matrix.astype(w.dtype, copy=False) @ w)
        return rotated

    def right(self, weights: ArrayLike) -> Array:
        """W P^T: descramble the input dimension of the next weights, (n_out, n).

        With samples in rows, signals (m, n) become ``rotation.right(signals)`` = S P^T.
        """
        w = matrix("weights", weights)
        if w.shape[1] != self.n:
            raise ValueError(f"weights must have {self.n} columns, got shape {w.shape}")
        rotated: Array = like(weights, w @ self.matrix.T.astype(w.dtype, copy=False))
        return rotated

    def generator(self) -> Array:
        """Skew-symmetric Q of P = (1 + Q)^-1 (1 - Q), shape (n, n).

        Raises
        ------
        ChartError
            If P has an eigenvalue -1.
        """
        return group.inverse_cayley(self.matrix)


def has_negative_determinant(orthogonal: Array) -> bool:
    """Sign of the determinant by LU; float32 is enough, since all singular values are one."""
    lu, pivots, _ = scipy.linalg.lapack.sgetrf(orthogonal.T.astype(np.float32), overwrite_a=True)
    exchanges = np.count_nonzero(pivots != np.arange(len(pivots)))
    return bool((exchanges + np.count_nonzero(np.diagonal(lu) < 0)) % 2)


def nearest_completion(source: Array, target: Array) -> Array:
    """Rotation nearest to the identity among those with P u_i = v_i.

    Parameters
    ----------
    source, target : ndarray, shape (n, r), r < n
        Orthonormal columns u_i, v_i.

    Notes
    -----
    Outside the span of both P is the identity. Inside, the orthogonal complements of the u_i and of
    the v_i are joined by orthogonal Procrustes, with the determinant fixed on the smallest singular
    value.
    """
    n, rank = source.shape
    if rank == 0:
        return np.eye(n)
    if 2 * rank < n:
        span = np.linalg.qr(np.hstack([source, target]))[0]
        inner = _complete(span.T @ source, span.T @ target)
        rotation: Array = np.eye(n) + span @ (inner - np.eye(2 * rank)) @ span.T
        return rotation
    return _complete(source, target)


def _complete(source: Array, target: Array) -> Array:
    rank = source.shape[1]
    u0 = np.linalg.qr(source, mode="complete")[0][:, rank:]
    v0 = np.linalg.qr(target, mode="complete")[0][:, rank:]
    x, _, yt = scipy.linalg.svd(u0.T @ v0, check_finite=False)
    rotation: Array = target @ source.T + (v0 @ yt.T) @ (u0 @ x).T
    if has_negative_determinant(rotation):
        rotation -= 2 * np.outer(v0 @ yt[-1], u0 @ x[:, -1])
    return rotation
