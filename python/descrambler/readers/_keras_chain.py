"""The configuration of a Keras model as one chain of layers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import WeightFileError
from ._build import refuse_layer


@dataclass(frozen=True)
class Config:
    """One layer: its class, its name, its options, and the layers whose outputs it takes."""

    kind: str
    name: str
    options: Mapping[str, Any]
    sources: Sequence[str]


def chain(path: Path, model: Any) -> list[tuple[Config, str]]:
    """Return the layers in the order of the signal, each with its group in a .keras file."""
    kind, config = model["class_name"], model["config"]
    if kind not in ("Sequential", "Functional", "Model"):
        raise refuse_layer(path, f"the model: of class {kind!r}, neither Sequential nor Functional")
    given = config["layers"] if isinstance(config, dict) else config
    layers = [_layer(path, entry) for entry in given]
    places = dict(zip([layer.name for layer in layers], _places(layers), strict=True))
    if len(places) < len(layers):
        raise WeightFileError(f"{path}: two layers have the same name")
    if kind != "Sequential":
        layers = list(_linked(path, layers, _histories(config["output_layers"])))
    _check_rows(path, layers)
    return [(layer, places[layer.name]) for layer in layers]


def _layer(path: Path, entry: Any) -> Config:
    kind, options = entry["class_name"], entry["config"]
    name = options["name"]
    if not isinstance(kind, str) or not isinstance(name, str):
        raise TypeError("the class or the name of a layer is no text")
    nodes = entry.get("inbound_nodes", [])
    if len(nodes) > 1:
        raise refuse_layer(path, f"layer {name!r} ({kind}): is used more than once")
    return Config(kind, name, options, _histories(nodes))


def _histories(value: Any) -> list[str]:
    """Return the names of the layers whose outputs a configuration mentions."""
    match value:
        case {"keras_history": [str(name), *_]} | [str(name), int(), int(), *_]:
            return [name]
        case dict():
            return [name for part in value.values() for name in _histories(part)]
        case list():
            return [name for part in value for name in _histories(part)]
    return []


def _linked(path: Path, layers: Sequence[Config], outputs: list[str]) -> Iterator[Config]:
    """Yield the layers of a functional model, from its one input to its one output."""
    takers: dict[str | None, list[Config]] = {}
    for layer in layers:
        if len(layer.sources) > 1:
            raise refuse_layer(path, f"layer {layer.name!r} ({layer.kind}): joins branches")
        takers.setdefault(layer.sources[0] if layer.sources else None, []).append(layer)
    last, count = None, 0
    while found := takers.get(last, []):
        if len(found) > 1 or count == len(layers):
            where = "the input" if last is None else f"layer {last!r}"
            raise refuse_layer(path, f"{where}: the signal branches after it")
        yield found[0]
        last, count = found[0].name, count + 1
    if count < len(layers) or outputs != [last]:
        raise refuse_layer(path, f"layer {last!r}: the chain ends, but not the model")


def _check_rows(path: Path, layers: Sequence[Config]) -> None:
    """Check that signals are rows: declared so, or made flat before anything else."""
    for layer in layers:
        shape = layer.options.get("batch_shape", layer.options.get("batch_input_shape"))
        if shape is not None and len(shape) != 2:
            first = next((other.kind for other in layers if other.kind != "InputLayer"), None)
            if first != "Flatten":
                raise refuse_layer(path, f"layer {layer.name!r}: takes signals of shape {shape}")


def _places(layers: Sequence[Config]) -> list[str]:
    """Return the groups in which .keras files keep layers: the class, numbered from the second."""
    seen: Counter[str] = Counter()
    found = []
    for layer in layers:
        words = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=.)(?=[A-Z][a-z])", "_", layer.kind).lower()
        found.append(f"{words}_{seen[words]}" if seen[words] else words)
        seen[words] += 1
    return found
