"""Networks in the memory of PyTorch: any module whose forward pass is one chain."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._util.validate import require_extra
from ..errors import WeightFileError
from ..network._layers import BatchNorm, Layer, Linear
from ..network._network import Activation, Network
from ._build import blame, refuse_layer

# The names of functions, methods and (in lower case) modules that have no parameters of their own.
_PLAIN = {
    "exp": "exponential",
    "hardsigmoid": "hard_sigmoid",
    "relu": "relu",
    "selu": "selu",
    "sigmoid": "logistic",
    "silu": "silu",
    "softsign": "softsign",
    "tanh": "tanh",
}
_NOTHING = {"alphadropout", "alpha_dropout", "contiguous", "dropout", "identity"}


def is_module(source: Any) -> bool:
    """Tell whether an object is a PyTorch module, without importing PyTorch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(source, torch.nn.Module)


def read(module: Any) -> Network:
    """Read a network; see `descrambler.readers.load`."""
    name = type(module).__name__
    layers: list[Layer] = []
    before: list[Any] = []
    sizes: set[Any] = set()  # numbers of rows and columns, not signals
    for node in _trace(module, name):
        place = f"layer {_title(node)}"
        if node.op == "placeholder" and node.args:
            continue  # an argument that has a default
        inputs = [given for given in node.all_input_nodes if given not in sizes]
        if _is_size(node, sizes):
            sizes.add(node)
            continue
        if node.op == "get_attr":
            raise refuse_layer(name, f"{place}: uses weights without a layer")
        if inputs != before:
            raise refuse_layer(name, f"{place}: does not take the output of the one before it")
        if node.op not in ("placeholder", "output"):
            layers += _step(module, node, name, place, layers)
        before = [node]
    with blame(name):
        return Network(layers)


def _trace(module: Any, name: str) -> Any:
    """Return the steps of the forward pass."""
    torch = require_extra("torch", "torch", "reading a PyTorch module")
    fx = require_extra("torch.fx", "torch", "reading a PyTorch module")
    try:
        # In a container, since a single layer would be traced into.
        return fx.symbolic_trace(torch.nn.Sequential(module)).graph.nodes
    # The forward pass is the user's code, run with stand-ins for numbers.
    except Exception as error:
        raise WeightFileError(
            f"{name}: its forward pass cannot be traced ({error}); pass the part of it that is a "
            "chain, or capture its dense layers with ds.interop.torch.capture"
        ) from error


def _title(node: Any) -> str:
    return repr(node.target.removeprefix("0.") if node.op == "call_module" else node.name)


def _is_size(node: Any, sizes: set[Any]) -> bool:
    """Tell whether a step is ``x.size(0)``, ``x.shape`` or an entry of it."""
    if node.op == "call_method":
        return bool(node.target == "size")
    kind = getattr(node.target, "__name__", "")
    if kind == "getattr":
        return bool(node.args[1] == "shape")
    return kind == "getitem" and node.args[0] in sizes


def _step(module: Any, node: Any, name: str, place: str, before: Sequence[Layer]) -> list[Layer]:
    """Return what one step of the forward pass is."""
    if node.op == "call_module":
        step = module.get_submodule(node.target.removeprefix("0").removeprefix("."))
        kind, options = type(step).__name__.lower(), vars(step)
        shown = f"{place} ({step})"
        if kind in _WEIGHTED:
            with blame(name, shown):
                return [_WEIGHTED[kind](step)]
    else:
        kind = getattr(node.target, "__name__", node.target)
        options = _arguments(kind, node)
        shown = f"{place} ({kind})"
    found = [] if _keeps(kind, options, before) else _fixed(kind, options)
    if found is None:
        raise refuse_layer(name, f"{shown}: not a dense layer or an activation that is known")
    return found


def _arguments(kind: str, node: Any) -> dict[str, Any]:
    """Return the options of a function by name: the first argument is the signal."""
    names = _POSITIONS.get(kind, ())
    return dict(zip(names, node.args[1:], strict=False)) | dict(node.kwargs)


_POSITIONS = {
    "elu": ("alpha",),
    "flatten": ("start_dim", "end_dim"),
    "gelu": ("approximate",),
    "hardtanh": ("min_val", "max_val"),
    "leaky_relu": ("negative_slope",),
    "reshape": ("rows", "columns"),
    "softmax": ("dim",),
    "softplus": ("beta", "threshold"),
    "view": ("rows", "columns"),
}


def _fixed(kind: str, options: dict[str, Any]) -> list[Layer] | None:
    """Return the activation of a function or a module without weights; None if not known."""
    kind = {"leakyrelu": "leaky_relu"}.get(kind, kind)
    if kind in _PLAIN:
        return [Activation(_PLAIN[kind])]
    match kind, options:
        case "leaky_relu", _:
            return [Activation("leaky_relu", float(options.get("negative_slope", 0.01)))]
        case "elu", _ if options.get("alpha", 1) == 1:
            return [Activation("elu")]
        case "gelu", _ if options.get("approximate", "none") in ("none", "tanh"):
            tanh = options.get("approximate") == "tanh"
            return [Activation("gelu_tanh" if tanh else "gelu")]
        case "hardtanh", _ if (options.get("min_val", -1), options.get("max_val", 1)) == (-1, 1):
            return [Activation("hard_tanh")]
        # Beyond its threshold PyTorch leaves out what is below rounding, of float32.
        case "softplus", _ if options.get("beta", 1) == 1 and options.get("threshold", 20) >= 20:
            return [Activation("softplus")]
        case "softmax", {"dim": 1 | -1}:
            return [Activation("softmax")]
    return None


def _keeps(kind: str, options: dict[str, Any], before: Sequence[Layer]) -> bool:
    """Tell whether a step leaves the rows as they are."""
    if kind in ("view", "reshape"):
        widths = [layer.n_out for layer in before if isinstance(layer, Linear)]
        columns = options.get("columns")
        return columns == -1 or (type(columns) is int and (not widths or columns == widths[-1]))
    if kind == "flatten":
        return (options.get("start_dim", 0), options.get("end_dim", -1)) == (1, -1)
    return kind in _NOTHING


def _numbers(tensor: Any) -> NDArray[Any]:
    """Return a tensor as an array; half precision becomes float32, which holds it exactly."""
    values = tensor.detach().cpu()
    if values.dtype.itemsize < 4:
        values = values.float()
    return np.asarray(values.numpy())


def _linear(step: Any) -> Linear:
    bias = None if step.bias is None else _numbers(step.bias)
    return Linear(_numbers(step.weight), bias)


def _batch_norm(step: Any) -> BatchNorm:
    if step.running_mean is None:
        raise ValueError("has no running statistics, so it depends on the other samples")
    scale = None if step.weight is None else _numbers(step.weight)
    offset = None if step.bias is None else _numbers(step.bias)
    mean, variance = _numbers(step.running_mean), _numbers(step.running_var)
    return BatchNorm(mean, variance, scale, offset, step.eps)


_WEIGHTED: dict[str, Callable[[Any], Layer]] = {"linear": _linear, "batchnorm1d": _batch_norm}
