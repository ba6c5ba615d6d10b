"""Single steps of a PyTorch forward pass as linear layers, affine maps or activations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._util.validate import require_extra
from ..network._affine import Affine
from ..network._layers import BatchNorm, Linear
from ..network._network import Activation
from ._build import refuse_integers
from ._chain import Chain, Step, arithmetic, clip
from ._convolution import Convolution

Steps = list[Step] | None
"""Steps of a chain, none where nothing is done to the signal; None if the step is not known."""

# The names of functions, methods (without a _ at the end) and, in lower case, of modules.
_PLAIN = {
    "exp": "exponential",
    "hardsigmoid": "hard_sigmoid",
    "hardswish": "hard_swish",
    "logsigmoid": "log_logistic",
    "mish": "mish",
    "relu": "relu",
    "relu6": "relu6",
    "selu": "selu",
    "sigmoid": "logistic",
    "silu": "silu",
    "softsign": "softsign",
    "tanh": "tanh",
}
_NOTHING = {
    "alphadropout", "alpha_dropout", "clone", "contiguous", "cpu", "cuda", "detach", "double",
    "dropout", "feature_alpha_dropout", "featurealphadropout", "float", "identity", "to", "type",
    "type_as",
}  # fmt: skip
_SPELLINGS = {"clip": "clamp", "leakyrelu": "leaky_relu", "logsoftmax": "log_softmax"}
_ARITHMETIC = {
    "add": "add", "divide": "div", "div": "div", "mul": "mul", "multiply": "mul", "sub": "sub",
    "subtract": "sub", "true_divide": "div", "truediv": "div",
}  # fmt: skip
_POSITIONS = {
    "celu": ("alpha",),
    "clamp": ("min", "max"),
    "clamp_max": ("max",),
    "clamp_min": ("min",),
    "elu": ("alpha",),
    "flatten": ("start_dim", "end_dim"),
    "gelu": ("approximate",),
    "hardtanh": ("min_val", "max_val"),
    "leaky_relu": ("negative_slope",),
    "log_softmax": ("dim",),
    "prelu": ("weight",),
    "reshape": ("rows", "columns"),
    "softmax": ("dim",),
    "softplus": ("beta", "threshold"),
    "squeeze": ("dim",),
    "unsqueeze": ("dim",),
    "view": ("rows", "columns"),
}


def of_module(part: Any, chain: Chain) -> Steps:
    """Return what a module does to the signal."""
    nn = require_extra("torch.nn", "torch", "reading a PyTorch module")
    if isinstance(part, nn.Linear):
        return [_linear(part.weight, part.bias)]
    if isinstance(part, nn.modules.conv._ConvNd):
        return [convolution(part)]
    if isinstance(part, nn.BatchNorm1d | nn.SyncBatchNorm):
        return [_per_channel(_batch_norm(part), chain)]
    room = type(part).__module__
    return (
        _fixed(type(part).__name__.lower(), vars(part) | part._parameters, chain)
        if (room.startswith("torch.nn."))
        else None
    )


def of_function(
    kind: str, arguments: Sequence[Any], options: Mapping[str, Any], signal: object, chain: Chain
) -> Steps:
    """Return what a function or a method does to the signal.

    Parameters
    ----------
    kind : str
        Its name.
    arguments, options : sequence, mapping
        What it is given: the signal, and constants.
    signal : object
        What stands for the signal among them.
    chain : Chain
        All steps before this one.
    """
    kind = kind.rstrip("_")
    place = next((k for k, given in enumerate(arguments) if given is signal), None)
    if place is None:
        return None
    if kind == "neg":
        return [arithmetic("mul", -1.0)]
    bare = kind[1:] if kind[:1] in ("i", "r") and kind[1:] in _ARITHMETIC else kind
    if bare in _ARITHMETIC and len(arguments) + len(options) == 2:
        other = options["other"] if options.get("other") is not None else arguments[-1 - place]
        if other is signal:
            return None
        swapped = (place == 1) != (kind == "rsub")
        return [_arithmetic(_ARITHMETIC[bare], other, swapped=swapped)]
    if kind in ("linear", "matmul", "mm", "addmm"):
        return _product(kind, place, arguments, options)
    if place:
        return None
    given = dict(zip(_POSITIONS.get(kind, ()), arguments[1:], strict=False)) | dict(options)
    return _fixed(kind, given, chain)


def _arithmetic(operation: str, other: Any, *, swapped: bool) -> Step:
    constant = numbers(other) if hasattr(other, "detach") else other
    sample = None
    if isinstance(constant, np.ndarray):
        if constant.ndim == 0:
            constant = constant.item()
        elif constant.dtype.kind in "iu":
            constant = constant.astype(np.float32)  # what the signals are does not change
        elif constant.ndim > 2:
            sample = constant.shape[1:]
    return arithmetic(operation, constant, sample, swapped=swapped)


def _product(kind: str, place: int, arguments: Sequence[Any], options: Mapping[str, Any]) -> Steps:
    """Return the product with weights that are no layer's own."""
    if kind == "linear" and place == 0:
        given = dict(zip(("weight", "bias"), arguments[1:], strict=False)) | dict(options)
        return [_linear(given["weight"], given.get("bias"))]
    if kind == "addmm" and place == 1 and not options:
        return [_linear(arguments[2].T, arguments[0])]
    if kind in ("matmul", "mm") and place == 0 and len(arguments) == 2:
        return [_linear(arguments[1].T, None)]
    return None


