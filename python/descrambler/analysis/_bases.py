"""Similarity of vectors to named families of functions, each beside its rivals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betainc

from .._util.tables import brief
from .._util.threads import computes
from .._util.validate import Array, as_integer, choice, matrix, own_unit

MOST_MEMBERS = 32


def _polynomials(kind: Callable[[Array, int], Array]) -> Callable[[int, int], Array]:
    def members(n: int, count: int) -> Array:
        columns = kind(np.linspace(-1, 1, n), count)[:, 1:]
        return columns.T[:, :, None]

    return members


def _cosines(n: int, count: int) -> Array:
    position = (np.arange(n) + 0.5) / n
    waves: Array = np.cos(np.pi * np.outer(np.arange(1, count + 1), position))
    return waves[:, :, None]


def _sinusoids(n: int, count: int) -> Array:
    phase = 2 * np.pi * np.outer(np.arange(1, count + 1), np.arange(n) / n)
    return np.stack([np.cos(phase), np.sin(phase)], axis=2)


_FAMILIES: dict[str, Callable[[int, int], Array]] = {
    "chebyshev": _polynomials(np.polynomial.chebyshev.chebvander),
    "dct": _cosines,
    "fourier": _sinusoids,
    "legendre": _polynomials(np.polynomial.legendre.legvander),
}
FAMILIES = tuple(_FAMILIES)


@brief
@dataclass(frozen=True, eq=False)
class BasisMatch:
    """Share of each vector that one member of each basis explains.

    Attributes
    ----------
    names : tuple of str
        Bases, in the order of the second axis of the arrays below.
    r2 : ndarray, shape (n_vectors, n_bases, n_members)
        Share of a vector's variance about its mean that a member explains, 0 to 1; NaN where a basis
        has fewer members, or a vector is constant. Member j is of degree (chebyshev, legendre),
        cycles (fourier) or half cycles (dct) j + 1, or column j of a basis of the caller's.
    chance : ndarray, shape (n_bases,)
        Expected largest R^2 over the members for a vector of random direction: a pair cos, sin has
        two parameters where a polynomial has one.
    """

    names: tuple[str, ...]
    r2: Array
    chance: Array

    @cached_property
    def best_r2(self) -> Array:
        """Largest R^2 over the members, shape (n_vectors, n_bases)."""
        best: Array = np.nan_to_num(self.r2, nan=0.0).max(axis=2)
        return best

    @cached_property
    def best_member(self) -> Array:
        """Number of that member, counted from 1, shape (n_vectors, n_bases)."""
        best: Array = np.nan_to_num(self.r2, nan=-1.0).argmax(axis=2) + 1
        return best

    def in_order(self, name: str) -> Array:
        """R^2 of vector i by member i, shape (min(n_vectors, n_members),)."""
        return np.diagonal(self.r2[:, self._index(name)]).copy()

    def best(self, vector: int) -> str:
        """Return the basis whose one member explains most of a vector, counted from 0."""
        return self.names[int(np.argmax(self.best_r2[vector]))]

    def rival(self, name: str) -> tuple[str, Array]:
        """Best other basis, by the mean of `best_r2` over vectors, and its `best_r2`.

        Name a basis only if it exceeds this one.
        """
        own = self._index(name)
        if len(self.names) < 2:
            raise ValueError(f"{name!r} is the only basis: it has no rival")
        means = self.best_r2.mean(axis=0)
        means[own] = -1
        other = int(np.argmax(means))
        return self.names[other], self.best_r2[:, other]

    def _index(self, name: str) -> int:
        return self.names.index(choice("name", name, self.names))


@computes
def match_bases(
    vectors: ArrayLike,
    bases: Sequence[str] = FAMILIES,
    *,
    others: Mapping[str, ArrayLike] | None = None,
    count: int | None = None,
) -> BasisMatch:
    """Fit vectors by single members of several bases, the constant removed from both.

    R^2, about the vector's mean, of the least-squares fit of a constant and a member (or pair cos, sin).
    For a member of one column it is the squared correlation. Amey et al. 2021, Fig. 4, fit singular
    vectors by T_0 .. T_4 only.

    P does not matter for singular vectors on the side of inputs or outputs. It does on the link side,
    where the smoothness criterion itself produces waves.

    Parameters
    ----------
    vectors : array_like, shape (n, n_vectors)
        In columns, on n equispaced points, such as the output side of `singular_vectors`.
    bases : sequence of {"chebyshev", "dct", "fourier", "legendre"}
        Polynomials of degree 1, 2, ... on [-1, 1]; half cycles 1, 2, ... of a cosine over n cells; pairs
        cos, sin of 1, 2, ... whole cycles.
    others : mapping from name to array_like, shape (n, any), optional
        Further bases in columns, in rising order, such as `principal_components` of data or targets.
    count : int, optional
        Members per basis of `bases`; by default (n - 1) // 2, at most 32.

    Returns
    -------
    BasisMatch

    Raises
    ------
    TypeError, ValueError
        If an array is not a finite real matrix or does not fit, a basis is unknown, a name is given
        twice, there is no basis, or the count is out of range.
    """
    v = own_unit(matrix("vectors", vectors).astype(np.float64, copy=False), axis=0)[0]
    n = len(v)
    most = (n - 1) // 2
    count = min(most, MOST_MEMBERS) if count is None else as_integer("count", count)
    if not 1 <= count <= most:
        raise ValueError(f"count must be between 1 and {most} for {n} points, got {count}")
    members = {name: _FAMILIES[choice("bases", name, FAMILIES)](n, count) for name in bases}
    for name, value in (others or {}).items():
        columns = matrix(f"others[{name!r}]", value).astype(np.float64, copy=False)
        if len(columns) != n:
            raise ValueError(f"others[{name!r}] must have {n} rows, got shape {columns.shape}")
        if name in members:
            raise ValueError(f"others[{name!r}] has the name of a basis that is there already")
        members[name] = columns.T[:, :, None]
    if not members:
        raise ValueError("bases must not be empty")
    r2 = np.full((v.shape[1], len(members), max(map(len, members.values()))), np.nan)
    for b, blocks in enumerate(members.values()):
        r2[:, b, : len(blocks)] = _explained(v, blocks)
    chance = [_expected_maximum(n - 1, m.shape[2], len(m)) for m in members.values()]
    return BasisMatch(tuple(members), r2, np.array(chance))


def _explained(vectors: Array, blocks: Array) -> Array:
    """R^2, shape (n_vectors, n_members), for blocks of shape (n_members, n, d)."""
    centered = vectors - vectors.mean(axis=0)
    energy = np.sum(np.square(centered), axis=0)
    # What is left of a constant vector is rounding.
    is_constant = energy <= len(vectors) * (1e-15 * np.abs(vectors).max(axis=0)) ** 2 * len(vectors)
    axes = blocks - blocks.mean(axis=1, keepdims=True)
    q = np.linalg.qr(axes)[0] if axes.shape[2] > 1 else _normalized(axes)
    power = np.square(np.einsum("knd,nv->kdv", q, centered)).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        share: Array = np.where(is_constant, np.nan, power / energy).T
    return share


def _normalized(axes: Array) -> Array:
    norm = np.linalg.norm(axes, axis=1, keepdims=True)
    result: Array = np.divide(axes, norm, out=np.zeros_like(axes), where=norm > 0)
    return result


def _expected_maximum(dimension: int, parameters: int, members: int) -> float:
    """Mean of the largest of `members` independent shares Beta(p / 2, (dimension - p) / 2)."""
    if parameters >= dimension:
        return 1.0
    x = (np.arange(2000) + 0.5) / 2000
    below = betainc(parameters / 2, (dimension - parameters) / 2, x) ** members
    return float(np.mean(1 - below))
