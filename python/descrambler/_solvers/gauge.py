"""The member of the optimal set that is returned: the criterion fixes P only up to rotations that commute with A.

A gauge acts on the rows of M = V^T P, one link mode in a row: it may mix rows of one eigenvalue of A
(cos k and sin k, for the periodic derivative) and change signs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy.linalg import blas

from .. import _core as core
from .._geometry.link_basis import LinkBasis
from .._geometry.rotation import Rotation, has_negative_determinant, nearest_completion
from .._signals.gram import Gram
from .._signals.leading_modes import Leading
from .._signals.sources import Source, blocks_of
from .._signals.sums import mirrored
from .._util.validate import Array
from .settings import Settings

# Expected squared sine of the angle between a mode and its counterpart in an infinite sample, above
# which the mode is called unresolved. With 95 % probability the squared sine is below 3.84 times that,
# and the correlation above 0.96.
MIXING_LIMIT = 0.02
SIGN_LIMIT = 3.0
# Standard errors by which mean or third moment may point the other way and still not contradict.
AGREEMENT = 1.0
# Eigenvalue, as a share of the largest, below which responses are not brought to the size of one.
FAINTEST = 1e-20
# The variance of the angle is asymptotic: with fewer degrees of freedom it does not hold.
LEAST_COUNT = 20


@dataclass(frozen=True, eq=False)
class ModeStatistics:
    """Whether the data resolve each mode, and its sign."""

    resolved: Array
    sign_resolved: Array
    sign: Array


def mode_statistics(leading: Leading, source: Source | None) -> ModeStatistics:
    """Judge modes from the Gram matrix, and from the signals where they can be read again.

    Parameters
    ----------
    leading : Leading
        All n modes or the first of them.
    source : Source or None
    """
    values, modes, count = leading.values, leading.modes, leading.count
    largest = float(values[0]) or 1.0
    mean = None if leading.mean is None else modes @ leading.mean
    moments = None
    if source is not None and count is not None:
        shift = leading.mean if leading.centered else None
        power = np.maximum(values, FAINTEST * largest) / count
        moments = source.gather(partial(HigherMoments, modes, np.sqrt(power), shift))
    resolved = _resolved(leading, largest, moments)
    sign_resolved = np.zeros(len(values), bool)
    if mean is None or count is None:
        sign = _larger_side(modes)
    else:
        square = 0 if leading.centered else mean**2
        variance = np.maximum(values / count - square, 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.where(mean == 0, 0, np.sqrt(count) * mean / np.sqrt(variance))
        third = None if moments is None else moments.skewness()
        other = (
            np.sign(mean) if mean.all() else np.where(mean == 0, _larger_side(modes), np.sign(mean))
        )
        sign, sign_resolved = _signs(t, third, other)
    sign_resolved = sign_resolved & resolved
    if len(values) == leading.n:
        # The last mode's sign is spent on the determinant.
        sign_resolved[-1] = False
    return ModeStatistics(resolved, sign_resolved, sign)


def _signs(t: Array, third: Array | None, other: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Sign of each mode, and whether it is resolved: where mean and third moment agree.

    One of them must be significant, and the other must not point the opposite way by more than its
    standard error. Each alone would flip signs between sample sizes: the third moment is the first
    to be significant in small samples, the mean in large ones. Without third moments the mean
    decides; without either, `other`.
    """
    by_mean = np.abs(t) > SIGN_LIMIT
    if third is None:
        return np.where(by_mean, np.sign(t), other), by_mean
    by_third = ~by_mean & (np.abs(third) > SIGN_LIMIT)
    sign = np.where(by_mean, np.sign(t), np.where(by_third, np.sign(third), other))
    agree = np.minimum(sign * t, sign * third) >= -AGREEMENT
    return sign, (by_mean | by_third) & agree


