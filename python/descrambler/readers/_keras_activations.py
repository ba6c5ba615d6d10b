"""Activations of Keras: by name, as a layer of their own, or as an operation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..network._activations import Activation

# Layers and operations without options, by their class.
_PLAIN = {
    "Exp": "exponential",
    "HardSigmoid": "hard_sigmoid",
    "HardSilu": "hard_swish",
    "HardTanh": "hard_tanh",
    "LogSigmoid": "log_logistic",
    "Mish": "mish",
    "Relu": "relu",
    "Relu6": "relu6",
    "Selu": "selu",
    "Sigmoid": "logistic",
    "Silu": "silu",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Tanh": "tanh",
}


def layer(kind: str, options: Mapping[str, Any], rank: int = 2) -> Activation | None:
    """Return an activation that is a layer or an operation; None if it is not known.

    `rank` is the number of axes of the signal.
    """
    slope = options.get("negative_slope", options.get("alpha"))
    match kind:
        case "ELU" | "Elu" | "Celu" if options.get("alpha", 1) == 1:
            return Activation("elu")
        case "LeakyReLU":
            return Activation("leaky_relu", 0.3 if slope is None else slope)
        case "LeakyRelu":
            return Activation("leaky_relu", 0.2 if slope is None else slope)
        case "ReLU" if not options.get("threshold"):
            return _relu(options.get("max_value"), slope)
        case "Gelu":
            return Activation("gelu_tanh" if options.get("approximate", True) else "gelu")
        case "Softmax" | "LogSoftmax" if options.get("axis", -1) in (-1, rank - 1):
            return Activation("softmax" if kind == "Softmax" else "log_softmax")
    return Activation(_PLAIN[kind]) if kind in _PLAIN else None


def _relu(top: Any, slope: Any) -> Activation | None:
    if top is None:
        return Activation("leaky_relu", slope) if slope else Activation("relu")
    return Activation("relu6") if top == 6 and not slope else None


def named(given: Any, version: str) -> Activation | None:
    """Return the activation that a layer names or configures; None if it is not known.

    Raises
    ------
    ValueError
        If no activation has this name.
    """
    if isinstance(given, dict) and isinstance(given.get("config"), dict):
        return layer(str(given.get("class_name")), given["config"])
    if given == "leaky_relu":
        return Activation("leaky_relu", 0.2)
    # Keras 2 had another function of this name.
    if isinstance(given, str) and (given != "hard_sigmoid" or version[:1] != "2"):
        return Activation(given)
    return None
