"""Networks as `Network.save` writes them: arrays by key, and the layers in JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import WeightFileError
from ..network._layers import Unrolled
from ..network._network import Activation, Linear, Network, Renormalize
from ..network._saving import SCHEMA, entries
from ._build import Get, blame, linear, listing

TEXTS = ("layers", "provenance", "initial.layers", "initial.provenance")
"""Keys whose arrays are JSON."""

_MAX_TEXT = 2**22
_MAX_LAYERS = 10_000


def own(path: Path, keys: set[str], get: Get) -> Network:
    """Return the network and, where there is one, its initial network."""
    schema = _text(path, get, "schema")
    if schema != SCHEMA:
        raise WeightFileError(f"{path}, schema: {schema!r} is not known, only {SCHEMA!r}")
    initial = _network(path, keys, get, "initial.") if "initial.layers" in keys else None
    network = _network(path, keys, get, "", initial)
    # A key that is not read may be one that was meant: a bias under a damaged name, say.
    if stray := keys - {"schema", *entries(network)}:
        raise WeightFileError(f"{path}: unknown keys {listing(stray)}")
    return network


def _network(
    path: Path, keys: set[str], get: Get, prefix: str, initial: Network | None = None
) -> Network:
    described = _json(path, get, f"{prefix}layers", list)
    provenance = _json(path, get, f"{prefix}provenance", dict)
    if len(described) > _MAX_LAYERS:
        raise WeightFileError(
            f"{path}, {prefix}layers: names {len(described)} layers, more than {_MAX_LAYERS}"
        )
    convolutions = _convolutions(provenance)
    layers: list[Linear | Activation | Renormalize] = []
    k = 0
    for number, entry in enumerate(described, 1):
        what = f"{prefix}layers, number {number}"
        match entry:
            case {"type": "linear"}:
                k += 1
                name = f"{prefix}linear_{k}"
                bias = f"{name}.bias" if f"{name}.bias" in keys else None
                layer = linear(path, get, f"{name}.weight", bias)
                unrolled = entry.get("convolution") is True or k in convolutions
                layers.append(Unrolled(layer.weight, layer.bias) if unrolled else layer)
            case {"type": "activation", "name": str(name)}:
                with blame(path, what):
                    layers.append(Activation(name, entry.get("slope")))
            case {"type": "renormalise"}:
                layers.append(Renormalize())
            case _:
                raise WeightFileError(f"{path}, {what}: {entry!r} is not a known layer")
    with blame(path, f"{prefix}layers"):
        return Network(layers, initial, provenance)


def _convolutions(provenance: dict[str, Any]) -> set[Any]:
    """Return the numbers of the linear layers that are convolutions, as older files say it."""
    noted = provenance.get("convolutions")
    entries = noted if isinstance(noted, list) else []
    numbers = (entry.get("layer") for entry in entries if isinstance(entry, dict))
    return {number for number in numbers if isinstance(number, int)}


def check_text(path: Path, key: str, length: int) -> None:
    """Raise WeightFileError if a text is longer than any network needs."""
    if length > _MAX_TEXT + 2**10:  # what the header of an array may add
        raise WeightFileError(f"{path}, {key}: has more than {_MAX_TEXT} characters")


def _text(path: Path, get: Get, key: str) -> str:
    value = get(key)
    if value.ndim != 0 or value.dtype.kind != "U":
        raise WeightFileError(f"{path}, {key}: must be text, got {value.dtype} {value.shape}")
    return str(value)


def _json(path: Path, get: Get, key: str, kind: type) -> Any:
    text = _text(path, get, key)
    check_text(path, key, len(text))
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WeightFileError(f"{path}, {key}: not JSON ({error})") from error
    if not isinstance(value, kind):
        raise WeightFileError(f"{path}, {key}: must be a JSON {kind.__name__}, got {text[:40]!r}")
    return value
