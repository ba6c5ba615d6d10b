"""Networks in ONNX files."""

from __future__ import annotations

from pathlib import Path

from .._util.validate import find_extra
from ..network._network import Activation, Network
from . import _isolated
from ._build import Activations, blame, malformed, refuse_activations
from ._chain import Chain, arithmetic
from ._onnx_forms import SIGNAL, Term, Terms
from ._onnx_graph import Graph, Node, graph, refuse_onnx
from ._onnx_steps import State, step
from ._signal import of_input

_READER = Path(__file__).with_name("_onnx_child.py")


def read(path: Path, activations: Activations = None) -> Network:
    """Read a network; see `descrambler.readers.load`."""
    refuse_activations(path, activations)
    return read_until(path)[0]


def read_until(path: Path) -> tuple[Network, str]:
    """Return a network, and the name of the value that it computes, most often the output."""
    find_extra("onnx", "onnx", f"reading {path}")
    arrays = _isolated.read(path, ".onnx", _READER)
    with malformed(path, ".onnx"):
        found = graph(path, arrays)
        state = _walk(found)
    with blame(path):
        return Network(state.chain.layers()), state.value


def _walk(found: Graph) -> State:
    """Return what the operations of a graph make, one after another."""
    signal = of_input(found.shape, columns=_weights_first(found))
    state = State(found, Chain(signal.width), signal, found.input)
    terms: Terms | None = None
    for nodes, value in found.chain():
        state.value = value if state.dropped is None else state.value
        with blame(found.path, str(nodes[-1])):
            if len(nodes) == 1 and nodes[0].inputs.count(value) < 2:
                step(state, nodes[0], value)
            else:
                terms = Terms() if terms is None else terms
                _composed(state, nodes, value, terms)
    if state.dropped is None:
        state.value = found.output
    return state


def _weights_first(found: Graph) -> bool:
    """Tell whether the first weights are on the left of the signal, W x."""
    turned = False
    for node in found.nodes:
        turned ^= node.type == "Transpose"
        if node.type in ("Gemm", "MatMul") and len(node.inputs) > 1:
            options = node.options
            if node.inputs[0] in found.constants:
                return not bool(options.get("transB")) ^ turned
            return bool(options.get("transA")) ^ turned
    return False


def _composed(state: State, nodes: list[Node], value: str, terms: Terms) -> None:
    """Add the activation that several nodes make, and the factor that stands before it."""
    known: dict[str, Term] = {value: SIGNAL}
    result: Term | None = None
    try:
        for node in nodes:
            options = {} if node.other else node.options
            given = [_term(state.graph, known, name) for name in node.inputs if name]
            result = terms.apply(node.type, options, given)
            known[node.outputs[0]] = result
    except (ArithmeticError, _NoTerm):
        result = None
    match = None if result is None else terms.name(result)
    if match is None:
        names = ", ".join(str(node) for node in nodes[:4]) + (", ..." if len(nodes) > 4 else "")
        raise refuse_onnx(
            state.graph.path,
            f"{value!r}: after it the signal branches, and {names} make no known activation",
        )
    name, factor = match
    state.refuse_after_drop(nodes[0])
    if name != "identity":
        state.chain.add(Activation(name))
    if factor != 1:
        state.chain.add(arithmetic("mul", factor))


class _NoTerm(Exception):
    """A value that is no number and is not made of the signal."""


def _term(found: Graph, known: dict[str, Term], name: str) -> Term:
    if name in known:
        return known[name]
    constant = found.constants.get(name)
    if constant is None or constant.size != 1:
        raise _NoTerm
    return float(constant.item()), ()
