"""Fixed maps between linear layers: activation functions and row normalisation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

_DEFAULT_SLOPE = 0.01

# MATLAB's and PyTorch's names for the same functions.
_ALIASES = {
    "tansig": "tanh",
    "logsig": "logistic",
    "sigmoid": "logistic",
    "poslin": "relu",
    "linear": "identity",
    "purelin": "identity",
}


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


def _identity(x: Array) -> Array:
    return x


_FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "tanh": np.tanh,
    "logistic": _logistic,
    "relu": _relu,
    "softplus": _softplus,
    "softmax": _softmax,
    "identity": _identity,
}


@dataclass(frozen=True)
class Activation:
    """An activation function, applied entry by entry (softmax: row by row).

    Parameters
    ----------
    name : str
        ``tanh`` (or ``tansig``), ``logistic`` (``logsig``, ``sigmoid``), ``relu`` (``poslin``),
        ``leaky_relu``, ``softplus``, ``softmax`` or ``identity`` (``linear``, ``purelin``). The
        attribute holds the first of these names.
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


@dataclass(frozen=True)
class Renormalise:
    """Division of each row by its mean, so that a distribution keeps the mean 1.

    A row with the mean 0 gives NaN or infinity, with NumPy's warning.
    """

    def __call__(self, x: Array) -> Array:
        """Return `x`, shape (m, n), each row divided by its mean."""
        mean: Array = x.mean(axis=1, keepdims=True)
        return x / mean
