"""Convolutions in ONNX files."""

from __future__ import annotations

from .._util.validate import Array
from ._convolution import Convolution
from ._onnx_graph import Node
from ._signal import Signal

_SAME = ("SAME_UPPER", "SAME_LOWER")


def convolution(node: Node, kernel: Array, bias: Array | None, length: int | None) -> Convolution:
    """Return what a Conv node does to signals of a length; ValueError names what is not read."""
    options = node.options
    if kernel.ndim != 3:
        raise ValueError(f"only convolutions in 1 dimension are read, not in {kernel.ndim - 2}")
    if options.get("group", 1) != 1:
        raise ValueError(f"only convolutions with group=1 are read, not {options['group']}")
    mode = options.get("auto_pad", "NOTSET")
    _check_options(node, int(kernel.shape[2]), mode)
    (stride,), (dilation,) = options.get("strides", [1]), options.get("dilations", [1])
    before, after = options.get("pads", [0, 0])
    found = Convolution(kernel, bias, stride, dilation, (before, after))
    if mode in _SAME and length is not None:  # `after` refuses signals of unknown length
        places = -(-length // stride)
        total = max((places - 1) * stride + found.reach - length, 0)
        less, more = total // 2, total - total // 2
        padding = (less, more) if mode == "SAME_UPPER" else (more, less)
        return Convolution(kernel, bias, stride, dilation, padding)
    return found


def _check_options(node: Node, width: int, mode: str) -> None:
    """Refuse options that do not go with the kernel, or with each other."""
    for name, count in (("kernel_shape", 1), ("strides", 1), ("dilations", 1), ("pads", 2)):
        given = node.options.get(name)
        if given is not None and len(given) != count:
            raise ValueError(f"its {name} {given} do not go with 1 dimension")
    if node.options.get("kernel_shape", [width]) != [width]:
        raise ValueError(
            f"its kernel_shape {node.options['kernel_shape']} is not that of its weight, {width}"
        )
    if mode not in ("NOTSET", "VALID", *_SAME):
        raise ValueError(f"its padding {mode!r} is not read")
    if mode != "NOTSET" and any(node.options.get("pads", [])):
        raise ValueError(f"its padding is given twice: auto_pad {mode!r} and pads")


def after(signal: Signal, found: Convolution) -> tuple[int, Signal]:
    """Return the places that a convolution takes, and the shape of what it gives."""
    n_out, n_in, _ = found.kernel.shape
    if len(signal.sizes) != 3 or signal.batch != 0 or signal.sizes[1] not in (n_in, None):
        raise ValueError(
            f"takes signals of shape (samples, {n_in}, places), but gets {signal.sizes}"
        )
    length = signal.sizes[2]
    if length is None:
        raise ValueError(
            "the graph does not declare how long its signals are; export it without a dynamic axis there"
        )
    return length, Signal((signal.sizes[0], n_out, found.places(length)), 0)
