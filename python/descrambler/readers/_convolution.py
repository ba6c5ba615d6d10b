"""One-dimensional convolutions as linear layers: their matrices over flattened (channel, place) signals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._util.validate import Array, real_array
from ..network._layers import Unrolled

MAX_ENTRIES = 2**26
"""Largest number of entries of all unrolled matrices together: a small file can demand huge ones."""


@dataclass(frozen=True, eq=False)
class Convolution:
    """A convolution along one axis, padded with zeros, that mixes all channels.

    Attributes
    ----------
    kernel : ndarray, shape (n_out, n_in, width)
    bias : ndarray, shape (n_out,), or None
    stride, dilation : int
    padding : pair of int
        Zeros before and after the signal.
    """

    kernel: Array
    bias: Array | None
    stride: int
    dilation: int
    padding: tuple[int, int]

    def __post_init__(self) -> None:
        real_array("weight", self.kernel, 3)
        if 0 in self.kernel.shape:
            raise ValueError(f"its weight is empty: shape {self.kernel.shape}")
        if min(self.stride, self.dilation) < 1 or min(self.padding) < 0:
            raise ValueError(
                f"stride {self.stride}, dilation {self.dilation} and padding {self.padding} "
                "are out of range"
            )

    @property
    def reach(self) -> int:
        """Number of places from the first point of the kernel to its last."""
        return self.dilation * (int(self.kernel.shape[2]) - 1) + 1

    def places(self, length: int) -> int:
        """Return the number of output places for signals of a length."""
        room = length + sum(self.padding) - self.reach
        if room < 0:
            raise ValueError(
                f"its kernel reaches over {self.reach} places, but the signals have {length} "
                f"and {sum(self.padding)} of padding"
            )
        return room // self.stride + 1

    def lengths(self, low: int, high: int) -> tuple[int, int]:
        """Return the shortest and the longest signals that give `low` to `high` places."""
        fixed = self.reach - sum(self.padding)
        shortest, longest = ((n - 1) * self.stride + fixed for n in (low, high))
        return max(shortest, 1), longest + self.stride - 1

    def unrolled(self, length: int) -> Unrolled:
        """Return the linear layer over signals of a length; entry (c, t) stands at c * length + t."""
        n_out, n_in, width = self.kernel.shape
        places = self.places(length)
        matrix = np.zeros((n_out, places, n_in, length), self.kernel.dtype)
        for point in range(width):
            taken = np.arange(places) * self.stride + point * self.dilation - self.padding[0]
            inside = np.flatnonzero((taken >= 0) & (taken < length))
            matrix[:, inside, :, taken[inside]] = self.kernel[:, :, point]
        bias = None if self.bias is None else np.repeat(self.bias, places)
        return Unrolled(matrix.reshape(n_out * places, n_in * length), bias)

    def record(self, layer: int, length: int) -> dict[str, Any]:
        """Return what a network's provenance says of linear layer number `layer`."""
        n_out, n_in, width = self.kernel.shape
        return {
            "layer": layer,
            "channels": [n_in, n_out],
            "places": [length, self.places(length)],
            "kernel": width,
            "stride": self.stride,
            "dilation": self.dilation,
            "padding": list(self.padding),
        }