def _fixed(kind: str, options: Mapping[str, Any], chain: Chain) -> Steps:
    """Return the steps of a function or a module without weights; None if not known."""
    kind = _SPELLINGS.get(kind, kind)
    if kind in _PLAIN:
        return [Activation(_PLAIN[kind])]
    if kind in _NOTHING or _keeps(kind, options, chain):
        return []
    ends = options.get("min", -np.inf), options.get("max", np.inf)
    match kind, options:
        case "clamp" | "clamp_min" | "clamp_max", _:
            return _clipped(*ends)
        case "hardtanh", _:
            return _clipped(options.get("min_val", -1), options.get("max_val", 1))
        case "leaky_relu", _:
            return [Activation("leaky_relu", float(options.get("negative_slope", 0.01)))]
        case "rrelu", {"lower": lower, "upper": upper}:
            return [Activation("leaky_relu", (lower + upper) / 2)]
        case "prelu", {"weight": slopes}:
            slope = np.unique(numbers(slopes))
            return [Activation("leaky_relu", float(slope[0]))] if slope.size == 1 else None
        case "threshold", {"threshold": 0, "value": 0}:
            return [Activation("relu")]
        case "elu", _ if options.get("alpha", 1) == 1:
            return [Activation("elu")]
        case "celu", _:
            return _scaled("elu", 1 / options.get("alpha", 1))
        case "gelu", _ if options.get("approximate", "none") in ("none", "tanh"):
            tanh = options.get("approximate") == "tanh"
            return [Activation("gelu_tanh" if tanh else "gelu")]
        # Beyond its threshold PyTorch leaves out what is below rounding, of float32.
        case "softplus", _ if options.get("threshold", 20) >= 20:
            return _scaled("softplus", options.get("beta", 1))
        case "softmax" | "log_softmax", {"dim": 1 | -1}:
            return [Activation(kind)]
    return None


def _clipped(low: Any, high: Any) -> Steps:
    """Return the activation that cuts off at two ends."""
    if not all(isinstance(end, int | float | None) for end in (low, high)):
        return None
    steps = clip(low, high)
    return None if steps is None else [*steps]


def _scaled(name: str, factor: float) -> Steps:
    """Return ``f(factor x) / factor``."""
    if factor == 1:
        return [Activation(name)]
    return [arithmetic("mul", float(factor)), Activation(name), arithmetic("div", float(factor))]


def _keeps(kind: str, options: Mapping[str, Any], chain: Chain) -> bool:
    """Tell whether a step leaves the rows as they are."""
    if kind in ("view", "reshape"):
        columns = options.get("columns")
        width = chain.width
        return columns == -1 or (type(columns) is int and width in (None, columns))
    if kind == "flatten":
        return (options.get("start_dim", 0), options.get("end_dim", -1)) == (1, -1)
    # One channel. Whether samples come with this axis, only running the model shows.
    one_channel = chain.width is not None and chain.places == chain.width
    if kind in ("squeeze", "unsqueeze") and one_channel and options.get("dim") in (1, -2):
        return True
    # One number for each sample, in a row or not.
    return kind == "squeeze" and options.get("dim", -1) in (-1, 1) and chain.width == 1


def numbers(tensor: Any) -> NDArray[Any]:
    """Return a tensor as an array; half precision becomes float32, which holds it exactly."""
    values = tensor.detach().cpu()
    if values.is_floating_point() and values.dtype.itemsize < 4:
        values = values.float()
    return np.asarray(values.numpy())


def _weights(name: str, tensor: Any) -> NDArray[Any]:
    return refuse_integers("its", name, numbers(tensor))


def _linear(weight: Any, bias: Any) -> Linear:
    return Linear(_weights("weight", weight), None if bias is None else _weights("bias", bias))


def convolution(part: Any) -> Convolution:
    """Return what a convolution of PyTorch does; ValueError names what is not read."""
    nn = require_extra("torch.nn", "torch", "reading a PyTorch module")
    if not isinstance(part, nn.Conv1d):
        raise ValueError(f"only Conv1d is read, not {type(part).__name__}")
    if part.groups != 1:
        raise ValueError(f"only convolutions with groups=1 are read, not {part.groups}")
    if part.padding_mode != "zeros":
        raise ValueError(f"only convolutions padded with zeros are read, not {part.padding_mode!r}")
    kernel = _weights("weight", part.weight)
    bias = None if part.bias is None else _weights("bias", part.bias)
    (stride,), (dilation,) = part.stride, part.dilation
    if part.padding == "same":
        total = dilation * (kernel.shape[2] - 1)
        padding = total // 2, total - total // 2
    else:
        padding = (0, 0) if part.padding == "valid" else (*part.padding, *part.padding)
    return Convolution(kernel, bias, stride, dilation, padding)


def _per_channel(norm: BatchNorm, chain: Chain) -> Affine:
    """Return a normalization of each channel as one of each entry."""
    if chain.places is None or norm.n == chain.width:
        return norm
    gain, shift = (np.repeat(a, chain.places) for a in (norm.gain, norm.shift))
    return Affine(gain, shift, norm.dtype)


def _batch_norm(part: Any) -> BatchNorm:
    if part.running_mean is None:
        raise ValueError("has no running statistics, so it depends on the other samples")
    scale = None if part.weight is None else numbers(part.weight)
    offset = None if part.bias is None else numbers(part.bias)
    return BatchNorm(numbers(part.running_mean), numbers(part.running_var), scale, offset, part.eps)