def _resolved(leading: Leading, largest: float, moments: HigherMoments | None) -> Array:
    """Davis-Kahan with Anderson's (1963) variance of the angle between sample eigenvectors.

    The angle between modes i and j has the variance E[y_i^2 y_j^2] / (m (l_i - l_j)^2), l = b / m;
    without the signals the moment is taken as l_i l_j, as for Gaussian signals. What is not among the
    leading modes counts as if it all stood at the least of them. A mode that an iteration found only
    to a residual is as uncertain as that residual.
    """
    b, count = leading.values / largest, leading.count
    more = max(1, (count or 1) - 1)
    rounding = leading.rounding / largest
    residual = leading.residuals / largest
    uncertain = rounding**2 + residual**2
    share, fourth = 1 / more if count else 0.0, None
    unit = float(np.sqrt(largest / (count or 1)))
    if count is not None and moments is not None:
        share, fourth = share / count, moments.fourth(unit)
    mixing = core.mixing(b, rounding**2, residual**2, share, fourth)
    if len(b) < leading.n:
        tail = uncertain
        if count is not None and moments is None:
            tail = tail + b * (leading.rest / largest / more)
        elif count is not None and moments is not None:
            tail = tail + moments.tail(unit) / (count * more)
        with np.errstate(divide="ignore", invalid="ignore"):
            mixing += tail / (b - b[-1]) ** 2
    # Mode i is judged by the samples that remain after the i modes before it.
    judged = np.ones(len(b), bool) if count is None else count - np.arange(len(b)) >= LEAST_COUNT
    return np.logical_and(judged & (b > rounding + residual), mixing <= MIXING_LIMIT)


