"""Parts of a network that findings describe, and equal parts at random: what is removed to see whether it is used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
import scipy  # its submodules load at first use

from ..._util.tables import brief
from ..._util.validate import Array
from .._study import Study


@brief
class Part(NamedTuple):
    """The part of a network that a finding describes, so that it can be removed.

    Attributes
    ----------
    layer : int
        Layer whose weights lose the part; 0: the network's outputs lose a linear map of the inputs.
    removed : ndarray, shape (n_out, n_in)
        What is subtracted from the weights, or the linear map.
    at_random : callable
        From a Generator to an equal part at random, of the same shape.
    """

    layer: int
    removed: Array
    at_random: Callable[[np.random.Generator], Array]


def no_part(study: Study, layer: int) -> Part | None:
    """Return that there is nothing to be removed."""
    return None


def directions(study: Study, layer: int, side: Literal["inputs", "outputs"], rows: Array) -> Part:
    """Return what a layer does with directions, orthonormal rows; at random: with as many others."""
    w = study.raw(layer).astype(np.float64, copy=False)

    def share(d: Array) -> Array:
        return (w @ d.T) @ d if side == "inputs" else d.T @ (d @ w)

    return Part(layer, share(rows), lambda rng: share(frame(rng, rows.shape[1], len(rows)).T))


def component(study: Study, wanted: Array) -> Part:
    """Return the mean Jacobian's component along a map; at random: along one with the same singular values."""
    values = scipy.linalg.svdvals(wanted, check_finite=False)

    def along(m: Array) -> Array:
        # Unit norm first: the squares of a small map may underflow.
        unit = m / np.linalg.norm(m)
        found: Array = unit * np.vdot(unit, study.jacobian)
        return found

    def at_random(rng: np.random.Generator) -> Array:
        left, right = (frame(rng, n, len(values)) for n in wanted.shape)
        return along((left * values) @ right.T)

    return Part(0, along(wanted), at_random)


def bands(
    layer: int, own: Array, dealt: Callable[[Array], Array], within: Callable[[Array], Array]
) -> Part:
    """Return what lies in a band of input frequencies for each row; at random: the same bands in another order.

    Parameters
    ----------
    layer : int
    own : ndarray of bool, shape (k, n_in)
    dealt : callable
        From the bands to the entries of the picture.
    within : callable
        From entries of the picture to what they are in the layer's weights, or in the map.
    """
    return Part(
        layer, within(dealt(own)), lambda rng: within(dealt(own[rng.permutation(len(own))]))
    )


def frame(rng: np.random.Generator, n: int, r: int) -> Array:
    """Return r random orthonormal columns."""
    found: Array = np.linalg.qr(rng.standard_normal((n, r)))[0]
    return found
