"""Dependence of a descrambled picture on the sample of inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .._solvers.descramble import descramble
from .._util.tables import brief
from .._util.threads import computes
from .._util.validate import Array, as_integer, matrix, own_unit
from ..criteria import Smoothness
from ._agreement import similarities


@brief
@dataclass(frozen=True, eq=False)
class SplitHalf:
    """Agreement of the pictures P W that two samples of the same inputs give.

    Attributes
    ----------
    sizes : ndarray of int, shape (n_sizes,)
        Inputs in each of the two samples.
    similarity, bound : ndarray, shape (n_sizes, n_splits)
        Cosine between the two pictures over the modes that both resolve: in the canonical gauge, and
        in the best gauge; NaN where there is no such mode.
    resolved : ndarray, shape (n_sizes, n_splits)
        Number of modes that both resolve.
    resolved_share : ndarray, shape (n_sizes, n_splits)
        Share of the squared weights in these modes, the part of the picture that was
        compared; NaN if all weights are zero.
    """

    sizes: Array
    similarity: Array
    bound: Array
    resolved: Array
    resolved_share: Array


@computes
def split_half(
    signals: ArrayLike,
    weights: ArrayLike,
    sizes: Sequence[int] | None = None,
    *,
    n_splits: int = 5,
    random_state: int | np.random.Generator | None = 0,
) -> SplitHalf:
    """Descramble disjoint samples of the signals, and compare the pictures of the weights.

    Parameters
    ----------
    signals : array_like, shape (m, n)
        Signals at the link dimension, as `Network.signals` gives them.
    weights : array_like, shape (n, any)
        The weights that P acts on: those before the signals, or the next ones transposed.
    sizes : sequence of int, optional
        Inputs per sample, at most m / 2. By default m / 2 and its halves down to 2 n.
    n_splits : int
        Number of pairs of samples per size.
    random_state : int, Generator or None

    Returns
    -------
    SplitHalf

    Raises
    ------
    TypeError, ValueError
        If an array is not a finite real matrix or does not fit, or a size or n_splits is out of range.
    """
    s, w = matrix("signals", signals), own_unit(matrix("weights", weights))[0]
    m, n = s.shape
    if len(w) != n:
        raise ValueError(f"weights must have {n} rows, one for each unit, got shape {w.shape}")
    if as_integer("n_splits", n_splits) < 1:
        raise ValueError(f"n_splits must be at least 1, got {n_splits}")
    chosen = _halvings(m // 2, 2 * n) if sizes is None else [as_integer("sizes", x) for x in sizes]
    if not chosen or min(chosen) < 2 or max(chosen) > m // 2:
        raise ValueError(f"sizes must be between 2 and {m // 2}, got {chosen}")
    generator = np.random.default_rng(random_state)
    pairs = np.array(
        [[_pair(s, w, size, generator) for _ in range(n_splits)] for size in chosen], np.float64
    )
    similarity, bound, resolved, share = np.moveaxis(pairs, -1, 0)
    return SplitHalf(np.array(chosen), similarity, bound, resolved.astype(int), share)


def _halvings(largest: int, smallest: int) -> list[int]:
    sizes = [largest]
    while sizes[-1] // 2 >= smallest:
        sizes.append(sizes[-1] // 2)
    return sizes[::-1]


def _pair(
    signals: Array, weights: Array, size: int, generator: np.random.Generator
) -> tuple[float, float, int, float]:
    drawn = generator.permutation(len(signals))[: 2 * size].reshape(2, size)
    results = [descramble(signals[rows]) for rows in drawn]
    basis = Smoothness().basis(len(weights))
    wide = weights.astype(np.float64, copy=False)
    pictures = np.stack(
        [basis.to_modes(result.rotation.matrix.astype(np.float64) @ wide) for result in results]
    )
    both = np.logical_and(results[0].resolved, results[1].resolved)
    similarity, bound = similarities(pictures, np.stack([both, both]))
    power = np.square(pictures).sum(axis=(0, 2))
    share = float(power[both].sum() / power.sum()) if power.any() else np.nan
    return float(similarity[0, 1]), float(bound[0, 1]), int(both.sum()), share
