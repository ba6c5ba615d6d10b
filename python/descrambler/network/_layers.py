"""Layers that hold numbers: linear layers, and the batch norms that are folded into them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from .._util.threads import computes, product
from .._util.validate import Array, as_integer, matrix, real_array
from ._activations import Activation, Renormalize
from ._affine import Affine, fold_after, fold_before


def _frozen(array: Array, dtype: np.dtype[Any]) -> Array:
    """Return a read-only view of `array`: a copy only where the dtype changes."""
    view = array.astype(dtype, copy=False).view()
    view.flags.writeable = False
    return view


def _vector(name: str, value: ArrayLike, size: int) -> Array:
    array = real_array(name, value, 1)
    if array.size != size:
        raise ValueError(f"{name} must have {size} entries, got {array.size}")
    return array


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Linear:
    """A linear layer, ``y = W x + b``.

    Parameters
    ----------
    weight : array_like of shape (n_out, n_in)
        float32 and float64 are kept; the arrays are shared, not copied, where possible.
    bias : array_like of shape (n_out,), optional
        Weight and bias are brought to their common dtype.

    Raises
    ------
    TypeError, ValueError
        If an array is not real, not finite, empty or of the wrong shape.
    """

    weight: Array
    bias: Array | None

    def __init__(self, weight: ArrayLike, bias: ArrayLike | None = None) -> None:
        weights = matrix("weight", weight)
        dtype = weights.dtype
        offsets = None if bias is None else _vector("bias", bias, weights.shape[0])
        if offsets is not None:
            dtype = np.result_type(weights, offsets)
            offsets = _frozen(offsets, dtype)
        object.__setattr__(self, "weight", _frozen(weights, dtype))
        object.__setattr__(self, "bias", offsets)

    @property
    def n_in(self) -> int:
        """Number of inputs."""
        return int(self.weight.shape[1])

    @property
    def n_out(self) -> int:
        """Number of outputs."""
        return int(self.weight.shape[0])

    @computes
    def reduce(self, rank: int) -> Linear:
        """Return the layer with the nearest weights of that rank, or itself if it has no more."""
        if as_integer("rank", rank) < 1:
            raise ValueError(f"rank must be at least 1, got {rank}")
        if rank >= min(self.weight.shape):
            return self
        left, values, right = np.linalg.svd(self.weight, full_matrices=False)
        return type(self)((left[:, :rank] * values[:rank]) @ right[:rank], self.bias)

    def __call__(self, x: Array) -> Array:
        """Return the outputs, shape (m, n_out), for the rows of `x`, shape (m, n_in)."""
        y = product(x, self.weight.T, min(self.weight.shape))
        if self.bias is not None:
            y += self.bias
        return y

    def __repr__(self) -> str:
        bias = "" if self.bias is None else ", bias"
        return f"Linear({self.n_in} -> {self.n_out}{bias}, {self.weight.dtype})"


class Unrolled(Linear):
    """A convolution as a matrix, which is banded before any training.

    A class of its own, so that a network made of another one's layers is still known to have convolutions.
    """


@dataclass(frozen=True, init=False, eq=False, repr=False)
class BatchNorm(Affine):
    """Batch normalization with trained statistics.

    ``y = scale * (x - mean) / sqrt(variance + epsilon) + offset``, kept as
    ``y = gain * x + shift``.

    Parameters
    ----------
    mean, variance : array_like of shape (n,)
        The variance must not be negative.
    scale, offset : array_like of shape (n,), optional
        1 and 0 by default.
    epsilon : float
        Added to the variance; must not be negative.

    Raises
    ------
    TypeError, ValueError
        If an array is not real, not finite, of the wrong shape or out of range.
    """

    def __init__(
        self,
        mean: ArrayLike,
        variance: ArrayLike,
        scale: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        epsilon: float = 1e-5,
    ) -> None:
        means = real_array("mean", mean, 1)
        n = means.size
        variances = _vector("variance", variance, n)
        scales = np.ones_like(means) if scale is None else _vector("scale", scale, n)
        offsets = np.zeros_like(means) if offset is None else _vector("offset", offset, n)
        spread = variances.astype(np.float64) + epsilon
        if not (epsilon >= 0 and (variances >= 0).all() and (spread > 0).all()):
            raise ValueError("variance and epsilon must not be negative, and their sum positive")
        with np.errstate(over="ignore", invalid="ignore"):
            gain = scales / np.sqrt(spread)
            shift = offsets - gain * means
        if not (np.isfinite(gain).all() and np.isfinite(shift).all()):
            raise ValueError("mean, variance, scale and offset must not overflow float64 together")
        object.__setattr__(self, "gain", _frozen(gain, gain.dtype))
        object.__setattr__(self, "shift", _frozen(shift, gain.dtype))
        object.__setattr__(self, "dtype", np.result_type(means, variances, scales, offsets))

    @property
    def n(self) -> int:
        """Number of inputs, and of outputs."""
        return self.gain.size

    def __repr__(self) -> str:
        return f"BatchNorm({self.n}, {self.dtype})"


Layer: TypeAlias = Linear | BatchNorm | Activation | Renormalize
Folded: TypeAlias = Linear | Activation | Renormalize


def check_chain(layers: Sequence[Layer]) -> None:
    """Check that each layer takes what the one before it gives.

    Raises
    ------
    TypeError, ValueError
        With the number of the first layer that is wrong.
    """
    width: int | None = None
    for number, layer in enumerate(layers, 1):
        if isinstance(layer, Linear | BatchNorm):
            n_in = layer.n_in if isinstance(layer, Linear) else layer.n
            if width not in (None, n_in):
                raise ValueError(
                    f"layer {number}, {layer!r}, takes {n_in} inputs, but gets {width} from the "
                    "layers before it"
                )
            width = layer.n_out if isinstance(layer, Linear) else n_in
        elif not isinstance(layer, Activation | Renormalize):
            raise TypeError(
                f"layer {number} must be Linear, BatchNorm, Activation or Renormalize, "
                f"got {type(layer).__name__}"
            )
    if not any(isinstance(layer, Linear) for layer in layers):
        raise ValueError("layers must hold at least one Linear")


def fold(layers: Sequence[Layer]) -> tuple[Folded, ...]:
    """Fold each batch norm into the linear layer before it, else into the one after it.

    Raises
    ------
    ValueError
        If a batch norm touches no linear layer on either side.
    """
    folded: list[Folded] = []
    waiting: list[tuple[int, BatchNorm]] = []
    for number, layer in enumerate(layers, 1):
        if isinstance(layer, BatchNorm):
            if folded and not waiting and isinstance(folded[-1], Linear):
                folded[-1] = fold_after(folded[-1], layer)
            else:
                waiting.append((number, layer))
        elif isinstance(layer, Linear):
            while waiting:
                layer = fold_before(waiting.pop()[1], layer)
            folded.append(layer)
        else:
            _none_waiting(waiting)
            folded.append(layer)
    _none_waiting(waiting)
    return tuple(folded)


def _none_waiting(waiting: list[tuple[int, BatchNorm]]) -> None:
    if waiting:
        number, norm = waiting[0]
        raise ValueError(f"layer {number}, {norm!r}, has no linear layer next to it to fold into")


def table(layers: Sequence[Folded]) -> str:
    """Return the layers of a network as text, one per line."""
    linears = [layer for layer in layers if isinstance(layer, Linear)]
    size = sum(
        layer.weight.size + (0 if layer.bias is None else layer.bias.size) for layer in linears
    )
    lines = [
        f"Network: {linears[0].n_in} -> {linears[-1].n_out}, {size} parameters",
        f"{'linear':>6}  {'layer':<12}{'in':>6}{'out':>7}  bias  dtype",
    ]
    k = 0
    for layer in layers:
        if isinstance(layer, Linear):
            k += 1
            bias = "no" if layer.bias is None else "yes"
            numbers = f"{layer.n_in:>6}{layer.n_out:>7}  {bias:<4}  {layer.weight.dtype}"
            lines.append(f"{k:>6}  {'linear':<12}{numbers}")
        elif isinstance(layer, Activation):
            slope = "" if layer.slope is None else f" ({layer.slope:g})"
            lines.append(f"{'':6}  {layer.name}{slope}")
        else:
            lines.append(f"{'':6}  renormalize")
    return "\n".join(lines)


def describe(layer: Folded) -> dict[str, Any]:
    """Return what the files of `Network.save` say of a layer, its arrays apart."""
    if isinstance(layer, Activation):
        slope = {} if layer.slope is None else {"slope": layer.slope}
        return {"type": "activation", "name": layer.name, **slope}
    if isinstance(layer, Linear):
        return {"type": "linear"} | ({"convolution": True} if isinstance(layer, Unrolled) else {})
    return {"type": "renormalise"}  # the spelling of the first files
