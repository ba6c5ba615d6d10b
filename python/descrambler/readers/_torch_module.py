"""Networks in the memory of PyTorch: any module whose forward pass is one chain."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._util.validate import require_extra
from ..errors import WeightFileError
from ..network._network import Network
from . import _torch_live as live
from ._build import blame, refuse_layer
from ._chain import Chain, Step
from ._compare import apart, check, leading, probes
from ._torch_shape import start
from ._torch_steps import Steps, of_function, of_module

Array = NDArray[Any]


def is_module(source: Any) -> bool:
    """Tell whether an object is a PyTorch module, without importing PyTorch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(source, torch.nn.Module)


def read(module: Any, input_shape: Sequence[int] | None = None) -> Network:
    """Read a network; see `descrambler.readers.load`."""
    inner = live.unwrapped(module)
    name = type(inner).__name__
    with live.quiet():
        twin = live.copied(inner, name)
        forward = _Forward(twin, name, input_shape)
        forward.walk()
        if any(part._forward_pre_hooks for part in twin.modules()):
            # These may compute weights anew, such as those of weight_norm.
            forward.run(next(probes(forward.layers())))
            forward.walk()
        chain = forward.chain()
        with blame(name):
            network = Network(chain.layers(), provenance=chain.provenance, notes=chain.notes)
        check(
            name,
            network.layers,
            forward.run,
            scaler=leading(step for _, steps in forward.found for step in steps),
            before=forward.before_last,
            explain=forward.explain,
        )
    return network


class _Forward:
    """The forward pass of a copy: its steps, and the numbers that pass between them."""

    def __init__(self, twin: Any, name: str, input_shape: Sequence[int] | None) -> None:
        self._twin, self._name = twin, name
        self._program = _traced(twin, name)
        self.found: list[tuple[Any, list[Step]]] = []
        with blame(name):
            self._start, self._shape = start(self._program, input_shape)

    def _empty(self) -> Chain:
        """Return the chain before the first step."""
        if self._start is None:
            return Chain()
        chain = Chain(self._start[0] * self._start[1])
        chain.places = self._start[1]
        return chain

    def chain(self, count: int | None = None) -> Chain:
        """Return all steps, or the first ones, in a chain."""
        chain = self._empty()
        for _, steps in self.found[:count]:
            chain.add(*steps)
        return chain

    def layers(self) -> list[Any]:
        """Return the layers of all steps."""
        with blame(self._name):
            return self.chain().layers()

    def walk(self) -> None:
        """Find what each step is; WeightFileError names the one that has no place in a chain."""
        self.found, chain, before = [], self._empty(), None
        known: dict[Any, Any] = {}  # constants
        sizes: set[Any] = set()  # numbers of rows and columns, not signals
        for node in self._program.graph.nodes:
            if node.op == "placeholder":
                if node.args:
                    known[node] = node.args[0]  # an argument that has a default
                    continue
                if before is not None:
                    raise refuse_layer(self._name, f"{node.name!r}: a second input")
                before = node
                continue
            inputs = [given for given in node.all_input_nodes if given not in known]
            if not inputs and node.op != "output":
                known[node] = self._constant(node, known)
            elif _is_size(node, inputs, sizes):
                sizes.add(node)
            elif [given for given in inputs if given not in sizes] != [before]:
                what = "does not take the output of the one before it"
                raise refuse_layer(self._name, f"{_place(node)}: {what}{self._hint()}")
            elif node.op != "output":
                steps = self._step(node, before, known, chain)
                with blame(self._name, _place(node)):
                    chain.add(*steps)
                self._note_shape(node, known, chain)
                self.found.append((node, steps))
                before = node

    def _constant(self, node: Any, known: dict[Any, Any]) -> Any:
        fx = require_extra("torch.fx", "torch", "reading a PyTorch module")
        interpreter = fx.Interpreter(self._program)
        interpreter.env = dict(known)
        try:
            return interpreter.run_node(node)
        # A step of the user's code.
        except Exception as error:
            raise WeightFileError(f"{self._name}, {_place(node)}: fails ({error})") from error

    def _step(self, node: Any, before: Any, known: dict[Any, Any], chain: Chain) -> list[Step]:
        """Return what one step of the forward pass is."""
        place = _place(node)
        if node.op == "call_module":
            part = self._program.get_submodule(node.target)
            place += f" ({part})"
            if "quant" in type(part).__module__ and not hasattr(part, "weight_fake_quant"):
                raise WeightFileError(f"{self._name}, {place}: {live.remedy(part)}")
            with blame(self._name, place):
                steps: Steps = of_module(part, chain)
        else:
            kind = getattr(node.target, "__name__", node.target)
            place += f" ({kind})"
            given = [known.get(a, a) if _hashable(a) else a for a in node.args]
            options = {k: known.get(a, a) if _hashable(a) else a for k, a in node.kwargs.items()}
            with blame(self._name, place):
                steps = of_function(kind, given, options, before, chain)
        if steps is None:
            what = "not a dense layer or a known activation"
            raise refuse_layer(self._name, f"{place}: {what}{self._hint()}")
        return steps

    def _hint(self) -> str:
        """Name the parts that compute more than their weights show."""
        found = live.remedies(self._twin)
        return f" ({found})" if found else ""

    def _note_shape(self, node: Any, known: dict[Any, Any], chain: Chain) -> None:
        """Keep the shape of a sample that a constant has, before the samples are made flat."""
        shapes = [tuple(getattr(known.get(a), "shape", ())) for a in node.all_input_nodes]
        for shape in shapes:
            if not self._shape and len(shape) > 2 and chain.width == int(np.prod(shape)):
                self._shape = shape[1:]

    def run(self, rows: Array) -> Array:
        """Return the outputs of the copy."""
        found = live.rows_of(self._tried(self._twin, rows))
        return np.empty(0) if found is None else found

    def _tried(self, program: Callable[[Any], Any], rows: Array) -> Any:
        try:
            return program(live.tensor(rows, self._twin, self._shape))
        # The forward pass is the user's code.
        except Exception as error:
            raise WeightFileError(
                f"{self._name}: it cannot be run on rows of {rows.shape[1]} numbers, so what was "
                f"read cannot be checked ({error}).{self._hint()}"
            ) from error

    def before_last(self, rows: Array) -> Array:
        """Return the signals that the last activation takes."""
        places = [k for k, (_, steps) in enumerate(self.found) if steps]
        inputs = self._signals(rows)
        return inputs[self.found[places[-1] - 1][0]] if len(places) > 1 else rows

    def _signals(self, rows: Array) -> dict[Any, Array]:
        """Return what each step gives, up to the first that fails."""
        fx = require_extra("torch.fx", "torch", "reading a PyTorch module")
        seen: dict[Any, Array] = {}

        class Watched(fx.Interpreter):  # type: ignore[name-defined, misc]
            def run_node(self, n: Any) -> Any:
                value = super().run_node(n)
                found = live.rows_of(value)
                if found is not None:
                    seen[n] = found.copy()  # before a later step writes to it
                return value

        self._tried(Watched(self._program).run, rows)
        return seen

    def explain(self) -> str:
        """Name the first step that gives something else than its layer, and what to do."""
        hint = self._hint().strip(" ()")
        for rows in probes(self.layers()):
            if not hint and not np.array_equal(self.run(rows), self.run(rows), equal_nan=True):
                return f"Its output is random; {self._random()}"
            signals = self._signals(rows)
            for count, (node, _) in enumerate(self.found, 1):
                part = self._layers_up_to(count)
                if part and node in signals and apart(part, rows, signals[node])[0] > 1:
                    return self._blamed(node)
        return hint or (
            "Its forward pass does more than its trace shows; pass the part of it that is a "
            "chain, or capture its dense layers with ds.interop.torch.capture"
        )

    def _random(self) -> str:
        for node, _ in self.found:
            if "dropout" in str(getattr(node.target, "__name__", "")):
                return f"{_place(node)}: give it training=self.training"
        return "descrambler reads what is the same at each run"

    def _layers_up_to(self, count: int) -> list[Any]:
        try:
            return self.chain(count).layers()
        except ValueError:
            return []  # no linear layer yet

    def _blamed(self, node: Any) -> str:
        text = ""
        if node.op == "call_module":
            part = self._program.get_submodule(node.target)
            room = type(part).__module__
            text = live.remedy(part) or (
                "with signals of this shape it is not the same for each sample as a row"
                if room.startswith("torch.nn.")
                else f"its class {room}.{type(part).__qualname__} computes something else; "
                "replace it by an nn.Linear that computes the same"
            )
        return f"First at {_place(node)}{text and ': '}{text}"


