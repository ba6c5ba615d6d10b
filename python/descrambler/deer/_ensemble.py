"""An ensemble of networks: its outputs, their mean, and their standard deviation."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import scipy  # its submodules load at first use
from numpy.typing import NDArray

from .._util.validate import Array
from ..network._network import Network
from ._released import N_SAMPLES, N_TIME, network_inputs
from ._replica import Replica
from ._traces import box

Vector = NDArray[np.float64]
Member = Network | Replica

N_SAMPLINGS = 32
"""Random choices of 64 points for each released network."""

_RELEASED_INPUTS = 5 * N_SAMPLES
_BATCH = 64  # traces in work at a time
_SMOOTHING = 0.04  # of the distance axis


def n_points(networks: Sequence[Member]) -> int:
    """Return the points of the distributions of an ensemble, which is checked.

    Raises
    ------
    ValueError
        If the networks are of several kinds, or of another than those for traces.
    """
    shapes = {(network.n_in, network.n_out) for network in networks}
    if len(shapes) != 1:
        raise ValueError(f"networks must be one or more of one shape, got {sorted(shapes)}")
    n_in, n_out = shapes.pop()
    if not _is_released(n_in, n_out) and n_in != n_out:
        raise ValueError(
            f"networks must have {_RELEASED_INPUTS} inputs and {N_TIME} outputs, or as many "
            f"outputs as inputs; got {n_in} and {n_out}"
        )
    return n_out


def _is_released(n_in: int, n_out: int) -> bool:
    return n_in == _RELEASED_INPUTS and n_out == N_TIME


def outputs(
    networks: Sequence[Member], signal: Vector, n_samplings: int, rng: np.random.Generator
) -> Vector:
    """Return the distributions that networks predict from one signal at equal steps.

    Returns
    -------
    ndarray, shape (n_networks, n_samplings or 1, n)
        Nothing below zero, each with the sum 1.
    """
    if _is_released(networks[0].n_in, networks[0].n_out):
        inputs = network_inputs(np.tile(signal, (n_samplings, 1)), rng)
    else:
        inputs = box(signal[None])
    return _normalized(np.array([network(inputs) for network in networks], np.float64))


def members(
    networks: Sequence[Member],
    signals: Array,
    n_samplings: int = N_SAMPLINGS,
    random_state: int | np.random.Generator | None = 0,
) -> Vector:
    """Return each network's distribution of each signal: a mean over its samplings.

    Returns
    -------
    ndarray, shape (n_networks, m, n)
        Each with the sum 1.
    """
    rng = np.random.default_rng(random_state)
    if not _is_released(networks[0].n_in, networks[0].n_out):
        boxed = box(signals)
        return _normalized(np.array([network(boxed) for network in networks], np.float64))
    parts = []
    for first in range(0, len(signals), _BATCH):
        rows = signals[first : first + _BATCH]
        inputs = network_inputs(np.repeat(rows, n_samplings, axis=0), rng)
        found = _normalized(np.array([network(inputs) for network in networks], np.float64))
        parts.append(found.reshape(len(networks), len(rows), n_samplings, -1).mean(axis=2))
    return np.concatenate(parts, axis=1)


def _normalized(found: Vector) -> Vector:
    found = np.maximum(found, 0)  # replicas go below
    # A network that sees nothing at all has no distribution; it is as flat as can be.
    found += np.finfo(float).tiny
    found /= found.sum(axis=-1, keepdims=True)
    return found


def member_deviation(found: Vector) -> Vector:
    """Return the standard deviation over the members, on the first axis, smoothed along the last.

    Few members often agree by chance where they cross. So their variance (n - 1 in the denominator) is
    averaged over neighboring distances, with a Gaussian weight of 4 % of the axis.
    """
    variance = found.var(axis=0, ddof=1)
    width = _SMOOTHING * found.shape[-1]
    smooth: Vector = np.sqrt(
        scipy.ndimage.gaussian_filter1d(variance, width, axis=-1, mode="nearest")
    )
    return smooth


def fingerprint(networks: Sequence[Member]) -> str:
    """Return what tells an ensemble from others: a digest of all its numbers, in any order of networks."""
    return hashlib.sha256("".join(sorted(map(_digest, networks))).encode()).hexdigest()


def _digest(network: Member) -> str:
    digest = hashlib.sha256()
    if isinstance(network, Network):
        for layer in network.linears:
            digest.update(np.ascontiguousarray(layer.weight, np.float64).tobytes())
            if layer.bias is not None:
                digest.update(np.ascontiguousarray(layer.bias, np.float64).tobytes())
    else:
        digest.update(np.ascontiguousarray(network.transform, np.float64).tobytes())
    return digest.hexdigest()
