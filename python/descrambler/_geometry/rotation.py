"""A rotation of a layer's units: a matrix, or the identity plus low rank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike, DTypeLike

from .._util.arrays import like
from .._util.threads import computes, product
from .._util.validate import Array, matrix
from .charts import inverse_cayley

MOST_UNITS = 20_000
"""Largest rotation of low rank that `np.asarray` turns into a matrix."""

# Least 1 / ||B^-1||_1 of a block B whose determinant keeps its sign in spite of rounding.
_SAFE = 1e-9


@dataclass(frozen=True, eq=False, repr=False)
class Rotation:
    """P in SO(n): acts on weights, never on the network.

    ``rotation @ W`` is P W, ``W @ rotation`` is W P, and ``np.asarray(rotation)`` is P.

    Attributes
    ----------
    matrix : ndarray, shape (n, n)
        P, one link coordinate in a row, one unit in a column.
    rank : int
        Number of modes that were placed on purpose; the rest is turned as little as possible.
    """

    matrix: Array
    rank: int

    def __repr__(self) -> str:
        return f"{type(self).__name__}(n={self.n}, rank={self.rank}, {self.dtype})"

    @property
    def n(self) -> int:
        """Number of units."""
        return len(self.matrix)

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        return self.matrix.dtype

    # Arrays leave `array @ rotation` to it.
    __array_priority__ = 1000.0

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        """P as a matrix, for ``np.asarray``."""
        if copy is False and dtype is not None and np.dtype(dtype) != self.dtype:
            raise ValueError(
                f"a copy is needed for dtype {np.dtype(dtype)}, and copy=False forbids it"
            )
        whole: Array = self._whole().astype(dtype or self.dtype, copy=bool(copy))
        return whole

    def _whole(self) -> Array:
        return self.matrix

    def __matmul__(self, weights: ArrayLike | Rotation) -> Array | Rotation:
        """P W of weights, a vector, or the product of two rotations."""
        if isinstance(weights, Rotation):
            return Rotation(self._left(np.asarray(weights)), max(self.rank, weights.rank))
        if np.ndim(weights) == 1:
            column: Array = self.left(np.reshape(weights, (-1, 1)))[:, 0]
            return column
        return self.left(weights)

    def __rmatmul__(self, weights: ArrayLike) -> Array:
        """W P of weights or a vector; ``right`` is W P^T."""
        back = self.inverse()
        if np.ndim(weights) == 1:
            row: Array = back.right(np.reshape(weights, (1, -1)))[0]
            return row
        return back.right(weights)

    def left(self, weights: ArrayLike) -> Array:
        """P W: descramble the output dimension of the weights before the signals, (n, n_in)."""
        w = matrix("weights", weights)
        if w.shape[0] != self.n:
            raise ValueError(f"weights must have {self.n} rows, one per unit, got shape {w.shape}")
        rotated: Array = like(weights, self._left(w))
        return rotated

    def right(self, weights: ArrayLike) -> Array:
        """W P^T: descramble the input dimension of the next weights, (n_out, n).

        With samples in rows, signals (m, n) become ``rotation.right(signals)`` = S P^T.
        """
        w = matrix("weights", weights)
        if w.shape[1] != self.n:
            raise ValueError(f"weights must have {self.n} columns, got shape {w.shape}")
        rotated: Array = like(weights, self._right(w))
        return rotated

    def inverse(self) -> Rotation:
        """P^-1 = P^T."""
        return Rotation(np.ascontiguousarray(self.matrix.T), self.rank)

    def astype(self, dtype: type[np.floating[Any]]) -> Rotation:
        """P in another precision."""
        return Rotation(np.ascontiguousarray(self.matrix, dtype), self.rank)

    def arrays(self) -> dict[str, ArrayLike]:
        """Return what a file holds of it, for :func:`from_arrays`."""
        return {"rotation": self.matrix, "rank": self.rank}

    def generator(self) -> Array:
        """Skew-symmetric Q of P = (1 + Q)^-1 (1 - Q), shape (n, n).

        Raises
        ------
        ChartError
            If P has an eigenvalue -1.
        """
        return inverse_cayley(self.matrix)

    @computes
    def orthogonality_error(self) -> float:
        """Spectral norm of P P^T - 1."""
        p = self.matrix.astype(np.float64, copy=False)
        return float(np.linalg.norm(p @ p.T - np.eye(len(p)), 2))

    @computes
    def determinant(self) -> int:
        """Sign of det P: 1 in SO(n), -1 of a reflection in O(n)."""
        return -1 if has_negative_determinant(self.matrix) else 1

    def _left(self, w: Array) -> Array:
        return product(self.matrix.astype(w.dtype, copy=False), w, self.n)

    def _right(self, w: Array) -> Array:
        return product(w, self.matrix.T.astype(w.dtype, copy=False), self.n)


class LowRankRotation(Rotation):
    """P = 1 + Z (C - 1) Z^T: memory O(n r), products with k columns in O(n r k).

    Attributes
    ----------
    span : ndarray, shape (n, w)
        Z, orthonormal columns, w <= 2 rank: what is orthogonal to them is not rotated.
    core : ndarray, shape (w, w)
        C in SO(w), the rotation inside the span.
    rank : int
        Number of modes that were placed on purpose.
    matrix : ndarray, shape (n, n)
        P as a whole, formed when it is first asked for.
    """

    span: Array
    core: Array

    def __init__(self, span: Array, core: Array, rank: int) -> None:
        for name, value in (("span", span), ("core", core), ("rank", rank)):
            object.__setattr__(self, name, value)

    def _whole(self) -> Array:
        if self.n > MOST_UNITS:
            size = self.n**2 * self.dtype.itemsize / 1e9
            raise ValueError(
                f"a rotation of low rank must have at most {MOST_UNITS} units to become an array, got {self.n}, of "
                f"which P would take {size:.0f} GB: use rotation @ weights, or rotation.matrix if you mean it"
            )
        return self.matrix

    @cached_property
    def matrix(self) -> Array:
        """P, shape (n, n)."""
        return self._left(np.eye(self.n, dtype=self.dtype))

    @property
    def n(self) -> int:
        """Number of units."""
        return len(self.span)

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        return self.span.dtype

    def inverse(self) -> Rotation:
        """P^-1 = P^T."""
        return LowRankRotation(self.span, np.ascontiguousarray(self.core.T), self.rank)

    def astype(self, dtype: type[np.floating[Any]]) -> Rotation:
        """P in another precision."""
        return LowRankRotation(self.span.astype(dtype), self.core.astype(dtype), self.rank)

    def arrays(self) -> dict[str, ArrayLike]:
        """Return what a file holds of it, for :func:`from_arrays`."""
        return {"rotation.span": self.span, "rotation.core": self.core, "rank": self.rank}

    @computes
    def orthogonality_error(self) -> float:
        """Spectral norm of P P^T - 1."""
        z, c = (array.astype(np.float64, copy=False) for array in (self.span, self.core))
        change = c - np.eye(len(c))
        inner = change + change.T + change @ (z.T @ z) @ change.T
        triangle: Array = np.linalg.qr(z)[1]
        return float(np.linalg.norm(triangle @ inner @ triangle.T, 2)) if len(c) else 0.0

    @computes
    def determinant(self) -> int:
        """Sign of det P, which is that of det C."""
        return -1 if has_negative_determinant(self.core) else 1

    def _left(self, w: Array) -> Array:
        z, change = self._change(w.dtype)
        within = product(change, product(z.T, w, self.n), self.n)
        turned: Array = w + product(z, within, self.n)
        return turned

    def _right(self, w: Array) -> Array:
        z, change = self._change(w.dtype)
        within = product(product(w, z, self.n), change.T, self.n)
        turned: Array = w + product(within, z.T, self.n)
        return turned

    def _change(self, dtype: np.dtype[Any]) -> tuple[Array, Array]:
        change = self.core - np.eye(len(self.core), dtype=self.dtype)
        return self.span.astype(dtype, copy=False), change.astype(dtype, copy=False)


def from_arrays(arrays: Mapping[str, Array]) -> Rotation:
    """Return the rotation of which `Rotation.arrays` gave these."""
    rank = int(arrays["rank"])
    if "rotation" in arrays:
        return Rotation(arrays["rotation"], rank)
    return LowRankRotation(arrays["rotation.span"], arrays["rotation.core"], rank)


def has_negative_determinant(orthogonal: Array) -> bool:
    """Sign of the determinant, from two blocks on the diagonal: ``det P = det P_11 / det P_22``.

    That is a quarter of the work. Where the blocks are close to singular, as in many permutations, it comes
    from the whole, for which float32 is enough: all its singular values are one.
    """
    half = len(orthogonal) // 2
    if half >= 64:
        lu, negative = _lu(orthogonal[:half, :half].T.astype(np.float64))
        # Both blocks have the same singular values below one.
        if scipy.linalg.lapack.dgecon(lu, 1.0)[0] > _SAFE:
            return negative != _lu(orthogonal[half:, half:].T.astype(np.float64))[1]
    return _lu(orthogonal.T.astype(np.float32))[1]


def _lu(transposed: Array) -> tuple[Array, bool]:
    """LU decomposition in place, and whether the determinant is negative."""
    lapack = scipy.linalg.lapack
    getrf = lapack.dgetrf if transposed.dtype == np.float64 else lapack.sgetrf
    lu, pivots, _ = getrf(transposed, overwrite_a=True)
    exchanges = np.count_nonzero(pivots != np.arange(len(pivots)))
    return lu, bool((exchanges + np.count_nonzero(np.diagonal(lu) < 0)) % 2)


def nearest_completion(source: Array, target: Array) -> Rotation:
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
    if 2 * rank >= n:
        return Rotation(_complete(source, target), rank)
    span = np.linalg.qr(np.hstack([source, target]))[0]
    core = _complete(span.T @ source, span.T @ target) if rank else np.empty((0, 0), source.dtype)
    return LowRankRotation(span, core, rank)


def _complete(source: Array, target: Array) -> Array:
    rank = source.shape[1]
    u0 = np.linalg.qr(source, mode="complete")[0][:, rank:]
    v0 = np.linalg.qr(target, mode="complete")[0][:, rank:]
    x, _, yt = scipy.linalg.svd(u0.T @ v0, check_finite=False)
    rotation: Array = target @ source.T + (v0 @ yt.T) @ (u0 @ x).T
    if has_negative_determinant(rotation):
        rotation -= 2 * np.outer(v0 @ yt[-1], u0 @ x[:, -1])
    return rotation
