"""Activations of ONNX that are one operation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..network._activations import Activation
from ..network._affine import Affine
from ._chain import arithmetic

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
        case "Elu" | "Celu" if options.get("alpha", 1) == 1:
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


def clip(low: float | None, high: float | None) -> list[Affine | Activation] | None:
    """Return the layers of a Clip between two ends: a scaled hard tanh where it has no name."""
    match low, high:
        case 0, None:
            return [Activation("relu")]
        case 0, 6:
            return [Activation("relu6")]
        case -1, 1:
            return [Activation("hard_tanh")]
    if low is None or high is None or not low < high or not math.isfinite(high - low):
        return None
    middle, half = (low + high) / 2, (high - low) / 2
    inner = [arithmetic("sub", middle), arithmetic("div", half)]
    outer = [arithmetic("mul", half), arithmetic("add", middle)]
    return [*inner, Activation("hard_tanh"), *outer]
