"""How well one network's aligned signals predict another's, from moments alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.linalg

from .._signals.gram import rounding_level
from .._signals.pairs import Moments
from .._solvers.procrustes import Fit, nearest
from .._util.validate import Array

Halves = tuple[Moments, Moments]


class Scores(NamedTuple):
    """R^2 over all modes together, and of each; NaN where a mode has no variance."""

    total: float
    modes: Array


class Axes(NamedTuple):
    """Principal axes of a in columns, by falling variance, the variances, and their rounding."""

    vectors: Array
    variances: Array
    rounding: float

    @classmethod
    def of(cls, halves: Halves) -> Axes:
        """Axes of both halves together."""
        whole = halves[0].plus(halves[1])
        values, vectors = scipy.linalg.eigh(whole.a, driver="evd", check_finite=False)
        lost = rounding_level(float(values[-1]), len(values))
        return cls(vectors[:, ::-1], np.maximum(values[::-1], 0) / whole.count, lost / whole.count)


def moments_to_fit(moments: Moments, center: bool) -> Array:
    """Cross moments A^T B: about the means, or about zero."""
    if center:
        return moments.cross
    mean_a, mean_b = moments.means
    whole: Array = moments.cross + np.outer(moments.count * mean_a, mean_b)
    return whole


def fitted(moments: Moments, group: str, center: bool) -> Fit:
    """Best element of the group for these samples."""
    return nearest(moments_to_fit(moments, center), group)


def block(matrix: Array, moments: Moments) -> Array:
    """Cut P to shape (n_a, n_b)."""
    part: Array = matrix[: moments.n_a, : len(moments.b)]
    return part


def scale(p: Array, moments: Moments, center: bool) -> float:
    """Return the factor s >= 0 with the smallest |A - s B P^T|."""
    own = moments.b
    if not center:
        _, mean_b = moments.means
        own = own + np.outer(moments.count * mean_b, mean_b)
    size = float(np.sum((p @ own) * p))
    common = float(np.sum(p * moments_to_fit(moments, center)))
    return common / size if min(common, size) > 0 else 0.0


def shift(p: Array, moments: Moments, center: bool) -> Array:
    """Return what is added to B p^T, so that the means agree; zero without `center`."""
    mean_a, mean_b = moments.means
    return mean_a - p @ mean_b if center else np.zeros_like(mean_a)


def residual(p: Array, offset: Array, moments: Moments, axes: Axes) -> Array:
    """Sum of squares of ``a - P b - offset`` along each axis."""
    vectors = axes.vectors
    turned = p.T @ vectors
    mean_a, mean_b = moments.means
    apart = vectors.T @ (mean_a - p @ mean_b - offset)
    own = _along(vectors, moments.a @ vectors)
    common = _along(vectors, moments.cross @ turned)
    explained = _along(turned, moments.b @ turned)
    return np.maximum(own - 2 * common + explained, 0) + moments.count * apart**2


def _along(left: Array, right: Array) -> Array:
    total: Array = np.einsum("ij,ij->j", left, right)
    return total


class _Map(NamedTuple):
    """What takes b to a: ``s P b + shift``; the matrix is s P."""

    matrix: Array
    shift: Array

    @classmethod
    def of(cls, p: Array, moments: Moments, center: bool) -> _Map:
        """Scale and shift fitted to a half."""
        scaled = scale(p, moments, center) * p
        return cls(scaled, shift(scaled, moments, center))


def _scores(maps: tuple[_Map, _Map], halves: Halves, axes: Axes) -> Scores:
    """Judge the first map on the first half and the second on the second."""
    pairs = zip(maps, halves, strict=True)
    left = np.sum([residual(*one, moments, axes) for one, moments in pairs], axis=0)
    spread = [_along(axes.vectors, moments.a @ axes.vectors) for moments in halves]
    whole = np.sum(spread, axis=0)
    known = axes.variances > axes.rounding
    with np.errstate(divide="ignore", invalid="ignore"):
        modes = np.where(known, 1 - left / whole, np.nan)
    return Scores(float(1 - left.sum() / whole.sum()), modes)


class HeldOut(NamedTuple):
    """Scores on the half that was not fitted, and on the one that was: no element of the group does better."""

    scores: Scores
    ceiling: Scores


def held_out(halves: Halves, group: str, center: bool, axes: Axes) -> HeldOut:
    """Fit P and scale on either half and judge on both."""
    fits = [block(fitted(half, group, center).matrix, half) for half in halves]
    first, second = (_Map.of(p, half, center) for p, half in zip(fits, halves, strict=True))
    return HeldOut(_scores((second, first), halves, axes), _scores((first, second), halves, axes))


def of_matrix(p: Array, halves: Halves, center: bool, axes: Axes) -> Scores:
    """Judge a P that does not depend on the samples; scale and means are those of the other half."""
    first, second = (_Map.of(p, half, center) for half in halves)
    return _scores((second, first), halves, axes)