def _traced(twin: Any, name: str) -> Any:
    """Return the forward pass as a program of single steps."""
    torch = require_extra("torch", "torch", "reading a PyTorch module")
    fx = require_extra("torch.fx", "torch", "reading a PyTorch module")
    whole = (torch.nn.Linear, torch.nn.BatchNorm1d, torch.nn.Conv1d)

    class Tracer(fx.Tracer):  # type: ignore[name-defined, misc]
        def is_leaf_module(self, m: Any, module_qualified_name: str) -> bool:
            quantized = "quant" in type(m).__module__
            return quantized or isinstance(m, whole) or super().is_leaf_module(m, "")

    # In a container, since a single layer would be traced into.
    root = torch.nn.Sequential(twin)
    try:
        return fx.GraphModule(root, Tracer().trace(root))
    # The forward pass is the user's code, run with stand-ins for numbers.
    except Exception as error:
        hint = live.remedies(twin)
        raise WeightFileError(
            f"{name}: its forward pass cannot be traced ({error}){hint and '; '}{hint}; pass the "
            "part of it that is a chain, or capture its dense layers with ds.interop.torch.capture"
        ) from error


def _place(node: Any) -> str:
    """Name a step by the path of its module; a function by its name, and the module that calls it."""
    if node.op == "call_module":
        path = _path(node.target)
        return f"layer {path!r}" if path else "the module"
    around = _path(next(reversed(node.meta.get("nn_module_stack") or {"": ""})))
    return f"layer {node.name!r}" + (f" in {around!r}" if around else "")


def _path(target: str) -> str:
    """Return the path of a module without the container that it is traced in."""
    return target.removeprefix("0").removeprefix(".")


def _is_size(node: Any, inputs: list[Any], sizes: set[Any]) -> bool:
    """Tell whether a step gives a size or a dtype: ``x.size(0)``, ``x.shape`` or an entry of it."""
    if all(given in sizes for given in inputs):
        return bool(node.op != "output")
    if node.op == "call_method":
        return bool(node.target in ("size", "dim"))
    if getattr(node.target, "__name__", "") == "getattr":
        return bool(node.args[1] in ("shape", "dtype", "device", "ndim"))
    return False


def _hashable(value: Any) -> bool:
    return getattr(type(value), "__hash__", None) is not None and not isinstance(
        value, slice | tuple
    )
