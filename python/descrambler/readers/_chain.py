"""Layers in the order of the signal, as readers find them, with maps of single entries folded.

Files and modules hold more than linear layers and activations: batch norms, scalings of the
inputs or outputs, constants that are added. Each is an affine map, and `Chain` gives it its place:
the linear layer before it, else the one after it, else a diagonal linear layer of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._util.validate import real_array
from ..network._activations import Activation, Renormalize
from ..network._affine import Affine, fold_after, fold_before
from ..network._layers import Linear
from ._convolution import MAX_ENTRIES, Convolution

Step: TypeAlias = Linear | Convolution | Affine | Activation | Renormalize
"""The parts that readers return for one layer or operation. A `BatchNorm` is an `Affine`."""

MAX_DIAGONAL = 2**26
"""Most entries of all diagonal layers together, which a file of few numbers can ask for."""


class Chain:
    """Collect the layers of a network, one step after another.

    Parameters
    ----------
    width : int, optional
        Number of inputs, where it is known before the first linear layer.

    Attributes
    ----------
    places : int or None
        Places of each channel, where the signal is one that convolutions take.
    convolutions : list of dict
        What each linear layer that is a convolution was made of.
    scaler : Affine or None
        The map that was folded into the first layer, from before it.
    notes : list of str
        What users should know of the layers that were made.
    """

    def __init__(self, width: int | None = None) -> None:
        self.width = width
        self.scaler: Affine | None = None
        self.notes: list[str] = []
        self.places: int | None = None
        self.convolutions: list[dict[str, Any]] = []
        self._unrolled = 0
        self._layers: list[Linear | Activation | Renormalize] = []
        self._waiting: Affine | None = None
        self._dtypes: list[np.dtype[Any]] = []  # of the linear layers
        self._dense, self._made = False, 0

    def add(self, *steps: Step) -> None:
        """Append steps; ValueError if the size of one does not fit."""
        for step in steps:
            if isinstance(step, Affine):
                sizes = [a.size for a in (step.gain, step.shift) if a.ndim]
                self.width = max(sizes, default=None) if self.width is None else self.width
                step.check(1 if self.width is None else self.width)
                both = step if self._waiting is None else self._waiting.then(step)
                self._waiting = None if (both.gain == 1).all() and not both.shift.any() else both
            elif isinstance(step, Linear):
                self._add_linear(step)
                self.places = None
            elif isinstance(step, Convolution):
                self._add_convolution(step)
            else:
                self._settle()
                self._layers.append(step)

    def layers(self) -> list[Linear | Activation | Renormalize]:
        """Return the layers; ValueError if there is no linear layer among them."""
        if not self._dense:
            raise ValueError("no dense layers (linear layers with weights) were found")
        self._settle()
        return self._layers

    @property
    def provenance(self) -> dict[str, Any]:
        """What the network is to remember: its convolutions, if there are any."""
        return {"convolutions": self.convolutions} if self.convolutions else {}

    @property
    def length(self) -> int:
        """Number of layers so far; a map that waits is no layer yet."""
        return len(self._layers)

    def ends_with(self, activation: str) -> bool:
        """Tell whether the last step was the activation of this name."""
        last = self._layers[-1] if self._layers and self._waiting is None else None
        return isinstance(last, Activation) and last.name == activation

    def remove_last(self) -> None:
        """Take back the last step, an activation."""
        self._layers.pop()

    def _add_convolution(self, convolution: Convolution) -> None:
        n_out, n_in, _ = convolution.kernel.shape
        length = self.places
        if length is None:
            raise ValueError("a convolution takes signals of channels and places, but gets rows")
        if self.width not in (None, n_in * length):
            raise ValueError(f"takes {n_in} channels of {length} places, but gets {self.width}")
        places = convolution.places(length)
        self._unrolled += n_out * places * n_in * length
        if self._unrolled > MAX_ENTRIES:
            raise ValueError(
                f"as a matrix from {n_in} x {length} to {n_out} x {places} numbers it has, with the "
                f"convolutions before it, {self._unrolled} entries; at most {MAX_ENTRIES} are made. "
                "In PyTorch, descramble its channels with ds.interop.torch.capture"
            )
        self._add_linear(convolution.unrolled(length))
        self.places = places
        self.convolutions.append(convolution.record(len(self._dtypes), length))
        self.notes.append(
            f"linear layer {len(self._dtypes)} is a convolution, as a matrix from {n_in} x {length} to "
            f"{n_out} x {places} (channels x places)"
        )

    def _add_linear(self, linear: Linear) -> None:
        if self.width not in (None, linear.n_in):
            raise ValueError(f"takes {linear.n_in} inputs, but gets {self.width}")
        if self._after_linear():
            self._settle()
        elif self._waiting is not None:
            self._waiting.check(linear.n_in)
            if not self._layers:
                self.scaler = self._waiting
            linear = fold_before(self._waiting, linear)
            self._waiting = None
        self._layers.append(linear)
        self._dtypes.append(linear.weight.dtype)
        self.width, self._dense = linear.n_out, True

    def _after_linear(self) -> bool:
        return bool(self._layers) and isinstance(self._layers[-1], Linear)

    def _settle(self) -> None:
        """Give the waiting map its place, where no linear layer follows it."""
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            return
        if self.width is None:
            raise ValueError("the number of inputs is not known before the first dense layer")
        waiting.check(self.width)
        last = self._layers[-1] if self._layers else None
        if isinstance(last, Linear):
            self._layers[-1] = fold_after(last, waiting)
            return
        self._made += self.width**2
        if self._made > MAX_DIAGONAL:
            raise ValueError(
                f"scalings between activations make diagonal layers of more than {MAX_DIAGONAL} "
                "entries"
            )
        dtype = np.result_type(waiting.dtype, *self._dtypes[-1:])
        gain, shift = (np.broadcast_to(a, self.width) for a in (waiting.gain, waiting.shift))
        self._layers.append(Linear(np.diag(gain).astype(dtype), shift.astype(dtype)))
        self._dtypes.append(dtype)
        self.notes.append(
            f"linear layer {len(self._dtypes)} is diagonal: it scales or shifts the outputs of an "
            "activation"
        )


def arithmetic(
    operation: str, constant: ArrayLike, sample: Sequence[int | None] | None = None, *,
    swapped: bool = False,
) -> Affine:  # fmt: skip
    """Return the map that one arithmetic operation with a constant is.

    Parameters
    ----------
    operation : {"add", "sub", "mul", "div"}
        ``x + c``, ``x - c``, ``x * c`` or ``x / c``.
    constant : array_like
        The same for every sample: one number, or as many as a sample has entries. Python numbers
        leave the dtype of the network as it is.
    sample : sequence of int or None, optional
        Shape of one sample; None where rows are of a length that is not known.
    swapped : bool
        The constant stands on the left: ``c - x``.

    Raises
    ------
    ValueError
        If the constant is not finite or has another shape, or the operation is not affine.
    """
    weak = isinstance(constant, int | float)
    numbers = np.float32(0) if weak else np.asarray(constant)
    dtype = np.result_type(real_array("constant", numbers, numbers.ndim), np.float32)
    c = _entries(np.asarray(constant, np.float64), sample)
    gain: NDArray[np.float64] = np.ones(())
    shift: NDArray[np.float64] = np.zeros(())
    with np.errstate(divide="ignore"):
        match operation, swapped:
            case "add", _:
                shift = c
            case "sub", False:
                shift = -c
            case "sub", True:
                gain, shift = -gain, c
            case "mul", _:
                gain = c
            case "div", False:
                gain = 1 / c
            case _:
                raise ValueError("a constant divided by the signal is not a linear layer")
    found = Affine(gain, shift, dtype)
    found.check(max(gain.size, shift.size))
    return found


def clip(low: float | None, high: float | None) -> list[Affine | Activation] | None:
    """Return the layers that cut off at two ends: of a known activation, shifted and scaled."""
    low = None if low in (None, -math.inf) else low
    high = None if high in (None, math.inf) else high
    match low, high:
        case 0, None:
            return [Activation("relu")]
        case 0, 6:
            return [Activation("relu6")]
        case -1, 1:
            return [Activation("hard_tanh")]
        case None, None:
            return []
    if low is None or high is None:
        end, sign = (low, 1.0) if high is None else (high, -1.0)
        assert end is not None
        inner = [arithmetic("sub", end), arithmetic("mul", sign)]
        return [*inner, Activation("relu"), arithmetic("mul", sign), arithmetic("add", end)]
    if not low < high or not math.isfinite(high - low):
        return None
    middle, half = (low + high) / 2, (high - low) / 2
    inner = [arithmetic("sub", middle), arithmetic("div", half)]
    outer = [arithmetic("mul", half), arithmetic("add", middle)]
    return [*inner, Activation("hard_tanh"), *outer]


def _entries(
    constant: NDArray[np.float64], sample: Sequence[int | None] | None
) -> NDArray[np.float64]:
    """Return a constant as one number, or as one for each entry of a flattened sample."""
    if constant.size == 1:
        return constant.reshape(())
    known = None if sample is None or None in sample else [n for n in sample if n is not None]
    rank = 1 if sample is None else len(sample)
    rows = constant
    while rows.ndim > max(rank, 1) and len(rows) == 1:
        rows = rows[0]
    if known is None and rows.ndim == 1 and rank == 1:
        return rows
    try:
        if known is not None:
            return np.broadcast_to(rows, known).ravel()
    except ValueError:
        pass
    shape = "rows" if sample is None else f"samples of shape {tuple(sample)}"
    raise ValueError(f"a constant of shape {constant.shape} does not fit {shape}")
