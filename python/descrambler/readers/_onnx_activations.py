"""Activations of ONNX that are one operation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..network._activations import Activation

_PLAIN = {
    "Exp": "exponential",
    "HardSwish": "hard_swish",
    "Mish": "mish",
    "Relu": "relu",
    "Sigmoid": "logistic",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Tanh": "tanh",
}


def activation(kind: str, options: Mapping[str, Any]) -> Activation | None:
    """Return the activation of an operation and its options."""
    match kind:
        case "LeakyRelu":
            return Activation("leaky_relu", options.get("alpha", 0.01))
        case "Elu" if options.get("alpha", 1) == 1:
            return Activation("elu")
        case "Selu" if _near(options, alpha=1.67326, gamma=1.0507):
            return Activation("selu")
        case "Gelu" | "com.microsoft.Gelu":
            tanh = options.get("approximate", "none") == "tanh"
            return Activation("gelu_tanh" if tanh else "gelu")
        case "Swish" if options.get("alpha", 1) == 1:
            return Activation("silu")
        case "HardSigmoid" if _near({"alpha": 0.2} | dict(options), alpha=1 / 6, beta=0.5):
            return Activation("hard_sigmoid")
    return Activation(_PLAIN[kind]) if kind in _PLAIN else None


def _near(options: Mapping[str, Any], **expected: float) -> bool:
    return all(math.isclose(options.get(k, v), v, rel_tol=1e-5) for k, v in expected.items())
