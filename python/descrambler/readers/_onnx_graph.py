"""The graph of an ONNX file as one chain of steps, each with its constants."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ..errors import WeightFileError
from ._build import listing, refuse_layer

ADVICE = (
    "descrambler reads chains of dense layers; if one part of the graph is such a chain, save it "
    "as a file of its own with onnx.utils.extract_model"
)
MAX_COMPOSED = 16
"""Most operations that one activation may consist of; the longest known has 9."""


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
    unused: list[str]
    input: str
    shape: list[int | None] | None
    output: str

    def constant(self, node: Node, place: int) -> NDArray[Any]:
        """Return the constant that a node takes at one place."""
        name = node.inputs[place] if place < len(node.inputs) else ""
        if name in self.constants:
            return self.constants[name]
        why = "of a type that is not read" if name in self.unread else "not a constant"
        raise refuse_onnx(self.path, f"{node}: its input {name!r} is {why}")

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
                raise refuse_onnx(self.path, f"{nodes[0]}: part of a loop")
            done |= set(numbers)
            yield nodes, value
            value = nodes[-1].outputs[0]
        if value != self.output or len(done) < len(self.nodes):
            stray = [str(node) for k, node in enumerate(self.nodes) if k not in done]
            more = f" and {len(stray) - 1} more" if len(stray) > 1 else ""
            what = f"{stray[0]}{more}" if stray else f"output {self.output!r}"
            raise refuse_onnx(self.path, f"{what}: not part of one chain from input to output")

    def _meeting(self, value: str, takers: Mapping[str, Sequence[int]]) -> list[int]:
        """Return the numbers of the nodes between a value and the next one that all passes."""
        inside, waiting = {value}, set(takers[value])
        found: list[int] = []
        while waiting:
            number = min(waiting)
            node = self.nodes[number]
            if not all(
                name in inside or name in self.constants or not name for name in node.inputs
            ):
                if len(takers[value]) == 1:
                    return [number]  # the one who knows the operation says what it lacks
                break
            waiting.remove(number)
            found.append(number)
            if len(found) > MAX_COMPOSED:
                break
            if not waiting and node.outputs:
                return found
            inside |= set(node.outputs)
            waiting |= {k for name in node.outputs for k in takers.get(name, ())}
        names = listing(str(self.nodes[number]) for number in takers[value])
        long = f", to more than {MAX_COMPOSED} operations" if len(found) > MAX_COMPOSED else ""
        raise refuse_onnx(self.path, f"{value!r}: after it the signal branches{long}: {names}")


def graph(path: Path, arrays: Mapping[str, NDArray[Any]]) -> Graph:
    """Return the graph that `_onnx_child.contents` found."""
    found = json.loads(str(arrays["graph"]))
    constants = {name: arrays[str(k)] for k, name in enumerate(found["constants"])}
    inputs, outputs = found["inputs"], found["outputs"]
    _check_names(path, [*found["names"], *(entry[0] for entry in inputs)])
    if len(inputs) != 1 or len(outputs) != 1:
        names = f"{listing(entry[0] for entry in inputs)} -> {listing(outputs)}"
        raise refuse_onnx(
            path, f"the graph: it has {len(inputs)} inputs and {len(outputs)} outputs ({names})"
        )
    nodes = [Node(**node) for node in found["nodes"]]
    (name, shape), (output,) = inputs[0], outputs
    return Graph(path, nodes, constants, set(found["unread"]), found["unused"], name, shape, output)


def refuse_onnx(path: Path, what: str) -> WeightFileError:
    """Return the error for a graph, or an operation, that has no place in a chain."""
    return refuse_layer(path, what, ADVICE)


def _check_names(path: Path, names: Sequence[str]) -> None:
    if len(set(names)) < len(names):
        twice = min(name for name, count in Counter(names).items() if count > 1)
        raise WeightFileError(f"{path}, {twice!r}: two values have this name")
