"""State dicts: weights by the names of layers, in safetensors and PyTorch files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from .._util.validate import find_extra
from ..errors import WeightFileError
from ..network._layers import BatchNorm, Layer, Linear
from ..network._network import Activation, Network
from . import _isolated
from ._build import (
    Activations,
    blame,
    linear,
    listing,
    lookup,
    named_activations,
    plain,
    refuse_integers,
    refuse_layer,
)

_FOLDER = Path(__file__).parent
_LINEAR = {"weight", "bias"}
_BATCH_NORM = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}

Arrays = Mapping[str, NDArray[Any]]


def read_safetensors(path: Path, activations: Activations = None) -> Network:
    """Read a network; see `descrambler.readers.load`."""
    find_extra("safetensors", "safetensors", f"reading {path}")
    arrays = _isolated.read(path, "safetensors", _FOLDER / "_safetensors_child.py")
    return _network(path, arrays, activations, ordered=False)


def read_torch(path: Path, activations: Activations = None) -> Network:
    """Read a network; see `descrambler.readers.load`."""
    find_extra("torch", "torch", f"reading {path}")
    arrays = _isolated.read(path, "PyTorch", _FOLDER / "_torch_child.py")
    return _network(path, arrays, activations, ordered=True)


def _network(path: Path, arrays: Arrays, activations: Activations, *, ordered: bool) -> Network:
    with blame(path):
        if "W1" in arrays:
            return Network(plain(path, arrays, partial(_get, path, arrays), activations))
        return Network(_layers(path, arrays, activations, ordered=ordered))


def _get(path: Path, arrays: Arrays, key: str) -> NDArray[Any]:
    return refuse_integers(path, key, lookup(path, arrays, key))


def _layers(path: Path, arrays: Arrays, activations: Activations, *, ordered: bool) -> list[Layer]:
    """Return the layers in the order of the file, of their numbers or of the caller."""
    fields: dict[str, set[str]] = {}
    for key in arrays:
        name, _, field = key.rpartition(".")
        fields.setdefault(name, set()).add(field)
    found = {name: _layer(path, arrays, name, fields[name]) for name in fields}
    names = [name for name, layer in found.items() if isinstance(layer, Linear)]
    if not names:
        raise WeightFileError(f"{path}: no weights of dense layers; found {listing(arrays)}")
    functions = _functions(path, found, names, activations, ordered=ordered)
    layers = [part for name, function in functions.items() for part in (found[name], function)]
    if len(names) == len(found):
        return layers
    # A batch norm folds into a linear layer next to it.
    return [layer for layer in layers if layer != Activation("identity")]


def _layer(path: Path, arrays: Arrays, name: str, fields: set[str]) -> Layer:
    prefix = f"{name}." if name else ""
    get = partial(_get, path, arrays)
    if {"running_mean", "running_var"} <= fields <= _BATCH_NORM:
        keys = [f"{prefix}{field}" for field in ("running_mean", "running_var", "weight", "bias")]
        numbers = [get(key) if key in arrays else None for key in keys]
        with blame(path, name):
            return BatchNorm(*numbers)  # type: ignore[arg-type]
    if not {"weight"} <= fields <= _LINEAR:
        raise refuse_layer(path, f"{name}: not a dense layer; it has {listing(fields)}")
    rank = arrays[f"{prefix}weight"].ndim
    if rank != 2:
        kind = "a normalization of each sample" if rank == 1 else "a convolution"
        raise refuse_layer(path, f"{name}: its weight has {rank} dimension(s), as {kind} has")
    return linear(path, get, f"{prefix}weight", f"{prefix}bias" if "bias" in fields else None)


def _functions(
    path: Path,
    found: Mapping[str, Layer],
    names: list[str],
    activations: Activations,
    *,
    ordered: bool,
) -> dict[str, Activation]:
    """Return the activation after each layer, in the order of the signal."""
    example = 'as in activations={"fc1": "tanh", "fc2": "identity"}'
    if isinstance(activations, Mapping):
        if set(activations) != set(found):
            raise WeightFileError(
                f"{path}: activations must name each of {listing(found)}; "
                f"got {listing(map(str, activations))}"
            )
        with blame(path, "activations"):
            return {name: Activation(function) for name, function in activations.items()}
    if len(names) < len(found):
        raise WeightFileError(
            f"{path}: batch norms may stand before or after an activation, so activations must "
            f"name every layer in its order, {example}; it has {listing(found)}"
        )
    if not ordered:
        if len({re.sub("[0-9]+", "", name) for name in names}) > 1:
            raise WeightFileError(
                f"{path}: safetensors keep no order of the layers, and their names are more than "
                f"numbers, so activations must name every layer in its order, {example}; "
                f"it has {listing(names)}"
            )
        names = sorted(names, key=lambda name: [int(n) for n in re.findall("[0-9]+", name)])
    return dict(zip(names, named_activations(path, activations, len(names)), strict=True))
