"""The Gram matrix of signals: all that a quadratic criterion needs to know of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._native import core
from ._validate import Array, frozen, matrix, real_array, square
from .activations import Activation
from .files import read_arrays, write_arrays

__all__ = ["Gram", "gram", "joint_gram"]

SCHEMA = "descrambler.gram.v1"


@dataclass(frozen=True, eq=False)
class Gram:
    """Gram matrix of signals, uncentred, with their mean and number.

    Attributes
    ----------
    matrix : ndarray, shape (n, n), float64
        ``sum of s s^T`` over the signals s.
    mean : ndarray, shape (n,), float64, or None
        Mean signal; None where only a matrix was given.
    count : int or None
        Number of signals.
    """

    matrix: Array
    mean: Array | None = None
    count: int | None = None

    def __post_init__(self) -> None:
        b = square("matrix", self.matrix).astype(np.float64, copy=False)
        if np.abs(b - b.T).max() > 1e-6 * np.abs(b).max():
            raise ValueError("matrix must be symmetric, as a Gram matrix is")
        if b.diagonal().min() < 0:
            raise ValueError("matrix must have a diagonal >= 0, as a Gram matrix has")
        object.__setattr__(self, "matrix", frozen(b))
        if (self.mean is None) != (self.count is None):
            raise ValueError("mean and count must be given together")
        if self.mean is not None and self.count is not None:
            mean = real_array("mean", self.mean, 1).astype(np.float64, copy=False)
            if mean.shape != (len(b),):
                raise ValueError(f"mean must have {len(b)} entries, got {mean.shape[0]}")
            if self.count < 1:
                raise ValueError(f"count must be at least 1, got {self.count}")
            object.__setattr__(self, "mean", frozen(mean))

    @property
    def n(self) -> int:
        """Number of units."""
        return len(self.matrix)

    def __add__(self, other: Gram) -> Gram:
        """Gram matrix of both sets of signals together."""
        if self.n != other.n:
            raise ValueError(f"Gram matrices of {self.n} and {other.n} units cannot be added")
        total = self.matrix + other.matrix
        if self.mean is None or other.mean is None or self.count is None or other.count is None:
            return Gram(total)
        count = self.count + other.count
        return Gram(total, (self.count * self.mean + other.count * other.mean) / count, count)

    def save(self, path: str | Path) -> None:
        """Write to an .npz file, atomically and without pickle."""
        arrays: dict[str, ArrayLike] = {"matrix": self.matrix}
        if self.mean is not None and self.count is not None:
            arrays |= {"mean": self.mean, "count": self.count}
        write_arrays(path, SCHEMA, arrays)

    @classmethod
    def load(cls, path: str | Path) -> Gram:
        """Read what :meth:`save` wrote.

        Raises
        ------
        ValueError
            If the file is not such a file.
        """
        arrays = read_arrays(path, SCHEMA)
        count = int(arrays["count"]) if "count" in arrays else None
        return cls(arrays["matrix"], arrays.get("mean"), count)


def batches(name: str, rows: ArrayLike | Iterator[ArrayLike]) -> Iterator[Array]:
    """Yield row batches of one width from an array or an iterator of arrays.

    Finiteness is judged once, on the sum: a NaN or an infinity cannot leave it.
    """
    parts = rows if isinstance(rows, Iterator) else iter([rows])
    width = None
    for index, part in enumerate(parts):
        batch = matrix(f"{name} (batch {index})" if index else name, part, finite=False)
        if width not in (None, batch.shape[1]):
            raise ValueError(f"batch {index} of {name} has {batch.shape[1]} columns, not {width}")
        width = batch.shape[1]
        yield batch
    if width is None:
        raise ValueError(f"{name} must hold at least one batch, got an empty iterator")


class _Builder:
    """Running sum in C++."""

    def __init__(self, n: int) -> None:
        self.sum = core.GramSum(n)
        self.count = 0

    def finish(self) -> Gram:
        total, first = self.sum.finish()
        if not np.isfinite(total).all():
            raise ValueError("signals must be finite, and their squares must not overflow float64")
        return Gram(total, first / self.count, self.count)


def gram(signals: ArrayLike | Iterator[ArrayLike]) -> Gram:
    """Gather the Gram matrix of signals in one pass.

    Parameters
    ----------
    signals : array_like, shape (m, n), or iterator of such arrays
        One signal in a row. float32 and float64 enter as they are, other real types as float64; the
        sum is kept in float64.

    Returns
    -------
    Gram

    Raises
    ------
    TypeError, ValueError
        If the signals are not real, finite and two-dimensional, or there are none.
    """
    builder = None
    for rows in batches("signals", signals):
        builder = builder or _Builder(rows.shape[1])
        builder.sum.add(rows)
        builder.count += len(rows)
    assert builder is not None
    return builder.finish()


def layer_gram(
    inputs: ArrayLike | Iterator[ArrayLike],
    weight: Array,
    bias: Array | None,
    activation: Activation | None,
) -> Gram:
    """Gather the Gram matrix of a layer's signals f(x W^T + b), which never exist as a whole.

    Parameters
    ----------
    inputs : array_like, shape (m, n_in), or iterator of such arrays
    weight : ndarray, shape (n, n_in)
    bias : ndarray, shape (n,), or None
    activation : Activation or None
        One that acts entry by entry (`ELEMENTWISE`), or none.
    """
    builder = _Builder(len(weight))
    name = "identity" if activation is None else activation.name
    slope = 0.0 if activation is None or activation.slope is None else activation.slope
    for x in batches("x", inputs):
        if x.shape[1] != weight.shape[1]:
            raise ValueError(f"x must have {weight.shape[1]} columns, got shape {x.shape}")
        # An activation may map infinity to a number, so that the sum would not show it.
        if not (np.isfinite(x.min()) and np.isfinite(x.max())):
            raise ValueError("x must be finite, got NaN or infinity among its entries")
        dtype = np.result_type(x, weight)
        b = np.zeros(len(weight), dtype) if bias is None else bias.astype(dtype, copy=False)
        rows, w = (np.ascontiguousarray(array, dtype) for array in (x, weight))
        builder.sum.add_layer(rows, w, b, getattr(core.Activation, name), slope)
        builder.count += len(x)
    return builder.finish()


# Activations that the C++ core applies while it sums.
ELEMENTWISE = ("identity", "tanh", "logistic", "relu", "leaky_relu", "softplus")


def joint_gram(signals: Gram, next_weights: ArrayLike) -> Gram:
    """Append the next weights' link dimension to the signals, as the paper does for layer two.

    The criterion then asks for both to be smooth: ``[c W^T, S]`` has the Gram matrix
    ``B + c^2 W^T W``, with ``c = ||S||_2 / ||W^T||_2`` (spectral norms).

    Parameters
    ----------
    signals : Gram
        Gram matrix B of the signals after the activation of layer k. Mean and number, by which signs
        are judged, stay those of the signals.
    next_weights : array_like, shape (n_out, n)
        W, the weights of layer k + 1.

    Returns
    -------
    Gram

    Raises
    ------
    ValueError
        If the weights do not have one column per unit, or are all zero.
    """
    weights = matrix("next_weights", next_weights).astype(np.float64, copy=False)
    if weights.shape[1] != signals.n:
        raise ValueError(f"next_weights must have {signals.n} columns, got shape {weights.shape}")
    own = weights.T @ weights
    largest = float(np.linalg.norm(own, 2))
    if largest == 0:
        raise ValueError("next_weights must not be all zero")
    joint = signals.matrix + (float(np.linalg.norm(signals.matrix, 2)) / largest) * own
    return Gram(joint, signals.mean, signals.count)


def as_gram(value: Gram | ArrayLike) -> Gram:
    """Return a Gram as it is, a bare matrix without mean and number."""
    return value if isinstance(value, Gram) else Gram(cast(NDArray[np.float64], value))
