"""Networks in ONNX files."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._util.validate import find_extra
from ..network._layers import BatchNorm, Layer, Linear
from ..network._network import Activation, Network
from . import _isolated
from ._build import Activations, blame, malformed, refuse_activations, refuse_integers, refuse_layer
from ._onnx_graph import Graph, Node, graph

_READER = Path(__file__).with_name("_onnx_child.py")

_PLAIN = {
    "Exp": "exponential",
    "Relu": "relu",
    "Sigmoid": "logistic",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Tanh": "tanh",
}

Expression = Any
"""``"x"``, a rounded constant, or the type of a node with its arguments in a tuple."""

_ERF = ("Add", 1.0, ("Erf", ("Div", "x", 1.4142)))
_ERF_MUL = ("Add", 1.0, ("Erf", ("Mul", 0.70711, "x")))
_FORMS: dict[Expression, str] = {
    ("Mul", "x", ("Sigmoid", "x")): "silu",
    # PyTorch leaves out what is below rounding.
    ("Where", ("Greater", "x", 20.0), "x", ("Softplus", "x")): "softplus",
    **{
        form: "gelu"
        for erf in (_ERF, _ERF_MUL)
        for form in (
            ("Mul", 0.5, ("Mul", "x", erf)),
            ("Mul", erf, ("Mul", 0.5, "x")),
            ("Mul", "x", ("Mul", 0.5, erf)),
        )
    },
}
"""Activations that exporters write as several nodes."""


def read(path: Path, activations: Activations = None) -> Network:
    """Read a network; see `descrambler.readers.load`."""
    refuse_activations(path, activations)
    find_extra("onnx", "onnx", f"reading {path}")
    arrays = _isolated.read(path, ".onnx", _READER)
    with malformed(path, ".onnx"):
        layers = _layers(graph(path, arrays))
    with blame(path):
        return Network(layers)


def _layers(found: Graph) -> list[Layer]:
    layers: list[Layer] = []
    shape = found.shape
    width = math.prod(shape[1:]) if shape and all(shape[1:]) else None  # type: ignore[arg-type]
    flat = shape is None or len(shape) == 2
    steps = deque(found.chain())
    while steps:
        nodes, value = steps.popleft()
        if len(nodes) > 1:
            layers.append(_composed(found, nodes, value, steps))
            continue
        node = nodes[0]
        if node.type in ("Flatten", "Reshape"):
            flat = True
        elif not flat and node.type not in ("Identity", "Cast"):
            raise refuse_layer(found.path, f"{node}: takes signals of shape {shape}, not rows")
        with blame(found.path, str(node)):
            step = _step(found, node, value, width)
        if step is None:
            raise refuse_layer(found.path, f"{node}: not a dense layer or an activation as known")
        layers += step
        width = next((s.n_out for s in step if isinstance(s, Linear)), width)
    return layers


def _step(found: Graph, node: Node, value: str, width: int | None) -> list[Layer] | None:
    """Return what one node does to a signal of known width; None if that is not known."""
    options = node.options
    if node.type in ("Add", "Mul"):
        return [_affine(found, node, value, width)]
    if not node.inputs or node.inputs[0] != value or node.other:
        return None
    match node.type:
        case "Gemm" if not options.get("transA"):
            return [_gemm(found, node)]
        case "MatMul":
            return [Linear(_weights(found, node, 1).T)]
        case "BatchNormalization" if not options.get("training_mode"):
            scale, offset, mean, variance = (_weights(found, node, k) for k in range(1, 5))
            return [BatchNorm(mean, variance, scale, offset, options.get("epsilon", 1e-5))]
        case "Sub" | "Div":
            return [_affine(found, node, value, width)]
        case "Identity" | "Dropout":
            return []
        case "Cast" if options.get("to") in (1, 11):  # float32, float64
            return []
        case "Flatten" if options.get("axis", 1) == 1:
            return []
        case "Reshape" if _keeps_rows(found, node, width):
            return []
    function = _activation(found, node)
    return None if function is None else [function]


def _activation(found: Graph, node: Node) -> Activation | None:
    options = node.options
    match node.type:
        case "LeakyRelu":
            return Activation("leaky_relu", options.get("alpha", 0.01))
        case "PRelu":
            slopes = np.unique(found.constant(node, 1))
            return Activation("leaky_relu", float(slopes[0])) if slopes.size == 1 else None
        case "Elu" if options.get("alpha", 1) == 1:
            return Activation("elu")
        case "Selu" if _near(options, alpha=1.67326, gamma=1.0507):
            return Activation("selu")
        case "Gelu":
            tanh = options.get("approximate", "none") == "tanh"
            return Activation("gelu_tanh" if tanh else "gelu")
        case "Swish" if options.get("alpha", 1) == 1:
            return Activation("silu")
        case "HardSigmoid" if _near({"alpha": 0.2} | options, alpha=1 / 6, beta=0.5):
            return Activation("hard_sigmoid")
        case "Softmax" if options.get("axis", -1) in (1, -1):
            return Activation("softmax")
        case "Clip":
            return _clip(found, node)
    return Activation(_PLAIN[node.type]) if node.type in _PLAIN else None


def _near(options: dict[str, Any], **expected: float) -> bool:
    return all(math.isclose(options.get(k, v), v, rel_tol=1e-5) for k, v in expected.items())


def _clip(found: Graph, node: Node) -> Activation | None:
    """Return a hard tanh or a ReLU. The ends are inputs, before opset 11 options."""
    low, high = (
        found.constant(node, k).item() if node.inputs[k : k + 1] not in ([], [""]) else default
        for k, default in ((1, node.options.get("min")), (2, node.options.get("max")))
    )
    if low == 0 and high is None:
        return Activation("relu")
    return Activation("hard_tanh") if (low, high) == (-1, 1) else None


def _weights(found: Graph, node: Node, place: int) -> NDArray[Any]:
    array = found.constant(node, place)
    return refuse_integers(found.path, f"{node}, input {node.inputs[place]!r}", array)


def _gemm(found: Graph, node: Node) -> Linear:
    weights = _weights(found, node, 1)
    weights = weights if node.options.get("transB") else weights.T
    alpha, beta = (node.options.get(name, 1) for name in ("alpha", "beta"))
    if alpha != 1:
        weights = weights * weights.dtype.type(alpha)
    if node.inputs[2:3] in ([], [""]):
        return Linear(weights)
    bias = _weights(found, node, 2)
    bias = _row(bias if beta == 1 else bias * bias.dtype.type(beta), weights.shape[0])
    return Linear(weights, bias)


def _row(array: NDArray[Any], width: int | None) -> NDArray[Any]:
    """Return a constant that is added to each row as one row of its entries."""
    if width is None and array.size == 1:
        raise ValueError("the number of inputs is not known")
    width = array.size if width is None else width
    if array.size not in (1, width) or array.shape[-1:] not in ((), (array.size,)):
        raise ValueError(f"a constant of shape {array.shape} does not fit rows of {width}")
    return np.broadcast_to(array.ravel(), (width,))


def _affine(found: Graph, node: Node, value: str, width: int | None) -> BatchNorm:
    """Return the addition of a constant, or the multiplication by it, as a map to be folded."""
    if len(node.inputs) != 2:
        raise ValueError("takes other than two values")
    constant = _row(_weights(found, node, 1 if node.inputs[0] == value else 0), width)
    nothing, unit = np.zeros_like(constant), np.ones_like(constant)
    if node.type == "Add":
        return BatchNorm(nothing, unit, unit, constant, 0.0)
    if node.type == "Sub":
        return BatchNorm(constant, unit, unit, nothing, 0.0)
    with np.errstate(divide="ignore"):
        gain = constant if node.type == "Mul" else 1 / constant
    return BatchNorm(nothing, unit, gain, nothing, 0.0)


def _keeps_rows(found: Graph, node: Node, width: int | None) -> bool:
    """Tell whether a reshape leaves one row for each sample."""
    sizes = found.constant(node, 1).tolist()
    if not isinstance(sizes, list) or len(sizes) != 2 or node.options.get("allowzero"):
        return False
    rows, columns = sizes
    batch = found.shape[0] if found.shape else None
    if columns == -1:
        return bool(rows == 0 or rows == batch)
    return bool(width is None or columns == width)


def _composed(
    found: Graph, nodes: Sequence[Node], value: str, following: deque[tuple[list[Node], str]]
) -> Activation:
    """Return the activation that several nodes make, the last of which may be one that follows."""
    name = _FORMS.get(_expression(found, nodes, value))
    if name is None and following:
        name = _FORMS.get(_expression(found, [*nodes, *following.popleft()[0]], value))
    if name is None:
        raise refuse_layer(found.path, f"{nodes[0]}: after it the signal branches")
    return Activation(name)


def _expression(found: Graph, nodes: Sequence[Node], value: str) -> Expression:
    known: dict[str, Expression] = {value: "x"}
    for node in nodes:
        arguments = [
            known[name] if name in known else _rounded(found.constants.get(name))
            for name in node.inputs
        ]
        if node.type in ("Add", "Mul"):
            arguments.sort(key=lambda argument: (isinstance(argument, tuple), str(argument)))
        known[node.outputs[0]] = (node.type, *arguments)
    return known[nodes[-1].outputs[0]]


def _rounded(constant: NDArray[Any] | None) -> float | None:
    """Return a scalar to five digits."""
    return float(f"{constant.item():.5g}") if constant is not None and constant.size == 1 else None
