"""The configuration of a Keras model as one chain of layers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import WeightFileError
from ._build import refuse_layer

ADVICE = (
    "descrambler reads chains of dense layers; if one part of the model is such a chain, save it "
    "by itself, as keras.Model(inputs, outputs).save('part.keras')"
)

MAX_LAYERS = 10_000


@dataclass(frozen=True)
class Config:
    """One layer: its class, its name, its options, the layers whose outputs it takes, its call.

    ``call`` holds what the layer is called with: `SIGNAL` for outputs of layers, and constants.
    """

    kind: str
    name: str
    options: Mapping[str, Any]
    sources: Sequence[str]
    call: Sequence[Any]

    @property
    def has_weights(self) -> bool:
        """Whether the file keeps weights of it."""
        if self.kind == "Normalization":
            return self.options.get("mean") is None
        return self.kind in ("Dense", "BatchNormalization", "PReLU")

    def __str__(self) -> str:
        return f"layer {self.name!r} ({self.kind})"


class _Signal:
    """In place of the output of a layer, among the arguments of another."""


SIGNAL = _Signal()


def refuse_keras(path: Path, what: str) -> WeightFileError:
    """Return the error for a model, or a layer, that has no place in a chain."""
    return refuse_layer(path, what, ADVICE)


def chain(path: Path, model: Any) -> tuple[list[Config], list[Config]]:
    """Return the layers in the order of the signal, and in that of the file."""
    kind, config = model["class_name"], model["config"]
    if kind not in ("Sequential", "Functional", "Model"):
        raise refuse_keras(path, f"the model: of class {kind!r}, neither Sequential nor Functional")
    given = config["layers"] if isinstance(config, dict) else config
    if len(given) > MAX_LAYERS:
        raise refuse_keras(path, f"the model: has {len(given)} layers")
    layers = [_layer(path, entry) for entry in given]
    if len({layer.name for layer in layers}) < len(layers):
        raise WeightFileError(f"{path}: two layers have the same name")
    if kind == "Sequential":
        return layers, layers
    return list(_linked(path, layers, _histories(config["output_layers"]))), layers


def _layer(path: Path, entry: Any) -> Config:
    kind, options = entry["class_name"], entry["config"]
    name = options["name"]
    if not isinstance(kind, str) or not isinstance(name, str):
        raise TypeError("the class or the name of a layer is no text")
    nodes = entry.get("inbound_nodes", [])
    if len(nodes) > 1:
        raise refuse_keras(path, f"layer {name!r} ({kind}): is used more than once")
    return Config(kind, name, options, _histories(nodes), _call(nodes[0]) if nodes else [])


def _histories(value: Any) -> list[str]:
    """Return the names of the layers whose outputs a configuration mentions."""
    match value:
        case ["_CONSTANT_VALUE", _, _, *rest]:
            return _histories(rest)
        case {"keras_history": [str(name), *_]}:
            return [name]
        case [str(name), int(), int(), *rest]:
            return [name, *_histories(rest)]
        case dict():
            return [name for part in value.values() for name in _histories(part)]
        case list():
            return [name for part in value for name in _histories(part)]
    return []


def _call(node: Any) -> list[Any]:
    """Return the arguments of a call in order: of Keras 3, or of the operations of Keras 2."""
    match node:
        case {"args": [*positional], "kwargs": {**named}}:
            return [_argument(value) for value in [*positional, *named.values()]]
        case ["_CONSTANT_VALUE", _, value, {"y": other, **_rest}]:
            return [value, _argument(other)]
        case [str(), int(), int(), {"y": other, **_rest}]:
            return [SIGNAL, _argument(other)]
        case [[str(), int(), int(), *_]]:
            return [SIGNAL]
    return [node]


def _argument(value: Any) -> Any:
    return SIGNAL if _histories(value) else value


def _linked(path: Path, layers: Sequence[Config], outputs: list[str]) -> Iterator[Config]:
    """Yield the layers of a functional model, from its one input to its one output."""
    takers: dict[str | None, list[Config]] = {}
    for layer in layers:
        if len(layer.sources) > 1:
            raise refuse_keras(path, f"{layer}: joins branches")
        takers.setdefault(layer.sources[0] if layer.sources else None, []).append(layer)
    last, count = None, 0
    while found := takers.get(last, []):
        if len(found) > 1 or count == len(layers):
            where = "the input" if last is None else f"layer {last!r}"
            names = ", ".join(str(layer) for layer in found)
            raise refuse_keras(path, f"{where}: the signal branches after it, to {names[:200]}")
        yield found[0]
        last, count = found[0].name, count + 1
    if count < len(layers) or outputs != [last]:
        raise refuse_keras(path, f"layer {last!r}: the chain ends, but not the model")
