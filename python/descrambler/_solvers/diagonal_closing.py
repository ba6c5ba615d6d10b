"""The end of the ascent in ``diagonal_optima``: bound and rotation of the last steps without a decomposition.

Where ``W diag(d) = U S V^T``, any symmetric G with ``|G| < 1`` makes ``X = U S^-1/2 (1 + G) S^-1/2 U^T`` a point of the
dual problem, and the nearest ones to the optimum take matrix products alone: ``docs/theory.md``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._util.validate import Array
from .diagonal_curvature import Curvature

EPSILON = float(np.finfo(np.float64).eps)
# Root mean square of the relative change of e that is left, below which it is tried; share of the gap that is
# asked, from which on what G lacks to second order counts.
CLOSE, SHARE = 0.012, 0.5
ROUNDS = 6


class _Dual:
    """G of a relative change of e, and by how much ``w_j^T X w_j`` exceeds 1.

    Any G will do for a bound: single precision is enough to find it, and the excess is measured.

    Parameters
    ----------
    s, e : ndarray, shape (n,)
    half : ndarray, shape (n, n)
        S^-1/2 U^T W.
    """

    g: Array
    excess: Array

    def __init__(self, s: Array, e: Array, half: Array) -> None:
        self._s, self._e, self._half = (s / s[0]).astype(np.float32), e / s[0], half
        self._single = half.astype(np.float32)
        self._pairs = np.add.outer(self._s, self._s)
        self.g, self.excess = np.zeros(half.shape), np.zeros(len(s))

    def start(self, change: Array, second: bool) -> None:
        """Take the first change; to second order, if that counts: ``(1 + G) (S + load) (1 + G) = S``."""
        load = self._load(change)
        g = load / -self._pairs
        if second:
            part = g * self._s + load + g @ load
            part += part @ g + self._s[:, None] * g
            g -= (part + part.T) / (2 * self._pairs)
        self.g += g
        self.measure()

    def go(self, change: Array) -> None:
        """Change further, by so little that single precision will do for the excess."""
        step = self._load(change)
        step /= -self._pairs
        self.g += step
        self.excess += np.einsum("ij,ij->j", self._single, step @ self._single)

    def _load(self, change: Array) -> Array:
        load: Array = (self._single * (change * self._e).astype(np.float32)) @ self._single.T
        return load

    def measure(self) -> None:
        """Evaluate the excess anew, in double precision."""
        product = self.g @ self._half
        product += self._half
        self.excess = np.einsum("ij,ij->j", self._half, product) - 1


@dataclass(frozen=True, eq=False)
class Closing:
    """Where the ascent is: decomposition ``W diag(d) = U S V^T`` and coordinates U^T W."""

    w: Array
    d: Array
    u: Array
    s: Array
    coordinates: Array
    curvature: Curvature

    def close(self, change: Array, gap: float) -> tuple[Array, float, float] | None:
        """Return rotation (or reflection), value and bound if they meet to a relative gap; else None.

        Parameters
        ----------
        change : ndarray, shape (n,)
            What is left to change of e, relative, by the curvature.
        gap : float
        """
        found = self._bound(change, gap)
        if found is None:
            return None
        bound, change = found
        rotation = self._rotation(np.sqrt(1 + change))
        value = float(np.square(np.einsum("ij,ji->i", rotation, self.w)).sum())
        return (rotation, value, bound) if bound - value <= gap * value else None

    def _bound(self, change: Array, gap: float) -> tuple[float, Array] | None:
        """Bound the optimum from a G that satisfies all constraints, and the whole change of e that made it."""
        norms = np.einsum("ij,ij->j", self.w, self.w)
        allowed = 0.2 * gap * float(self.s.sum())
        dual = _Dual(self.s, self.d**2, self.coordinates / np.sqrt(self.s)[:, None])
        dual.start(change, second=bool(0.1 * np.mean(change**2) ** 2 > SHARE * gap))
        # What a constraint leaves over is lost, too.
        left = float(norms @ np.abs(dual.excess))
        for _ in range(ROUNDS):
            if left <= allowed:
                return self._trace(dual.g) + float(norms @ np.maximum(dual.excess, 0)), change
            step = self.curvature.change(dual.excess, self.d)
            change = change + step
            if change.min() <= -1:
                return None
            dual.go(step)
            before, left = left, float(norms @ np.abs(dual.excess))
            if left > 0.2 * before:
                return None
            if left <= allowed:
                dual.measure()
                left = float(norms @ np.abs(dual.excess))
        return None

    def _trace(self, g: Array) -> float:
        """Bound ``tr X^-1 = sum_a s_a [(1 + G)^-1]_aa``: the series to G^3, and what all that follows may add."""
        g = (g + g.T) / 2
        square = g @ g.T
        norm = float(np.linalg.norm(g))
        if norm >= 1:
            return np.inf
        rest = np.einsum("ij,ij->i", square, square) / (1 - norm)
        cubes = np.einsum("ij,ij->i", g, square)
        return float(self.s @ (1 - np.diagonal(g) + np.diagonal(square) - cubes + rest))

    def _rotation(self, growth: Array) -> Array:
        """Return the polar factor for ``W diag(d growth)``, from the one for ``W diag(d)``: V K^T U^T.

        K^T N is to be symmetric, ``N = S V^T diag(growth) V``. K is the exponential of a skew-symmetric matrix, to
        second order in the growth: what is missing has the third.
        """
        # Orthonormal but for what squares have lost, which the end mends.
        right = self.coordinates * self.d / self.s[:, None]
        # An error of K is squared in the value.
        single, s = right.astype(np.float32), (self.s / self.s[0]).astype(np.float32)
        pairs = np.add.outer(s, s)
        grown = (single * (growth - 1).astype(np.float32)) @ single.T
        n = s[:, None] * grown
        turn = (n - n.T) / pairs
        k = 0.5 * (turn @ turn)
        n = k * s - (turn * s) @ grown
        k += turn + (n - n.T) / pairs
        # The unit part of K^T in double precision.
        left = self.u + self.u.astype(np.float32) @ k
        return orthonormalized(left @ right).T


def orthonormalized(rows: Array) -> Array:
    """Make rows that are nearly orthonormal so to rounding: Newton-Schulz steps square the defect, or cube it."""
    for _ in range(3):
        defect = rows @ rows.T
        defect.flat[:: len(defect) + 1] -= 1
        if np.abs(defect).max() <= 16 * EPSILON:
            break
        size = float(np.linalg.norm(defect))
        step = 0.5 * defect
        if size**2 > EPSILON:
            step -= 0.375 * (defect @ defect.T)
        rows = rows - step @ rows
        if size**3 <= EPSILON:
            break
    return rows
