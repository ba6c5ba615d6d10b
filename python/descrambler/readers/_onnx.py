"""Networks in ONNX files."""

from __future__ import annotations

from pathlib import Path

from .._util.validate import find_extra
from ..network._network import Activation, Network
from . import _isolated
from ._build import Activations, blame, listing, malformed, refuse_activations
from ._chain import Chain, arithmetic
from ._onnx_forms import SIGNAL, Term, Terms
from ._onnx_graph import Graph, Node, graph, refuse_onnx
from ._onnx_shapes import reshaped
from ._onnx_steps import State, step
from ._signal import of_input
from ._verify import NotVerified, Runtime, verified

_READER = Path(__file__).with_name("_onnx_child.py")
_RUNTIME = Runtime(
    "ONNX Runtime", ("onnxruntime",), ".onnx", Path(__file__).with_name("_onnx_verify_child.py")
)


def read(path: Path, activations: Activations = None) -> Network:
    """Read a network; see `descrambler.readers.load`."""
    return _read(path, activations)[0]


def read_verified(path: Path, activations: Activations = None) -> Network:
    """Read a network, and compare it with ONNX Runtime on the same file."""
    network, state = _read(path, activations)
    if state.inexact is not None:
        raise NotVerified(
            f"{path}: not verified, since ONNX Runtime computes {state.inexact} inexactly; load it "
            "without verify=True"
        )
    values = [state.value] if state.before is None else [state.value, state.before]
    start = of_input(state.graph.shape, columns=_weights_first(state.graph))
    batch = [start.batch, state.end]
    sizes = None if state.graph.shape is None else list(start.sizes)
    return verified(
        path, network, _RUNTIME, state.chain.scaler, values=values, sizes=sizes, batch=batch
    )


def _read(path: Path, activations: Activations) -> tuple[Network, State]:
    refuse_activations(path, activations)
    find_extra("onnx", "onnx", f"reading {path}")
    arrays = _isolated.read(path, ".onnx", _READER)
    with malformed(path, ".onnx"):
        found = graph(path, arrays)
        state = _walk(found)
    if found.unused:
        state.chain.notes.append(f"not used by any operation: {listing(found.unused)}")
    with blame(path):
        chain = state.chain
        return Network(chain.layers(), provenance=chain.provenance, notes=chain.notes), state


def _walk(found: Graph) -> State:
    """Return what the operations of a graph make, one after another."""
    signal = of_input(found.shape, columns=_weights_first(found))
    state = State(found, Chain(signal.width), signal, found.input)
    terms: Terms | None = None
    for nodes, value in found.chain():
        if state.dropped is None:
            state.value, state.end = value, state.signal.batch
        length = state.chain.length
        with blame(found.path, str(nodes[-1])):
            if len(nodes) == 1 and nodes[0].inputs.count(value) < 2:
                step(state, nodes[0], value)
            elif (shape := reshaped(found, nodes, value, state.signal)) is not None:
                state.signal = shape
            else:
                terms = Terms() if terms is None else terms
                _composed(state, nodes, value, terms)
        if state.chain.length != length:
            state.before = value if state.chain.length == length + 1 else None
    if state.dropped is None:
        state.value, state.end = found.output, state.signal.batch
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
