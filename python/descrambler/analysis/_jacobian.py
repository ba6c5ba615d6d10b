"""Exact derivatives of a network's outputs by its inputs.

No rotation of an inner dimension changes a Jacobian, so it needs no descrambling.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from .._util.threads import computes
from .._util.validate import Array, matrix, own_unit
from ..network._derivative import Derivative
from ..network._layers import Linear
from ..network._network import Network

_BATCH_BYTES = 1 << 20
"""Size of the largest temporary: what the caches of one core hold, and what is not given back to the system."""

Known: TypeAlias = Mapping[int, Array]
"""Signals that leave layers, by the layer's position in the network."""


@computes
def jacobians(network: Network, inputs: ArrayLike) -> Array:
    """Return the Jacobian at each input: ``J_s[i, j]`` is the derivative of output i by input j at sample s.

    Parameters
    ----------
    network : Network
    inputs : array_like, shape (m, n_in)
        Samples in rows.

    Returns
    -------
    ndarray, shape (m, n_out, n_in)

    Raises
    ------
    TypeError, ValueError
        If the inputs are not finite and real, or do not fit.
    """
    x = _inputs(network, inputs)
    g = np.broadcast_to(np.eye(network.n_out, dtype=x.dtype), (len(x), *[network.n_out] * 2))
    for linear, derivative in reversed(list(_steps(network, x))):
        g = derivative.backward(g) if derivative is not None else g
        g = g @ linear.weight if linear is not None else g
    return g


def mean_jacobian(network: Network, inputs: ArrayLike) -> Array:
    """Average the Jacobian of a network over inputs.

    It is ``E_s[D_n W_n ... D_1 W_1]``, where D holds the slopes of the activations at sample s. Two linear
    layers with elementwise activations need one product of the slopes, ``(W_2 * E_s[d_2 d_1^T]) W_1``;
    deeper networks need one matrix product per sample and layer.

    Parameters
    ----------
    network : Network
    inputs : array_like, shape (m, n_in)
        Samples in rows.

    Returns
    -------
    ndarray, shape (n_out, n_in)
        Outputs' units per inputs' unit. float32 where network and inputs are.

    Raises
    ------
    TypeError, ValueError
        If the inputs are not finite and real, or do not fit.
    """
    x = _inputs(network, inputs)
    return _mean_jacobian(network, x, {}).astype(np.result_type(x, network.linear(1).weight))


def mean_jacobian_from(network: Network, x: Array, known: Known) -> Array:
    """Return the mean Jacobian where some of the signals are known already, of all rows of `x`, in float64.

    Slopes and products are in the precision of the weights, where float32 holds the signals.
    """
    single = all(linear.weight.dtype == np.float32 for linear in network.linears)
    if single and all(_fits_float32(signals) for signals in (x, *known.values())):
        narrow = {position: signals.astype(np.float32) for position, signals in known.items()}
        with np.errstate(over="ignore", invalid="ignore"):
            mean = _mean_jacobian(network, x.astype(np.float32), narrow)
        if np.isfinite(mean).all():
            return mean
    return _mean_jacobian(network, x, known)


def _fits_float32(signals: Array) -> bool:
    """Whether nothing overflows, and what vanishes is below the rounding of the largest entry."""
    return bool(1e-18 < max(signals.max(), -signals.min()) < 1e18)


@computes
def _mean_jacobian(network: Network, x: Array, known: Known) -> Array:
    total = np.zeros((network.n_out, network.n_in))
    for rows in _batches(network, x):
        here = {position: signals[rows] for position, signals in known.items()}
        total += _sum_of_jacobians(network, x[rows], here)
    mean: Array = total / len(x)
    return mean


@computes
def directional_gain(network: Network, inputs: ArrayLike, directions: ArrayLike) -> Array:
    """Return the gain along each direction, r.m.s. over inputs: ``sqrt(E_s ||J_s d||^2) / ||d||``.

    Parameters
    ----------
    network : Network
    inputs : array_like, shape (m, n_in)
        Samples in rows.
    directions : array_like, shape (k, n_in)
        Directions in rows, the same for every input; not zero.

    Returns
    -------
    ndarray of float64, shape (k,)
        Outputs' units per inputs' unit.

    Raises
    ------
    TypeError, ValueError
        If an array is not finite and real or does not fit, or a direction is zero.
    """
    x = _inputs(network, inputs)
    d = directions_matrix("directions", directions, network.n_in)
    power = np.zeros(len(d))
    for rows in _batches(network, x, len(d)):
        batch = x[rows]
        t = d[None].astype(np.result_type(x, d), copy=False)
        for linear, derivative in _steps(network, batch):
            t = t @ linear.weight.T if linear is not None else t
            t = derivative.forward(t) if derivative is not None else t
        repeats = len(batch) // len(t)
        power += repeats * np.einsum("skn,skn->k", t, t, dtype=np.float64)
    gain: Array = np.sqrt(power / len(x)) / np.linalg.norm(d.astype(np.float64), axis=1)
    return gain


