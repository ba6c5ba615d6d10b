"""Activation functions of NumPy arrays, and their slopes."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .._util.validate import Array

# Constants of Klambauer et al. 2017, in float64.
_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def _logistic(x: Array) -> Array:
    # exp(-|x|) cannot overflow, and both branches keep full relative precision.
    decay = np.abs(x)
    np.exp(np.negative(decay, out=decay), out=decay)
    result: Array = np.where(x >= 0, decay.dtype.type(1), decay)
    decay += 1
    result /= decay
    return result


def _relu(x: Array) -> Array:
    return np.maximum(x, 0)


def _softplus(x: Array) -> Array:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def softmax(x: Array) -> Array:
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


FUNCTIONS: dict[str, Callable[[Array], Array]] = {
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
    "softmax": softmax,
    "softplus": _softplus,
    "softsign": _softsign,
    "tanh": np.tanh,
}


def _logistic_slope(x: Array) -> Array:
    decay = np.abs(x)
    np.exp(np.negative(decay, out=decay), out=decay)
    slope: Array = 1 + decay
    return np.divide(decay, np.square(slope, out=slope), out=slope)


def _tanh_slope(x: Array) -> Array:
    slope = _logistic_slope(2 * x)
    slope *= 4
    return slope


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
SLOPES: dict[str, Callable[[Array], Array]] = {
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
