"""The shape of the samples that a chain with convolutions takes."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from .._util.validate import require_extra
from ._torch_steps import convolution

Start: TypeAlias = tuple[tuple[int, int] | None, tuple[int, ...]]
"""Channels and places of the signal (None: it is a row), and the shape in which the model takes it."""


def start(program: Any, given: Sequence[int] | None) -> Start:
    """Return the shape of one sample, as given or as the layers have it.

    Raises
    ------
    ValueError
        If it is not given, and the layers do not tell it.
    """
    layers, axis_first = _first_layers(program)
    if given is not None:
        shape = _checked(given)
        if not layers:
            return None, shape
        channels, length = layers[0].in_channels, math.prod(shape) // layers[0].in_channels
        if channels * length != math.prod(shape) or len(shape) == 2 and shape[0] != channels:
            raise ValueError(
                f"input_shape must have {channels} channels, as its first convolution, got {given}"
            )
        return (channels, length), shape
    if not layers:
        return None, ()
    channels, length = layers[0].in_channels, _length(layers)
    return (channels, length), () if axis_first else (channels, length)


def _checked(given: Sequence[int]) -> tuple[int, ...]:
    """Return a shape of one or two axes; ValueError for anything else."""
    try:
        shape = tuple(operator.index(n) for n in given)
    except TypeError:
        shape = ()
    if not 1 <= len(shape) <= 2 or min(shape) < 1:
        raise ValueError(
            f"input_shape must be (channels, places) or (entries,), positive integers, got {given!r}"
        )
    return shape


def _first_layers(program: Any) -> tuple[list[Any], bool]:
    """Return the convolutions and the linear layer after them, and whether an axis of channels is made first."""
    nn = require_extra("torch.nn", "torch", "reading a PyTorch module")
    found: list[Any] = []
    made = False
    for node, part in _parts(program):
        name = str(getattr(node.target, "__name__", node.target))
        if not found and name == "unsqueeze":
            made = True
        if isinstance(part, nn.Conv1d):
            found.append(part)
        elif isinstance(part, nn.Linear):
            return ([*found, part] if found else []), made
    return found, made


def _parts(program: Any) -> Iterator[tuple[Any, Any]]:
    for node in program.graph.nodes:
        module = node.op == "call_module"
        yield node, program.get_submodule(node.target) if module else None


def _length(layers: Sequence[Any]) -> int:
    """Return the only length of signals that the layers fit."""
    nn = require_extra("torch.nn", "torch", "reading a PyTorch module")
    channels = layers[0].in_channels
    last = layers[-1]
    if not isinstance(last, nn.Linear):
        raise ValueError(
            "no dense layer after its convolutions says how long its signals are; give "
            f"input_shape=({channels}, places)"
        )
    *parts, inner = layers[:-1]
    low = high = int(last.in_features) // int(inner.out_channels)
    for part in (inner, *reversed(parts)):
        low, high = convolution(part).lengths(low, high)
    if low > high or last.in_features % inner.out_channels:
        raise ValueError(
            f"its dense layer takes {last.in_features} numbers, which the convolutions before it, of "
            f"{inner.out_channels} channels, give for no length of signals"
        )
    if low < high:
        raise ValueError(
            f"its layers fit signals of {low} to {high} places; give the length, as in "
            f"input_shape=({channels}, {high})"
        )
    return low