class HigherMoments:
    """Running moments of the modes' responses y = s u: of y_i^2 y_j^2, y_i^3, and what is left.

    Powers are taken in float32, each response in a unit of its own.

    Parameters
    ----------
    modes : ndarray, shape (k, n)
    units : ndarray, shape (k,)
        Root mean square of each response, or about that.
    shift : ndarray, shape (n,), or None
        Subtracted from the signals, but for third and sixth moments.
    """

    def __init__(self, modes: Array, units: Array, shift: Array | None) -> None:
        k = len(modes)
        self._squares, self._third, self._sixth = np.zeros((k, k)), np.zeros(k), np.zeros(k)
        self._tail = np.zeros(k)
        self._modes, self._units, self._shift = modes / units[:, None], units, shift
        # Third moments are about zero, so that centering does not change what decides a sign.
        self._mean = None if shift is None else self._modes @ shift

    def add(self, rows: Array) -> None:
        """Add signals, one in a row."""
        for block in blocks_of(rows, self._modes.dtype.type, self._shift):
            self._add(block)

    def _add(self, rows: Array) -> None:
        y = rows @ self._modes.T
        cube = y.astype(np.float32)
        square = cube * cube
        # The lower triangle in C order is BLAS's upper triangle.
        self._squares += blas.ssyrk(1.0, square.T).T
        if len(self._modes) < rows.shape[1]:
            y *= self._units
            left = np.einsum("ij,ij->i", rows, rows) - np.einsum("ij,ij->i", y, y)
            self._tail += np.maximum(left, 0) @ square
            y /= self._units
        if self._mean is not None:
            cube = ((y + self._mean) / (1 + np.abs(self._mean))).astype(np.float32)
            square = cube * cube
        cube *= square
        self._third += cube.sum(axis=0)
        self._sixth += np.einsum("ij,ij->j", cube, cube)

    def merge(self, other: HigherMoments) -> None:
        """Add the moments of other signals."""
        for name in ("_squares", "_third", "_sixth", "_tail"):
            total: Array = getattr(self, name)
            total += getattr(other, name)

    def fourth(self, unit: float) -> Array:
        """Sum of y_i^2 y_j^2 in a unit of the signals, shape (k, k)."""
        squared = np.square(self._units / unit)
        whole: Array = mirrored(self._squares) * squared * squared[:, None]
        return whole

    def tail(self, unit: float) -> Array:
        """Sum of y_i^2 and what the modes leave of each signal's square, shape (k,)."""
        rest: Array = self._tail * np.square(self._units / unit) / unit**2
        return rest

    def skewness(self) -> Array:
        """Significance of sum y_i^3, shape (k,)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.nan_to_num(self._third / np.sqrt(self._sixth))


def _larger_side(modes: Array) -> Array:
    """Sign of the entry of largest magnitude in each row: a rule where the data have none."""
    largest = np.abs(modes).argmax(axis=1)
    return np.where(modes[np.arange(len(modes)), largest] < 0, -1.0, 1.0)


def sorted_within_blocks(modes: Array, basis: LinkBasis, gram: Gram) -> Array:
    """Turn each degenerate block to the principal axes of its signals, variance falling."""
    turned = modes.copy()
    product = modes @ gram.matrix
    for block in basis.degenerate_blocks():
        rows = modes[block]
        _, axes = scipy.linalg.eigh(product[block] @ rows.T, check_finite=False)
        turned[block] = axes[:, ::-1].T @ rows
    return turned


def in_gauge(
    modes: Array, kept: int, sign: Array, basis: LinkBasis, settings: Settings
) -> Rotation:
    """P from its modes; those beyond `kept` carry no signal and turn as little as possible."""
    gauge, aim = settings.gauge, settings.aim
    if gauge == "none":
        sign = np.ones(len(modes))
    if settings.rank is not None or kept < basis.n:
        # In place, as the result may keep them.
        modes *= sign[:, None].astype(modes.dtype)
        sign = np.ones(len(modes))
    if kept < basis.n:
        return place(modes[:kept], basis, gauge, aim)
    rotation = basis.from_modes(modes, sign)
    reflect_last_mode_if_needed(rotation, float(sign[-1]) * modes[-1], basis)
    if gauge in ("identity", "align"):
        other = np.eye(basis.n) if aim is None else aim.matrix
        other = basis.to_modes(other.astype(np.float64, copy=False))
        rotation = basis.from_modes(aligned(basis.to_modes(rotation), other, basis))
    return Rotation(rotation, kept)


def place(modes: Array, basis: LinkBasis, gauge: str, reference: Rotation | None) -> Rotation:
    """Rotation that sends each of some modes, in rows, to its place on the link axis.

    What they leave free turns as little as possible.
    """
    target = basis.from_modes(np.eye(basis.n, len(modes), dtype=modes.dtype))
    if gauge in ("identity", "align"):
        other = target if reference is None else reference.inverse().left(target)
        modes = aligned(modes, other.T, basis)
    return nearest_completion(modes.T, target)


def aligned(
    modes: Array, reference: Array, basis: LinkBasis, *, reflections: bool = False
) -> Array:
    """Turn each degenerate block to its Procrustes fit with the reference's modes.

    The turn of all modes as a whole keeps the determinant: where the best one does not, the direction
    in which the fit loses least is reflected. Not so with `reflections`, nor for a part of the modes,
    which has no determinant.
    """
    number = len(modes)
    blocks = [slice(b.start, min(b.stop, number)) for b in basis.degenerate_blocks()]
    blocks = [b for b in blocks if b.start < number]
    fits = [scipy.linalg.svd(modes[b] @ reference[b].T, check_finite=False) for b in blocks]
    turns = [(x @ yt).T for x, _, yt in fits]
    odd = np.prod([np.sign(np.linalg.det(turn)) for turn in turns]) < 0
    if odd and number == basis.n and not reflections:
        weakest = int(np.argmin([s[-1] for _, s, _ in fits]))
        x, _, yt = fits[weakest]
        turns[weakest] = turns[weakest] - 2 * np.outer(yt[-1], x[:, -1])
    turned = modes.copy()
    for block, turn in zip(blocks, turns, strict=True):
        turned[block] = turn @ modes[block]
    return turned


def reflect_last_mode_if_needed(rotation: Array, mode: Array, basis: LinkBasis) -> None:
    """Change the sign of P's last mode, in place, where det P = -1."""
    if has_negative_determinant(rotation):
        last = np.zeros((basis.n, 1), rotation.dtype)
        last[-1] = 1
        column = basis.from_modes(last)[:, 0]
        (update,) = scipy.linalg.get_blas_funcs(("ger",), (rotation,))
        # BLAS sees a matrix in rows as its transpose, and changes it in place; in another order, a copy.
        rotation.T[...] = update(-2, mode, column, a=rotation.T, overwrite_a=True)
