"""Fixed maps between linear layers: activation functions and row normalization."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._derivative import Derivative

Array = NDArray[np.floating[Any]]

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

# Of Klambauer et al. 2017, to float64.
_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def _logistic(x: Array) -> Array:
    # exp(-|x|) cannot overflow, and both branches keep full relative precision.
    decay = np.exp(-np.abs(x))
    result: Array = np.where(x >= 0, np.ones_like(decay), decay)
    result /= 1 + decay
    return result


def _relu(x: Array) -> Array:
    return np.maximum(x, 0)


def _softplus(x: Array) -> Array:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _softmax(x: Array) -> Array:
    weights: Array = np.exp(x - x.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    return weights


def _log_softmax(x: Array) -> Array:
    below: Array = x - x.max(axis=1, keepdims=True)
    below -= np.log(np.exp(below).sum(axis=1, keepdims=True))
    return below


def _identity(x: Array) -> Array:
    return x


def _relu6(x: Array) -> Array:
    return np.clip(x, 0, 6)


def _log_logistic(x: Array) -> Array:
    return -_softplus(-x)


def _elu(x: Array) -> Array:
    result: Array = np.where(x > 0, x, np.expm1(np.minimum(x, 0)))
    return result


def _selu(x: Array) -> Array:
    below = _SELU_ALPHA * np.expm1(np.minimum(x, 0))
    result: Array = _SELU_SCALE * np.where(x > 0, x, below)
    return result


def _gelu(x: Array) -> Array:
    from scipy.special import ndtr  # slow to import, seldom needed

    result: Array = x * ndtr(x)
    return result


def _gelu_tanh(x: Array) -> Array:
    # Beyond 10 the tanh is 1 in every digit, and the cube could overflow.
    z = np.clip(x, -10, 10)
    result: Array = 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)))
    return result


def _silu(x: Array) -> Array:
    result: Array = x * _logistic(x)
    return result


def _hard_swish(x: Array) -> Array:
    result: Array = x * _hard_sigmoid(x)
    return result


def _mish(x: Array) -> Array:
    result: Array = x * np.tanh(_softplus(x))
    return result


def _softsign(x: Array) -> Array:
    result: Array = x / (1 + np.abs(x))
    return result


def _hard_sigmoid(x: Array) -> Array:
    result: Array = np.clip(x / 6 + 0.5, 0, 1)
    return result


def _hard_tanh(x: Array) -> Array:
    return np.clip(x, -1, 1)


_FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "elu": _elu,
    "exponential": np.exp,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "hard_sigmoid": _hard_sigmoid,
    "hard_swish": _hard_swish,
    "hard_tanh": _hard_tanh,
    "identity": _identity,
    "log_logistic": _log_logistic,
    "log_softmax": _log_softmax,
    "logistic": _logistic,
    "mish": _mish,
    "relu": _relu,
    "relu6": _relu6,
    "selu": _selu,
    "silu": _silu,
    "softmax": _softmax,
    "softplus": _softplus,
    "softsign": _softsign,
    "tanh": np.tanh,
}


def _logistic_slope(x: Array) -> Array:
    decay = np.exp(-np.abs(x))
    slope: Array = decay / np.square(1 + decay)
    return slope


def _tanh_slope(x: Array) -> Array:
    return 4 * _logistic_slope(2 * x)


def _relu_slope(x: Array) -> Array:
    return (x > 0).astype(x.dtype)


def _relu6_slope(x: Array) -> Array:
    return ((x > 0) & (x <= 6)).astype(x.dtype)


def _log_logistic_slope(x: Array) -> Array:
    return _logistic(-x)


def _elu_slope(x: Array) -> Array:
    return np.exp(np.minimum(x, 0))


def _selu_slope(x: Array) -> Array:
    slope: Array = _SELU_SCALE * np.where(x > 0, 1, _SELU_ALPHA * _elu_slope(x))
    return slope


def _gelu_slope(x: Array) -> Array:
    from scipy.special import ndtr  # slow to import, seldom needed

    slope: Array = ndtr(x) + x * np.exp(-np.square(x) / 2) / math.sqrt(2 * math.pi)
    return slope


def _gelu_tanh_slope(x: Array) -> Array:
    z = np.clip(x, -10, 10)
    scale = math.sqrt(2 / math.pi)
    t = np.tanh(scale * (z + 0.044715 * z**3))
    slope: Array = 0.5 * (1 + t + x * (1 - t**2) * scale * (1 + 3 * 0.044715 * z**2))
    return slope


def _silu_slope(x: Array) -> Array:
    return _logistic(x) + x * _logistic_slope(x)


def _hard_swish_slope(x: Array) -> Array:
    return _hard_sigmoid(x) + x * _hard_sigmoid_slope(x)


def _mish_slope(x: Array) -> Array:
    plus = _softplus(x)
    # Beyond 50 the tanh is 1 in every digit, and its slope 0.
    fall = _tanh_slope(np.minimum(plus, 50))
    slope: Array = np.tanh(plus) + x * fall * _logistic(x)
    return slope


def _softsign_slope(x: Array) -> Array:
    slope: Array = 1 / np.square(1 + np.abs(x))
    return slope


def _hard_sigmoid_slope(x: Array) -> Array:
    return _hard_tanh_slope(x / 3) / 6


def _hard_tanh_slope(x: Array) -> Array:
    return ((x > -1) & (x <= 1)).astype(x.dtype)


# Softmax and its logarithm mix the entries of a row: their Jacobians are not diagonal.
_SLOPES: dict[str, Callable[[Array], Array]] = {
    "elu": _elu_slope,
    "exponential": np.exp,
    "gelu": _gelu_slope,
    "gelu_tanh": _gelu_tanh_slope,
    "hard_sigmoid": _hard_sigmoid_slope,
    "hard_swish": _hard_swish_slope,
    "hard_tanh": _hard_tanh_slope,
    "identity": np.ones_like,
    "log_logistic": _log_logistic_slope,
    "logistic": _logistic_slope,
    "mish": _mish_slope,
    "relu": _relu_slope,
    "relu6": _relu6_slope,
    "selu": _selu_slope,
    "silu": _silu_slope,
    "softplus": _logistic,
    "softsign": _softsign_slope,
    "tanh": _tanh_slope,
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
        elif name not in _FUNCTIONS:
            known = ", ".join(sorted([*_FUNCTIONS, *_ALIASES, "leaky_relu"]))
            raise ValueError(f"activation must be one of {known}, got {self.name!r}")
        elif self.slope is not None:
            raise ValueError(f"slope is for leaky_relu alone, got {self.slope} with {name}")
        object.__setattr__(self, "name", name)

    def __call__(self, x: Array) -> Array:
        """Return the function of `x`, shape (m, n), in the dtype of `x`."""
        if self.slope is not None:
            return np.where(x >= 0, x, x * x.dtype.type(self.slope))
        return _FUNCTIONS[self.name](x)

    def derivative(self, x: Array) -> Derivative:
        """Return the Jacobian at each row of `x`, shape (m, n), in the dtype of `x`.

        At a kink (0, for ``relu``) it is the slope from below.
        """
        if self.slope is not None:
            one, slope = x.dtype.type(1), x.dtype.type(self.slope)
            return Derivative.of(np.where(x > 0, one, slope))
        if self.name == "softmax":
            share = _softmax(x)
            return Derivative.of(share, share, share)
        if self.name == "log_softmax":
            one = np.ones_like(x)
            return Derivative.of(one, one, _softmax(x))
        return Derivative.of(_SLOPES[self.name](x))


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
