"""Agreement of the descrambled pictures of several networks, modulo gauge."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from .._solvers.gauge import aligned
from .._util.tables import brief
from .._util.threads import computes
from .._util.validate import Array
from ..criteria import link_basis

OUTLIER_LIMIT = 3.5
# Networks that agree almost to rounding have no spread to judge an outlier by.
LEAST_SPREAD = 0.01


class Spread(NamedTuple):
    """Order statistics over pairs of networks; NaN where no pair can be compared."""

    minimum: float
    lower_quartile: float
    median: float
    upper_quartile: float
    maximum: float

    @classmethod
    def of(cls, values: Array) -> Spread:
        """Order statistics of a symmetric matrix (n_networks, n_networks), without its diagonal."""
        pairs = values[np.triu_indices(len(values), 1)]
        pairs = pairs[np.isfinite(pairs)]
        if not pairs.size:
            return cls(*[np.nan] * 5)
        return cls(*(float(q) for q in np.quantile(pairs, [0, 0.25, 0.5, 0.75, 1])))

    def __str__(self) -> str:
        return (
            f"{self.median:.3f}, quartiles {self.lower_quartile:.3f} to {self.upper_quartile:.3f}, "
            f"range {self.minimum:.3f} to {self.maximum:.3f}"
        )


@brief
@dataclass(frozen=True, eq=False)
class Consensus:
    """Mean picture of several networks.

    Attributes
    ----------
    mean, spread : ndarray, shape (n, n_other)
        Mean and standard deviation over the networks, entry by entry; link coordinate in rows.
    """

    mean: Array
    spread: Array


@brief
@dataclass(frozen=True, eq=False)
class Agreement:
    """Descrambled matrices of several networks, each compared with each.

    Attributes
    ----------
    modes : ndarray, shape (n_networks, n, n_other)
        The matrices in the canonical gauge, in mode coordinates: V^T P W, one link mode in a row.
        Here the last mode, too, has a positive mean response, whatever the determinant of P.
    resolved : ndarray of bool, shape (n_networks, n)
        Modes that the inputs resolve.
    similarity, bound : ndarray, shape (n_networks, n_networks)
        Cosine over the modes that both resolve, in the canonical gauge and in the best (Procrustes
        over the gauge group: signs, and rotations of cos k with sin k). NaN for two networks that
        share no resolved mode.
    """

    modes: Array
    resolved: Array
    similarity: Array
    bound: Array

    @classmethod
    def of(cls, modes: Array, resolved: Array) -> Agreement:
        """Compare the matrices, each with each."""
        return cls(modes, resolved, *similarities(modes, resolved))

    @cached_property
    @computes
    def invariant(self) -> Array:
        """Cosine between the Gram matrices W^T W of the whole matrices, shape (n_networks, n_networks).

        No rotation of the units changes it: agreement that needs no descrambling.
        """
        overlap = np.empty_like(self.similarity)
        for row, one in enumerate(self.modes):
            for column, other in enumerate(self.modes[: row + 1]):
                overlap[row, column] = overlap[column, row] = np.square(one @ other.T).sum()
        own = np.sqrt(np.diagonal(overlap))
        return _ratio(overlap, np.outer(own, own))

    @cached_property
    @computes
    def mode_cosines(self) -> Array:
        """Cosine between the same mode of two networks, shape (n, n_networks, n_networks).

        In the canonical gauge; NaN where one of the two does not resolve the mode.
        """
        unit = _ratio(self.modes, np.linalg.norm(self.modes, axis=2, keepdims=True))
        unit = np.where(self.resolved[..., None], unit, np.nan).transpose(1, 0, 2)
        cosines: Array = unit @ unit.transpose(0, 2, 1)
        return cosines

    @property
    def resolved_share(self) -> Array:
        """Share of the squared weights that is in resolved modes, shape (n_networks,)."""
        power = np.square(self.modes).sum(axis=2)
        return _ratio((power * self.resolved).sum(axis=1), power.sum(axis=1))

    @property
    def typical(self) -> Array:
        """Median bound of each network with the others, shape (n_networks,)."""
        others = np.isfinite(self.bound) & ~np.eye(len(self.bound), dtype=bool)
        rows = zip(self.bound, others, strict=True)
        return np.array([np.median(b[o]) if o.any() else np.nan for b, o in rows])

    @property
    def medoid(self) -> int:
        """The network that the others are most like: the largest of `typical`."""
        return int(np.argmax(np.nan_to_num(self.typical, nan=-1)))

    @property
    def threshold(self) -> float:
        """Smallest `typical` value of a network that is not an outlier.

        The median of `typical` minus 3.5 times its scaled median absolute deviation (Iglewicz and
        Hoaglin 1993); the deviation is taken as at least 0.01.
        """
        typical = self.typical[np.isfinite(self.typical)]
        if not typical.size:
            return np.nan
        median = np.median(typical)
        deviation = 1.4826 * np.median(np.abs(typical - median))
        return float(median - OUTLIER_LIMIT * max(deviation, LEAST_SPREAD))

    @property
    def outliers(self) -> tuple[int, ...]:
        """Networks, counted from 0, that no gauge brings as near to the others as `threshold`.

        A network that shares no resolved mode with any other is an outlier, too.
        """
        ordinary = self.typical >= self.threshold
        return tuple(int(index) for index in np.flatnonzero(~ordinary))

    @property
    def majority(self) -> Array:
        """Modes that more than half of the networks resolve, shape (n,)."""
        majority: Array = self.resolved.mean(axis=0) > 0.5
        return majority

    def picture(self, network: int) -> Array:
        """One network's descrambled weights in the canonical gauge, shape (n, n_other).

        Link coordinate in rows, made of the modes of `majority`.
        """
        return link_basis(len(self.majority)).from_modes(
            self.modes[network] * self.majority[:, None]
        )

    @computes
    def consensus(self, *, align: bool = False) -> Consensus:
        """Mean and spread of the pictures, in the canonical gauge or each aligned to the medoid's.

        Pictures are made of the modes of `majority`.

        Parameters
        ----------
        align : bool
            Whether each picture is aligned with the medoid's within the gauge group. The mean of
            aligned random matrices, too, resembles the medoid.

        Returns
        -------
        Consensus
        """
        pictures = self.modes * self.majority[:, None]
        basis = link_basis(len(self.majority))
        if align:
            reference = pictures[self.medoid]
            pictures = np.stack(
                [aligned(picture, reference, basis, reflections=True) for picture in pictures]
            )
        links = np.stack([basis.from_modes(picture) for picture in pictures])
        return Consensus(links.mean(axis=0), links.std(axis=0))


@computes
def similarities(modes: Array, counted: Array) -> tuple[Array, Array]:
    """Compare descrambled matrices of networks, each with each, modulo gauge.

    Like `compare`, but over chosen modes and with gauges of either determinant: another order of the
    units may change the sign of det P.

    Parameters
    ----------
    modes : ndarray, shape (n_matrices, n, any)
        The matrices in mode coordinates: V^T P W, one link mode in a row.
    counted : ndarray of bool, shape (n_matrices, n)
        Two matrices are compared over the modes that count in both.

    Returns
    -------
    similarity, bound : ndarray, shape (n_matrices, n_matrices)
        Cosine as they are, and the largest that any gauge allows (Procrustes). NaN for a pair
        without a mode to compare.
    """
    number = len(modes)
    inner, best, power = (np.zeros((number, number)) for _ in range(3))
    for block in link_basis(modes.shape[1]).degenerate_blocks():
        rows = modes[:, block]
        both = np.logical_and(counted[:, None, block], counted[None, :, block])
        size = rows.shape[1]
        flat = rows.reshape(number * size, -1)
        products = (flat @ flat.T).reshape(number, size, number, size).transpose(0, 2, 1, 3)
        products = products * (both[..., :, None] & both[..., None, :])
        inner += np.trace(products, axis1=2, axis2=3)
        best += np.linalg.svd(products, compute_uv=False).sum(axis=-1)
        power += np.einsum("abi,ai->ab", both, np.einsum("aij,aij->ai", rows, rows))
    norm = np.sqrt(power * power.T)
    return _ratio(inner, norm), _ratio(best, norm)


def _ratio(part: Array, whole: Array) -> Array:
    """Divide, NaN for 0 / 0."""
    with np.errstate(invalid="ignore"):
        ratio: Array = part / whole
    return ratio
