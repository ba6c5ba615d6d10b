"""The graph of an ONNX file as one chain of steps, each with its constants."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import WeightFileError
from ._build import refuse_layer

_MAX_TEXT = 2**24  # characters


@dataclass(frozen=True)
class Node:
    """One operation: names of the values it takes and gives, and its options."""

    name: str
    type: str
    inputs: list[str]
    outputs: list[str]
    options: dict[str, Any]
    other: list[str]

    def __str__(self) -> str:
        return f"layer {self.name!r} ({self.type})"


@dataclass(frozen=True)
class Graph:
    """Nodes in the order of the file, and the values that are constants."""

    path: Path
    nodes: list[Node]
    constants: dict[str, NDArray[Any]]
    unread: set[str]
    input: str
    shape: list[int | None] | None
    output: str

    def constant(self, node: Node, place: int) -> NDArray[Any]:
        """Return the constant that a node takes at one place."""
        name = node.inputs[place] if place < len(node.inputs) else ""
        if name in self.constants:
            return self.constants[name]
        why = "of a type that is not read" if name in self.unread else "not a constant"
        raise refuse_layer(self.path, f"{node}: its input {name!r} is {why}")

    def chain(self) -> Iterator[tuple[list[Node], str]]:
        """Yield the nodes from one value of the chain to the next, and the name of the first.

        These are one node, or several where the signal branches and comes together again.
        """
        takers: dict[str, list[int]] = {}
        for number, node in enumerate(self.nodes):
            for name in dict.fromkeys(node.inputs):
                takers.setdefault(name, []).append(number)
        value, done = self.input, set[int]()
        while takers.get(value):
            numbers = self._meeting(value, takers)
            nodes = [self.nodes[number] for number in numbers]
            if done & set(numbers):
                raise refuse_layer(self.path, f"{nodes[0]}: part of a loop")
            done |= set(numbers)
            yield nodes, value
            value = nodes[-1].outputs[0]
        if value != self.output or len(done) < len(self.nodes):
            stray = [str(node) for k, node in enumerate(self.nodes) if k not in done]
            what = stray[0] if stray else f"output {self.output!r}"
            raise refuse_layer(self.path, f"{what}: not part of one chain from input to output")

    def _meeting(self, value: str, takers: Mapping[str, Sequence[int]]) -> list[int]:
        """Return the numbers of the nodes between a value and the next one that all passes."""
        inside, waiting = {value}, set(takers[value])
        found: list[int] = []
        for number in range(min(waiting), len(self.nodes)):
            if number not in waiting:
                continue
            node = self.nodes[number]
            if not all(
                name in inside or name in self.constants or not name for name in node.inputs
            ):
                if len(takers[value]) == 1:
                    return [number]  # the one who knows the operation says what it lacks
                break
            waiting.remove(number)
            found.append(number)
            if not waiting and node.outputs:
                return found
            inside |= set(node.outputs)
            waiting |= {k for name in node.outputs for k in takers.get(name, ())}
        raise refuse_layer(
            self.path, f"{self.nodes[min(takers[value])]}: after it the signal branches"
        )


def graph(path: Path, arrays: Mapping[str, NDArray[Any]]) -> Graph:
    """Return the graph that `_onnx_child.contents` found."""
    text = arrays["graph"]
    if text.ndim != 0 or text.dtype.itemsize > 4 * _MAX_TEXT:
        raise WeightFileError(f"{path}: not a chain of dense layers, but a graph without end")
    found = json.loads(str(text))
    constants = {name: arrays[str(k)] for k, name in enumerate(found["constants"])}
    nodes = [Node(**node) for node in found["nodes"]]
    inputs = [entry for entry in found["inputs"] if entry[0] not in constants]
    _check_names(path, nodes, [*found["constants"], *(entry[0] for entry in inputs)])
    if len(inputs) != 1 or len(found["outputs"]) != 1:
        raise refuse_layer(
            path, f"the graph: it has {len(inputs)} inputs and {len(found['outputs'])} outputs"
        )
    (name, shape), (output,) = inputs[0], found["outputs"]
    nodes = [node for node in nodes if not _computed(node, constants)]
    return Graph(path, nodes, constants, set(found["unread"]), name, shape, output)


def _check_names(path: Path, nodes: Sequence[Node], known: Sequence[str]) -> None:
    names = [*known, *(name for node in nodes for name in node.outputs if name)]
    twice = (
        {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else ()
    )
    if twice:
        raise WeightFileError(f"{path}, {min(twice)!r}: two values have this name")


def _computed(node: Node, constants: dict[str, NDArray[Any]]) -> bool:
    """Compute what exporters leave to be computed of constants; tell whether this was done."""
    if len(node.inputs) != 1 or len(node.outputs) != 1 or node.inputs[0] not in constants:
        return False
    given = constants[node.inputs[0]]
    match node.type, node.options:
        case "Identity", _:
            result = given
        case "Transpose", _ if given.ndim == 2 and node.options.get("perm", [1, 0]) == [1, 0]:
            result = given.T
        case "Cast", {"to": 1 | 11 as to}:
            result = given.astype(np.float32 if to == 1 else np.float64)
        case _:
            return False
    constants[node.outputs[0]] = result
    return True
