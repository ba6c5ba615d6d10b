"""Which member of the optimal set: the criterion fixes P only up to rotations that commute with A.

A gauge acts on the rows of M = V^T P, one link mode in a row: it may mix rows of one eigenvalue of A
(cos k and sin k, for the periodic derivative) and change signs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from ._validate import Array
from .basis import LinkBasis
from .gram import Gram
from .rotation import has_negative_determinant

GAUGES = ("canonical", "identity", "align", "none")

# Expected squared sine of the angle between a mode and its counterpart in an infinite sample, above
# which the mode is called unresolved: a correlation of 0.99.
MIXING_LIMIT = 0.02
SIGN_LIMIT = 3.0
# The variance of the angle is asymptotic: with fewer degrees of freedom it does not hold.
LEAST_COUNT = 20


@dataclass(frozen=True, eq=False)
class ModeStatistics:
    """What the data say of each mode: is it resolved, which sign has it."""

    resolved: Array
    sign_resolved: Array
    sign: Array


def mode_statistics(
    eigenvalues: Array, modes: Array, gram: Gram, signals: Array | None
) -> ModeStatistics:
    """Judge modes from the Gram matrix, and from the signals where they are at hand.

    Parameters
    ----------
    eigenvalues : ndarray, shape (n,)
        Descending eigenvalues of the Gram matrix.
    modes : ndarray, shape (n, n)
        Rows: link modes in terms of units.
    gram : Gram
    signals : ndarray, shape (m, n), or None
    """
    n = len(eigenvalues)
    largest = float(eigenvalues[0]) or 1.0
    fourth, third = None, None
    if signals is not None:
        fourth, third = _higher_moments(signals, modes, np.sqrt(largest / len(signals)))
    resolved = _resolved(eigenvalues / largest, gram.count, fourth)
    sign = _larger_side(modes)
    sign_resolved = np.zeros(n, bool)
    if gram.mean is not None and gram.count is not None:
        mean = modes @ gram.mean
        sign = np.where(mean == 0, sign, np.sign(mean))
        variance = np.maximum(eigenvalues / gram.count - mean**2, 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.sqrt(gram.count) * np.abs(mean) / np.sqrt(variance)
        sign_resolved = t > SIGN_LIMIT
        if third is not None:
            by_third = ~sign_resolved & (np.abs(third) > SIGN_LIMIT)
            sign = np.where(by_third, np.sign(third), sign)
            sign_resolved = sign_resolved | by_third
    sign_resolved = sign_resolved & resolved
    # The last mode's sign is spent on the determinant.
    sign_resolved[-1] = False
    return ModeStatistics(resolved, sign_resolved, sign)


def rounding_level(eigenvalues: Array) -> float:
    """Uncertainty of the eigenvalues of a Gram matrix from rounding alone."""
    n = len(eigenvalues)
    return float(8 * np.sqrt(n) * np.finfo(np.float64).eps * max(eigenvalues[0], 0))


def _resolved(b: Array, count: int | None, fourth: Array | None) -> Array:
    """Davis-Kahan with Anderson's (1963) variance of the angle between sample eigenvectors.

    The angle between modes i and j has the variance E[y_i^2 y_j^2] / (m (l_i - l_j)^2), l = b / m;
    without the signals the moment is taken as l_i l_j, as for Gaussian signals.
    """
    gap = np.subtract.outer(b, b)
    np.fill_diagonal(gap, np.inf)
    np.square(gap, out=gap)
    rounding = rounding_level(b)
    # Of mode i's signals all but i degrees of freedom are left to judge it by.
    judged = np.ones(len(b), bool)
    if count is None:
        moment = np.zeros_like(gap)
    else:
        judged = count - np.arange(len(b)) >= LEAST_COUNT
        more = max(count - 1, 1)
        moment = np.outer(b, b / more) if fourth is None else fourth / (count * more)
    moment += rounding**2
    with np.errstate(divide="ignore", invalid="ignore"):
        moment /= gap
    resolved: Array = judged & (b > rounding) & (moment.sum(axis=1) <= MIXING_LIMIT)
    return resolved


def _higher_moments(
    signals: Array, modes: Array, unit: float, chunk: int = 4096
) -> tuple[Array, Array]:
    """Sum y_i^2 y_j^2, shape (n, n), y in the given unit; give the significance of sum y_i^3, shape (n,)."""
    n = len(modes)
    fourth, third, sixth = np.zeros((n, n)), np.zeros(n), np.zeros(n)
    for start in range(0, len(signals), chunk):
        y = (signals[start : start + chunk].astype(np.float64, copy=False) / unit) @ modes.T
        square = y * y
        fourth += square.T @ square
        y *= square
        third += y.sum(axis=0)
        sixth += np.einsum("ij,ij->j", y, y)
    with np.errstate(divide="ignore", invalid="ignore"):
        return fourth, np.nan_to_num(third / np.sqrt(sixth))


def _larger_side(modes: Array) -> Array:
    """Sign of the entry of largest magnitude in each row: a rule where the data have none."""
    largest = np.abs(modes).argmax(axis=1)
    return np.where(modes[np.arange(len(modes)), largest] < 0, -1.0, 1.0)


def sorted_within_blocks(modes: Array, basis: LinkBasis, gram: Gram) -> Array:
    """Turn each degenerate block to the principal axes of its signals, variance falling."""
    turned = modes.copy()
    for block in basis.degenerate_blocks():
        rows = modes[block]
        _, axes = scipy.linalg.eigh(rows @ gram.matrix @ rows.T, check_finite=False)
        turned[block] = axes[:, ::-1].T @ rows
    return turned


def aligned(modes: Array, reference: Array, basis: LinkBasis) -> Array:
    """Turn each degenerate block to its Procrustes fit with the reference's modes.

    The turn as a whole keeps the determinant: where the best one does not, the direction in which the
    fit loses least is reflected.
    """
    blocks = list(basis.degenerate_blocks())
    fits = [scipy.linalg.svd(modes[b] @ reference[b].T, check_finite=False) for b in blocks]
    turns = [(x @ yt).T for x, _, yt in fits]
    if np.prod([np.sign(np.linalg.det(turn)) for turn in turns]) < 0:
        weakest = int(np.argmin([s[-1] for _, s, _ in fits]))
        x, _, yt = fits[weakest]
        turns[weakest] = turns[weakest] - 2 * np.outer(yt[-1], x[:, -1])
    turned = modes.copy()
    for block, turn in zip(blocks, turns, strict=True):
        turned[block] = turn @ modes[block]
    return turned


def reflect_last_mode_if_needed(rotation: Array, modes: Array, basis: LinkBasis) -> None:
    """Change the sign of P's last mode, in place, where det P = -1."""
    if has_negative_determinant(rotation):
        last = np.zeros((basis.n, 1))
        last[-1] = 1
        rotation -= np.outer(2 * basis.from_modes(last), modes[-1])
