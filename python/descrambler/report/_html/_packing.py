"""Numbers made small: integers of one or two bytes, compressed, with what turns them back."""

from __future__ import annotations

import base64
import zlib
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..._util.validate import Array


class Packed(NamedTuple):
    """Values ``scale * integers``, to half a `scale`.

    Attributes
    ----------
    integers : ndarray of int8 or int16
    scale : float
    """

    integers: NDArray[np.signedinteger[Any]]
    scale: float

    def record(self) -> dict[str, Any]:
        """Return what the page's script unpacks."""
        integers = np.ascontiguousarray(self.integers, self.integers.dtype.newbyteorder("<"))
        return {
            "shape": list(integers.shape),
            "bytes": integers.itemsize,
            "scale": self.scale,
            "data": base64.b64encode(zlib.compress(integers.tobytes(), 9)).decode(),
        }


def pack(values: Array, dtype: type[np.signedinteger[Any]] = np.int8) -> Packed:
    """Pack values in equal steps between plus and minus the largest of them."""
    top = np.iinfo(dtype).max
    scale = float(np.abs(values).max(initial=0)) / top or 1.0
    return Packed(np.rint(values / scale).astype(dtype), scale)


def picked(values: Array, stride: int) -> Array:
    """Every stride-th row and column: not averaged, so that noise looks as strong as it is."""
    return values[::stride, ::stride]


def blocks(values: Array, stride: int) -> Array:
    """Means over blocks of stride x stride magnitudes; the last may be smaller."""
    if stride == 1:
        return values
    total = values
    for axis in (0, 1):
        starts = np.arange(0, values.shape[axis], stride)
        sizes = np.diff(np.append(starts, values.shape[axis]))
        shape = (-1, 1) if axis == 0 else (1, -1)
        total = np.add.reduceat(total, starts, axis=axis) / sizes.reshape(shape)
    return total