def directions_matrix(name: str, value: ArrayLike, n: int) -> Array:
    """Return `value` as a matrix with n columns and no row of zeros, each row in a unit of its own."""
    d = matrix(name, value)
    if d.shape[1] != n:
        raise ValueError(f"{name} must have {n} columns, got shape {d.shape}")
    if not d.any(axis=1).all():
        raise ValueError(f"{name} must not be zero, but row {int(np.argmin(d.any(axis=1)))} is")
    return own_unit(d, axis=1)[0]


def _inputs(network: Network, inputs: ArrayLike) -> Array:
    x = matrix("inputs", inputs)
    if x.shape[1] != network.n_in:
        raise ValueError(f"inputs must have shape (m, {network.n_in}), got {x.shape}")
    return x


def _steps(
    network: Network, x: Array, known: Known | None = None
) -> Iterator[tuple[Linear | None, Derivative | None]]:
    """Yield each linear layer with the derivative of what follows it; first, of what precedes all."""
    linear: Linear | None = None
    derivative: Derivative | None = None
    signal, known = x, known or {}
    last = network.layers[-1]
    for position, layer in enumerate(network.layers):
        if isinstance(layer, Linear):
            yield linear, derivative
            linear, derivative = layer, None
        else:
            own = layer.derivative(signal)
            derivative = own if derivative is None else own.after(derivative)
        if position in known:
            signal = known[position]
        elif layer is not last:
            signal = layer(signal)
    yield linear, derivative


def _batches(network: Network, x: Array, vectors: int | None = None) -> Iterator[slice]:
    """Cut the inputs so that `vectors` signals per sample fit the caches.

    Default: as many as the mean Jacobian keeps, which is one, or n_out in a deep network.
    """
    widths = [linear.n_out for linear in network.linears]
    if vectors is None:
        vectors = network.n_out if network.n_linear > 2 else 1
    size = max(1, _BATCH_BYTES // (vectors * max(widths) * x.itemsize))
    for start in range(0, len(x), size):
        yield slice(start, start + size)


def _sum_of_jacobians(network: Network, x: Array, known: Known) -> Array:
    weights, derivatives = _merged(_steps(network, x, known))
    leading, trailing = derivatives[-1] is None, derivatives[0] is None
    inner = [d for d in derivatives if d is not None]
    if not inner:
        return len(x) * weights[0]
    between = weights[1 if trailing else 0 : -1 if leading else None]
    total = _sum_of_chain(between, inner)
    total = weights[-1] @ total if leading else total
    return total @ weights[0] if trailing else total


def _merged(
    steps: Iterator[tuple[Linear | None, Derivative | None]],
) -> tuple[list[Array], list[Derivative | None]]:
    """Weights and the derivatives around them; weights with nothing between are multiplied."""
    weights: list[Array] = []
    derivatives: list[Derivative | None] = []
    for linear, derivative in steps:
        if linear is not None and weights and derivatives[-1] is None:
            weights[-1] = linear.weight @ weights[-1]
            derivatives[-1] = derivative
            continue
        if linear is not None:
            weights.append(linear.weight)
        derivatives.append(derivative)
    return weights, derivatives


def _sum_of_chain(weights: list[Array], derivatives: list[Derivative]) -> Array:
    """Sum over samples of ``D_k W_k ... W_1 D_0``, from the lists W_1.. and D_0.. ."""
    if not weights:
        d = derivatives[0]
        whole: Array = np.diag(d.diagonal.sum(axis=0))
        whole -= np.einsum("sir,sjr->ij", d.columns, d.rows)
        return whole
    if len(weights) == 1:
        return _sum_of_link(derivatives[1], weights[0], derivatives[0])
    product = derivatives[-1].forward(weights[-1].T[None]).swapaxes(1, 2)
    for w, d in zip(weights[-2::-1], derivatives[-2:0:-1], strict=True):
        product = d.backward(product) @ w
    first = derivatives[0]
    total: Array = np.einsum("sij,sj->ij", product, first.diagonal)
    if first.rows.shape[2]:
        total = total - np.einsum("sir,sjr->ij", product @ first.columns, first.rows)
    return total


def _sum_of_link(upper: Derivative, w: Array, lower: Derivative) -> Array:
    """Sum over samples of ``(diag(d) - C R^T) W (diag(d') - C' R'^T)`` by products of whole batches."""
    total: Array = w * (upper.diagonal.T @ lower.diagonal)
    for column, row in _pairs(lower):
        total = total - (upper.diagonal * (column @ w.T)).T @ row
    for column, row in _pairs(upper):
        total = total - column.T @ lower.backward((row @ w)[:, None])[:, 0]
    return total


def _pairs(derivative: Derivative) -> Iterator[tuple[Array, Array]]:
    for r in range(derivative.rows.shape[2]):
        yield derivative.columns[..., r], derivative.rows[..., r]
