"""A network with the signals of one layer in the basis of another network, its function unchanged."""

from __future__ import annotations

from itertools import takewhile

import numpy as np

from .._util.validate import Array, choice
from ..network._activations import Activation
from ..network._layers import Linear
from ..network._network import Network

# f(-x) = -f(x): signs of units pass through.
ODD = ("hard_tanh", "identity", "softsign", "tanh")


def in_the_basis(
    p: Array, scale: float, shift: Array, group: str, network: Network, layer: int, tap: str
) -> Network:
    """Return the network with signals ``scale P x + shift`` where it had x."""
    if not isinstance(network, Network):
        raise TypeError(
            f"network_b must be a descrambler network, got {type(network).__name__}: ds.load reads "
            "files and live models; a stream of PyTorch is rotated by its own method, rotate"
        )
    choice("tap", tap, ("before", "after"))
    linear = network.linear(layer)
    n_a, n_b = p.shape
    if linear.n_out != n_b:
        raise ValueError(f"layer {layer} must have {n_b} units, as b has, got {linear.n_out}")
    if layer == network.n_linear:
        raise ValueError(f"layer must not be the last, {layer}: no weights follow to undo P")
    if n_a < n_b:
        raise ValueError(
            f"network_b must not be wider than a, got {n_b} units for {n_a}: P leaves out directions, and "
            "the function would change; align in the other order, ds.align(signals_b, signals_a)"
        )
    layers = list(network.layers)
    first = next(i for i, stage in enumerate(layers) if stage is linear)
    between = list(takewhile(lambda stage: not isinstance(stage, Linear), layers[first + 1 :]))
    last = first + 1 + len(between)
    following = layers[last]
    assert isinstance(following, Linear)
    odd = all(isinstance(stage, Activation) and stage.name in ODD for stage in between)
    if n_a == n_b and (group == "permutation" or (group == "signed permutation" and odd)):
        layers[first], layers[last] = _before(linear, p), _after(following, p.T)
        return Network(layers, provenance=network.provenance)
    if scale == 0:
        raise ValueError(
            "scale must not be 0: the signals of b have nothing in common with those of a"
        )
    p, inverse = scale * p, p.T / scale
    if not between:
        layers[first], layers[last] = _before(linear, p, shift), _after(following, inverse, shift)
    elif tap == "after":
        put_in = Linear(*_typed(linear, p, shift))
        layers[last : last + 1] = [put_in, _after(following, inverse, shift)]
    else:
        undo = Linear(*_typed(linear, inverse, -(inverse @ shift)))
        layers[first : first + 1] = [_before(linear, p, shift), undo]
    return Network(layers, provenance=network.provenance)


def _before(linear: Linear, p: Array, shift: Array | None = None) -> Linear:
    """P W, P b + shift."""
    bias: Array | None = None if linear.bias is None else p @ linear.bias
    if shift is not None and shift.any():
        bias = shift + (0 if bias is None else bias)
    return Linear(*_typed(linear, p @ linear.weight, bias))


def _after(linear: Linear, inverse: Array, shift: Array | None = None) -> Linear:
    """W P^T, and a bias that takes the shift back."""
    weight, bias = linear.weight @ inverse, linear.bias
    if shift is not None and shift.any():
        bias = (0 if bias is None else bias) - weight @ shift
    return Linear(*_typed(linear, weight, bias))


def _typed(linear: Linear, weight: Array, bias: Array | None) -> tuple[Array, Array | None]:
    dtype = linear.weight.dtype
    return np.ascontiguousarray(weight, dtype), None if bias is None else bias.astype(dtype)
