"""Maps y = gain x + shift of single entries, and how linear layers take them in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._util.threads import product

if TYPE_CHECKING:
    from ._layers import Linear


@dataclass(frozen=True, eq=False, repr=False)
class Affine:
    """The map ``y = gain * x + shift`` of each entry of a row.

    Attributes
    ----------
    gain, shift : ndarray of float64, shape () or (n,)
        Shape () stands for the same number at every entry.
    dtype : dtype
        What the numbers were stored in: layers that take the map in have at least this.
    """

    gain: NDArray[np.float64]
    shift: NDArray[np.float64]
    dtype: np.dtype[Any]

    def then(self, following: Affine) -> Affine:
        """Return this map followed by another; ValueError if their sizes differ."""
        with np.errstate(over="ignore", invalid="ignore"):
            gain = following.gain * self.gain
            shift = following.gain * self.shift + following.shift
        return Affine(gain, shift, np.result_type(self.dtype, following.dtype))

    def check(self, width: int) -> None:
        """Raise ValueError if the numbers do not fit rows of `width` entries, or are not finite."""
        sizes = {array.size for array in (self.gain, self.shift) if array.ndim}
        if sizes - {width}:
            raise ValueError(f"{max(sizes - {width})} numbers do not fit rows of {width} entries")
        if not (np.isfinite(self.gain).all() and np.isfinite(self.shift).all()):
            raise ValueError("its numbers must be finite, and must not overflow float64 together")


# Both folds are computed in float64 and rounded once to the dtype of the layers.


def fold_after(linear: Linear, norm: Affine) -> Linear:
    """Return one layer for a linear layer and the map that follows it."""
    dtype = np.result_type(linear.weight, norm.dtype)
    gain = np.broadcast_to(norm.gain, linear.n_out)
    shift = np.broadcast_to(norm.shift, linear.n_out)
    bias = shift if linear.bias is None else gain * linear.bias + shift
    return type(linear)((gain[:, None] * linear.weight).astype(dtype), bias.astype(dtype))


def fold_before(norm: Affine, linear: Linear) -> Linear:
    """Return one layer for a map and the linear layer that follows it."""
    dtype = np.result_type(linear.weight, norm.dtype)
    bias = product(
        linear.weight, np.broadcast_to(norm.shift, linear.n_in), min(linear.weight.shape)
    )
    if linear.bias is not None:
        bias = bias + linear.bias
    return type(linear)((linear.weight * norm.gain).astype(dtype), bias.astype(dtype))
