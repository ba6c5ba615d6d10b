"""Fixed maps between linear layers: activation functions and row normalization."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._util.validate import Array, meant
from ._derivative import Derivative
from ._functions import FUNCTIONS, SLOPES, softmax

_DEFAULT_SLOPE = 0.01

# MATLAB's, PyTorch's and Keras' names for the same functions.
_ALIASES = {
    "celu": "elu",  # with alpha 1 they are one function
    "exp": "exponential",
    "hard_silu": "hard_swish",
    "hardswish": "hard_swish",
    "linear": "identity",
    "log_sigmoid": "log_logistic",
    "logsig": "logistic",
    "logsigmoid": "log_logistic",
    "poslin": "relu",
    "purelin": "identity",
    "satlins": "hard_tanh",
    "sigmoid": "logistic",
    "swish": "silu",
    "tansig": "tanh",
}


@dataclass(frozen=True)
class Activation:
    """An activation function, applied entry by entry (softmax: row by row).

    Parameters
    ----------
    name : str
        ``elu`` (alpha 1; ``celu``), ``exponential`` (``exp``), ``gelu``, ``gelu_tanh`` (the
        approximation by tanh), ``hard_sigmoid`` (x / 6 + 1 / 2 between 0 and 1), ``hard_swish``
        (``hardswish``, ``hard_silu``), ``hard_tanh`` (``satlins``), ``identity`` (``linear``,
        ``purelin``), ``leaky_relu``, ``log_logistic`` (``log_sigmoid``, ``logsigmoid``),
        ``log_softmax``, ``logistic`` (``logsig``, ``sigmoid``), ``mish``, ``relu`` (``poslin``),
        ``relu6``, ``selu``, ``silu`` (``swish``), ``softmax``, ``softplus``, ``softsign`` or
        ``tanh`` (``tansig``). The attribute holds the first of these names.
    slope : float, optional
        For ``leaky_relu`` alone: its slope below zero, 0.01 by default.

    Raises
    ------
    ValueError
        If the name is unknown, or a slope is not finite or given to another function.
    """

    name: str
    slope: float | None = None

    def __post_init__(self) -> None:
        name = _ALIASES.get(self.name, self.name)
        if name == "leaky_relu":
            slope = _DEFAULT_SLOPE if self.slope is None else float(self.slope)
            if not np.isfinite(slope):
                raise ValueError(f"slope must be finite, got {slope}")
            object.__setattr__(self, "slope", slope)
        elif name not in FUNCTIONS:
            known = sorted([*FUNCTIONS, *_ALIASES, "leaky_relu"])
            raise ValueError(
                f"activation must be one of {', '.join(known)}, got {self.name!r}{meant(self.name, known)}"
            )
        elif self.slope is not None:
            raise ValueError(f"slope is for leaky_relu alone, got {self.slope} with {name}")
        object.__setattr__(self, "name", name)

    def __call__(self, x: Array) -> Array:
        """Return the function of `x`, shape (m, n), in the dtype of `x`."""
        if self.slope is not None:
            return np.where(x >= 0, x, x * x.dtype.type(self.slope))
        return FUNCTIONS[self.name](x)

    def derivative(self, x: Array) -> Derivative:
        """Return the Jacobian at each row of `x`, shape (m, n), in the dtype of `x`.

        At a kink (0, for ``relu``) it is the slope from below.
        """
        if self.slope is not None:
            one, slope = x.dtype.type(1), x.dtype.type(self.slope)
            return Derivative.of(np.where(x > 0, one, slope))
        if self.name == "softmax":
            share = softmax(x)
            return Derivative.of(share, share, share)
        if self.name == "log_softmax":
            ones: Array = np.ones_like(x)
            return Derivative.of(ones, ones, softmax(x))
        return Derivative.of(SLOPES[self.name](x))


@dataclass(frozen=True)
class Renormalize:
    """Division of each row by its mean, so that a distribution keeps the mean 1.

    A row with the mean 0 gives NaN or infinity, with NumPy's warning.
    """

    def __call__(self, x: Array) -> Array:
        """Return `x`, shape (m, n), each row divided by its mean."""
        mean: Array = x.mean(axis=1, keepdims=True)
        return x / mean

    def derivative(self, x: Array) -> Derivative:
        """Return the Jacobian at each row of `x`, shape (m, n), in the dtype of `x`."""
        inverse = np.broadcast_to(1 / x.mean(axis=1, keepdims=True), x.shape)
        return Derivative.of(inverse, self(x), inverse / x.shape[1])
