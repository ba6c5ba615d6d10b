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
# asked, from which on a neglected square of it counts.
CLOSE, SHARE = 0.012, 0.1
ROUNDS = 6


@dataclass(frozen=True, eq=False)
class Closing:
    """Where the ascent is: decomposition ``W diag(d) = U S V^T``, coordinates U^T W, the slope of F."""

    w: Array
    d: Array
    u: Array
    s: Array
    coordinates: Array
    slope: Array
    curvature: Curvature

    def close(self, right: Array, change: Array, gap: float) -> tuple[Array, float, float] | None:
        """Return rotation (or reflection), value and bound if they meet to a relative gap; else None.

        Parameters
        ----------
        right : ndarray, shape (n, n)
            V^T.
        change : ndarray, shape (n,)
            What is left to change of e, relative, by the curvature.
        gap : float
        """
        found = self._bound(change, gap)
        if found is None:
            return None
        bound, change = found
        rotation = self._rotation(right, np.sqrt(1 + change), gap)
        value = float(np.square(np.einsum("ij,ji->i", rotation, self.w)).sum())
        return (rotation, value, bound) if bound - value <= gap * value else None

    def _bound(self, change: Array, gap: float) -> tuple[float, Array] | None:
        """Bound the optimum from a G that satisfies all constraints, and the whole change of e that made it."""
        norms = np.einsum("ij,ij->j", self.w, self.w)
        half = self.coordinates / np.sqrt(self.s)[:, None]
        pairs = np.add.outer(self.s, self.s)
        whole, second = np.zeros(len(self.d)), None
        level, allowed = np.inf, 0.2 * gap * float(self.s.sum())
        for _ in range(ROUNDS):
            whole += change
            load = (half * (whole * self.d**2)) @ half.T
            g = -load / pairs
            if second is None and 0.1 * np.mean(whole**2) ** 2 > SHARE * gap:
                # To second order: (1 + G) (S + load) (1 + G) = S.
                part = g * self.s + load + g @ load
                second = -(part + part @ g + self.s[:, None] * g) / pairs
                second = (second + second.T) / 2
            if second is not None:
                g += second
            excess = np.einsum("ij,ij->j", half, half + g @ half) - 1
            paid = float(norms @ np.maximum(excess, 0))
            if paid <= allowed:
                return self._trace(g) + paid, whole
            if paid > 0.2 * level:
                return None
            level, change = paid, self.curvature.change(excess, self.d)
            if (whole + change).min() <= -1:
                return None
        return None

    def _trace(self, g: Array) -> float:
        """Bound ``tr X^-1 = sum_a s_a [(1 + G)^-1]_aa``: the series to G^3, and what all that follows may add."""
        square = g @ g
        norm = float(np.linalg.norm(g))
        if norm >= 1:
            return np.inf
        rest = np.einsum("ij,ij->i", square, square) / (1 - norm)
        cubes = np.einsum("ij,ij->i", g, square)
        return float(self.s @ (1 - np.diagonal(g) + np.diagonal(square) - cubes + rest))

    def _rotation(self, right: Array, growth: Array, gap: float) -> Array:
        """Return the polar factor for ``W diag(d growth)``, from the one for ``W diag(d)``: V K^T U^T."""
        pairs = np.add.outer(self.s, self.s)
        n = self.s[:, None] * ((right * growth) @ right.T)
        turn = (n - n.T) / pairs
        k = _turned(turn)
        if 0.3 * np.mean(np.square(growth - 1)) ** 2 > 0.01 * gap:
            n = k.T @ n
            k = k @ _turned((n - n.T) / pairs)
        return orthonormalized((self.u @ k) @ right).T


def _turned(turn: Array) -> Array:
    """Return the exponential of a small skew-symmetric matrix to second order."""
    k = 0.5 * (turn @ turn)
    k += turn
    k[np.diag_indices_from(k)] += 1
    return k


def orthonormalized(rows: Array) -> Array:
    """Make rows that are nearly orthonormal so to rounding: Newton-Schulz steps square the defect."""
    for _ in range(3):
        defect = rows @ rows.T
        defect[np.diag_indices_from(defect)] -= 1
        if np.abs(defect).max() <= 16 * EPSILON:
            break
        rows = rows - 0.5 * (defect @ rows)
    return rows
