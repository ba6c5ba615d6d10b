"""Reshapes whose target exporters compute from the shape of the signal, as of x.view(len(x), -1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ._onnx_graph import Graph, Node
from ._signal import Signal

_OPERATIONS = {"Cast", "Concat", "Gather", "Identity", "Shape", "Slice", "Squeeze", "Unsqueeze"}
_COPY = 0
"""In place of the number of samples, where it is not declared: what a Reshape copies."""


def reshaped(found: Graph, nodes: Sequence[Node], value: str, signal: Signal) -> Signal | None:
    """Return the shape after nodes that compute a shape and end in a Reshape; None for others."""
    last = nodes[-1]
    if last.type != "Reshape" or last.inputs[:1] != [value] or last.options.get("allowzero"):
        return None
    known: dict[str, list[int]] = {}
    for node in nodes[:-1]:
        result = _computed(found, node, value, signal, known)
        if result is None or not node.outputs:
            return None
        known[node.outputs[0]] = result
    target = known.get(last.inputs[1]) if len(last.inputs) > 1 else None
    # A size that is copied must stand where it came from: as the first, that of the samples.
    return None if target is None or _COPY in target[1:] else signal.reshape(target)


def _computed(
    found: Graph, node: Node, value: str, signal: Signal, known: Mapping[str, list[int]]
) -> list[int] | None:
    """Return the sizes that one node gives, as a list also of one; None if that is not known."""
    if node.type not in _OPERATIONS:
        return None
    if node.type == "Shape":
        return _sizes(signal) if node.inputs == [value] and not node.options else None
    given = [
        known[name] if name in known else _constant(found, name) for name in node.inputs if name
    ]
    if not given or any(part is None for part in given):
        return None
    first: Any = given[0]
    match node.type, given:
        case "Concat", _:
            return [n for part in given for n in part or ()]
        case "Gather", [_, [place]] if -len(first) <= place < len(first):
            return [first[place]]
        case "Slice", [_, [start], [end], *rest] if rest in ([], [[0]], [[0], [1]]):
            sliced: list[int] = first[start:end]
            return sliced
        case "Cast" | "Identity" | "Squeeze" | "Unsqueeze", _:
            whole: list[int] = first
            return whole
    return None


def _sizes(signal: Signal) -> list[int] | None:
    """Return the sizes of a signal, of which only the number of samples may be unknown."""
    if signal.batch != 0 or None in signal.sizes[1:]:
        return None
    return [_COPY if n is None else n for n in signal.sizes]


def _constant(found: Graph, name: str) -> list[int] | None:
    constant = found.constants.get(name)
    if constant is None or constant.dtype.kind not in "iu" or constant.size > 64:
        return None
    return [int(n) for n in constant.ravel()]
