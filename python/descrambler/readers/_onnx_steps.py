"""The effect of each ONNX operation on the signal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..network._affine import Affine
from ..network._layers import BatchNorm, Linear
from ..network._network import Activation
from ._build import refuse_integers
from ._chain import Chain, arithmetic, clip
from ._onnx_activations import activation
from ._onnx_convolution import after, convolution
from ._onnx_graph import Graph, Node, refuse_onnx
from ._signal import Signal

_ARITHMETIC = {"Add": "add", "Sub": "sub", "Mul": "mul", "Div": "div", "Sum": "add"}
_FLOATS = {1: "float32", 10: "float16", 11: "float64", 16: "bfloat16"}


@dataclass
class State:
    """The layers read so far, the shape of the signal, and notes on what was left out.

    ``value`` is what the layers compute and ``end`` its axis of samples, ``before`` the value
    before the last activation, ``inexact`` what ONNX Runtime does not compute to rounding.
    """

    graph: Graph
    chain: Chain
    signal: Signal
    value: str
    dropped: Node | None = None
    end: int | None = None
    before: str | None = None
    inexact: str | None = None

    def refuse_after_drop(self, node: Node) -> None:
        """Refuse what changes the signal after an operation that was left out."""
        if self.dropped is not None:
            raise refuse_onnx(
                self.graph.path,
                f"{self.dropped}: is left out only at the end of a network, but {node} follows it",
            )

    def weights(self, node: Node, place: int) -> NDArray[Any]:
        """Return a constant that is no integers."""
        array = self.graph.constant(node, place)
        return refuse_integers(self.graph.path, f"{node}, input {node.inputs[place]!r}", array)


def step(state: State, node: Node, value: str) -> None:
    """Add what one node does to `value`; WeightFileError if that is not known."""
    shape = _shape(state, node, value)
    if shape is not None:
        state.signal = shape
    elif not (_drops(state, node) or _changes(state, node, value)):
        raise refuse_onnx(
            state.graph.path, f"{node}: not a dense layer or a known activation{_hint(node)}"
        )


def _hint(node: Node) -> str:
    if "Linear" in node.type and "uantize" in node.type or node.type.endswith("Integer"):
        return "; a quantized model: export it before quantization, in floating point"
    return ""


def _shape(state: State, node: Node, value: str) -> Signal | None:
    """Return the shape after a node that leaves the numbers as they are; None if it does not."""
    if node.inputs[:1] != [value] or node.other:
        return None
    signal, options, found = state.signal, node.options, state.graph
    match node.type:
        case "Identity":
            return signal
        case "Dropout" if not (len(node.inputs) > 2 and found.constant(node, 2).any()):
            return signal
        case "Cast" if options.get("to") in _FLOATS:
            _note_cast(state, node)
            return signal
        case "Cast" if state.dropped is not None:
            return signal
        case "Flatten":
            return signal.flatten(options.get("axis", 1))
        case "Reshape" if not options.get("allowzero"):
            sizes = options.get("shape") or found.constant(node, 1).tolist()
            return signal.reshape(sizes) if isinstance(sizes, list) else None
        case "Squeeze":
            return signal.squeeze(_axes(found, node))
        case "Unsqueeze":
            axes = _axes(found, node)
            return None if axes is None else signal.unsqueeze(axes)
        case "Transpose":
            return signal.transpose(options.get("perm"))
    return None


def _note_cast(state: State, node: Node) -> None:
    if node.options["to"] in (10, 16):
        kind = _FLOATS[node.options["to"]]
        state.chain.notes.append(f"{node}: computes in {kind} from here; descrambler does not")


def _axes(found: Graph, node: Node) -> list[int] | None:
    """Return the axes of a Squeeze or Unsqueeze: an input, before opset 13 an option."""
    if node.inputs[1:2] not in ([], [""]):
        return [int(n) for n in found.constant(node, 1).ravel()]
    given: list[int] | None = node.options.get("axes")
    return given


def _drops(state: State, node: Node) -> bool:
    """Leave out the choice of a class at the end: it changes neither the layers nor their order."""
    axis = node.options.get("axis", 0)
    if node.type != "ArgMax" or not state.signal.holds_all(axis):
        return False
    state.refuse_after_drop(node)
    state.dropped = node
    state.signal = state.signal.replaced(axis, 1)
    if not node.options.get("keepdims", 1):
        state.signal = state.signal.squeeze([axis]) or state.signal
    state.chain.notes.append(f"{node}: left out at the end; the outputs are those before it")
    return True


def _changes(state: State, node: Node, value: str) -> bool:
    """Add the layers of a node; tell whether they are known."""
    if node.other:
        return False
    if node.type in _ARITHMETIC:
        _constant(state, node, value)
    elif node.type in ("Gemm", "MatMul", "com.microsoft.FusedGemm"):
        return _matrix(state, node, value)
    elif node.inputs[:1] != [value]:
        return False
    elif node.type == "Conv":
        state.refuse_after_drop(node)
        _convolve(state, node)
    else:
        layers = _layers(state, node)
        if layers is None:
            return False
        state.refuse_after_drop(node)
        state.chain.add(*layers)
    return True


def _constant(state: State, node: Node, value: str) -> None:
    """Add the arithmetic with a constant of a node."""
    if len(node.inputs) != 2:
        raise ValueError("takes other than two values")
    state.refuse_after_drop(node)
    swapped = node.inputs[0] != value
    constant = state.weights(node, 0 if swapped else 1)
    affine, state.signal = state.signal.affine(_ARITHMETIC[node.type], constant, swapped=swapped)
    state.chain.add(affine)


def _matrix(state: State, node: Node, value: str) -> bool:
    """Add the linear layer of a matrix product, x W or W x; tell whether it is one."""
    state.refuse_after_drop(node)
    options, signal, left = node.options, state.signal, node.inputs[0] == value
    if len(node.inputs) < 2 or (left and node.inputs[1] == value):
        return False
    weights = state.weights(node, 1 if left else 0)
    if options.get("transB" if left else "transA"):
        weights = weights.T
    if options.get("transA" if left else "transB"):
        turned = signal.transpose(None)
        if turned is None:
            return False
        signal = turned
    rank = len(signal.sizes)
    axis = rank - 1 if left or rank == 1 else rank - 2
    if node.type != "MatMul" and rank != 2 or not signal.holds_all(axis):
        raise refuse_onnx(
            state.graph.path, f"{node}: takes signals of shape {signal.sizes}, not rows"
        )
    weights = weights.T if left else weights
    alpha = options.get("alpha", 1)
    weights = weights if alpha == 1 else weights * weights.dtype.type(alpha)
    state.chain.add(Linear(weights))
    state.signal = signal.replaced(axis, len(weights))
    if node.type != "MatMul" and node.inputs[2:3] not in ([], [""]):
        bias, beta = state.weights(node, 2), options.get("beta", 1)
        bias = bias if beta == 1 else bias * bias.dtype.type(beta)
        affine, state.signal = state.signal.affine("add", bias, swapped=False)
        state.chain.add(affine)
    return "activation" not in options or _fused(state, node)


def _convolve(state: State, node: Node) -> None:
    """Add the linear layer of a convolution."""
    bias = state.weights(node, 2) if node.inputs[2:3] not in ([], [""]) else None
    length = state.signal.sizes[-1] if state.signal.sizes else None
    found = convolution(node, state.weights(node, 1), bias, length)
    state.chain.places, state.signal = after(state.signal, found)
    state.chain.add(found)


def _fused(state: State, node: Node) -> bool:
    """Add the activation of a FusedGemm; tell whether it is known."""
    prefix = "activation_"
    named = {k.removeprefix(prefix): v for k, v in node.options.items() if k.startswith(prefix)}
    inner = Node(node.name, node.options["activation"], node.outputs, [], named, [])
    layers = _layers(state, inner)
    state.chain.add(*(layers or ()))
    return layers is not None


def _layers(state: State, node: Node) -> list[Affine | Activation] | None:
    """Return the layers of an operation without weights, or of a normalization."""
    options = node.options
    match node.type:
        case "BatchNormalization" if not options.get("training_mode"):
            return [_batch_norm(state, node)]
        case "Neg":
            return [arithmetic("mul", -1.0)]
        case "ai.onnx.ml.Scaler":
            return _scaler(state.signal, options)
        case "Softmax" | "LogSoftmax":
            name = "softmax" if node.type == "Softmax" else "log_softmax"
            return [Activation(name)] if _is_softmax(state, node) else None
        case "Clip":
            low, high = _ends(state, node)
            if state.chain.ends_with("relu") and high == 6 and (low is None or low <= 0):
                state.chain.remove_last()  # in two operations
                low = 0
            return clip(low, high)
        case "Log":
            return _logarithm(state)
        case "Celu":
            alpha = float(options.get("alpha", 1))
            return [arithmetic("div", alpha), Activation("elu"), arithmetic("mul", alpha)]
        case "Max" if len(node.inputs) == 2 and not state.weights(node, 1).any():
            return [Activation("relu")] if state.weights(node, 1).size == 1 else None
        case "PRelu":
            slopes = np.unique(state.weights(node, 1))
            return [Activation("leaky_relu", float(slopes[0]))] if slopes.size == 1 else None
    found = activation(node.type, options)
    return None if found is None else [found]


def _is_softmax(state: State, node: Node) -> bool:
    """Tell whether a softmax runs over the whole sample. Before opset 13 axis 1 meant the rest."""
    axis = node.options.get("axis", -1)
    return type(axis) is int and state.signal.holds_all(axis)


def _logarithm(state: State) -> list[Affine | Activation] | None:
    """Return the logarithm of an activation, which takes the place of it."""
    for name in ("logistic", "softmax"):
        if state.chain.ends_with(name):
            state.chain.remove_last()
            state.inexact = f"the logarithm of a {name} function"
            return [Activation(f"log_{name}")]
    return None


def _ends(state: State, node: Node) -> tuple[float | None, float | None]:
    """Return the ends of a Clip: inputs, before opset 11 options."""
    low, high = (
        state.graph.constant(node, k).item()
        if node.inputs[k : k + 1] not in ([], [""])
        else node.options.get(name)
        for k, name in ((1, "min"), (2, "max"))
    )
    return low, high


def _batch_norm(state: State, node: Node) -> Affine:
    """Return a normalization of the axis after that of the samples."""
    scale, offset, mean, variance = (state.weights(node, k) for k in range(1, 5))
    norm = BatchNorm(mean, variance, scale, offset, node.options.get("epsilon", 1e-5))
    sample = state.signal.sample
    if state.signal.batch != 0 or not sample or len(sample) > 1 and None in sample:
        raise ValueError(f"normalizes signals of shape {state.signal.sizes}")
    if len(sample) == 1:
        return norm
    shape = (norm.n, *[1] * (len(sample) - 1))
    gain, shift = (np.broadcast_to(a.reshape(shape), sample).ravel() for a in (norm.gain, norm.shift))  # type: ignore[arg-type]  # fmt: skip
    return Affine(gain, shift, norm.dtype)


def _scaler(signal: Signal, options: Mapping[str, Any]) -> list[Affine | Activation]:
    """Return ``(x - offset) * scale``, in the order of the operator."""
    found: list[Affine | Activation] = []
    for name, operation in (("offset", "sub"), ("scale", "mul")):
        if options.get(name):
            numbers = np.asarray(options[name], np.float32)
            found.append(arithmetic(operation, numbers, signal.sample))
    return found
