"""State dicts: weights by the names of layers, in safetensors and PyTorch files."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from .._util.validate import find_extra
from ..errors import WeightFileError
from ..network._layers import BatchNorm, Linear
from ..network._network import Activation, Network
from . import _isolated, _torch_child
from ._build import (
    Activations,
    Source,
    blame,
    check_unread,
    listing,
    lookup,
    named_activations,
    plain,
    refuse_integers,
)
from ._chain import Chain, Step
from ._state_dict_layers import layer, parts

_FOLDER = Path(__file__).parent

# Names of parts that take the same signal.
_TOWERS = (
    ("actor", "critic"), ("generator", "discriminator"), ("online", "target"), ("pi", "v"),
    ("pi", "vf"), ("policy", "value"), ("student", "teacher"), ("mu", "logvar"), ("mean", "std"),
)  # fmt: skip

_FIRST = {"first", "in", "input", "stem"}
_LAST = {"final", "head", "last", "out", "output"}
"""Words in the names of the layers that come first and last."""

Arrays = Mapping[str, NDArray[Any]]


def read_safetensors(path: Path, activations: Activations, prefix: str | None = None) -> Network:
    """Read a network; see `descrambler.readers.load`."""
    _refuse_shard(path)
    find_extra("safetensors", "safetensors", f"reading {path}")
    arrays = _isolated.read(path, "safetensors", _FOLDER / "_safetensors_child.py")
    if prefix is not None:
        head = f"{prefix.rstrip('.')}."
        arrays = {k.removeprefix(head): v for k, v in arrays.items() if k.startswith(head)}
        if not arrays:
            raise WeightFileError(f"{path}: holds no tensors under prefix={prefix!r}")
    return _network(path, arrays, activations, ordered=False)


def read_torch(path: Path, activations: Activations, prefix: str | None = None) -> Network:
    """Read a network; see `descrambler.readers.load`."""
    _refuse_shard(path)
    find_extra("torch", "torch", f"reading {path}")
    arrays = _isolated.read(path, "PyTorch", _FOLDER / "_torch_child.py", prefix=prefix)
    return _network(path, arrays, activations, ordered=True)


def is_mapping(source: Any) -> bool:
    """Tell whether an object is a state dict, or a checkpoint that holds one."""
    if "torch" not in sys.modules or not isinstance(source, Mapping):
        return False
    return any(_torch_child.is_tensor(value) for _, value in _torch_child.leaves(source))


def read_mapping(source: Any, activations: Activations, prefix: str | None = None) -> Network:
    """Read a network from tensors in memory; see `descrambler.readers.load`."""
    name = "the state dict"
    try:
        found = _torch_child.chosen(source, prefix)
        arrays = {key: _torch_child.array(key, value.cpu()) for key, value in found.items()}
    except _torch_child.Refused as error:
        raise WeightFileError(f"{name}: {error}") from None
    return _network(name, arrays, activations, ordered=True)


def _refuse_shard(path: Path) -> None:
    """Refuse one file of a model that was saved in several."""
    found = re.search(r"-0*(\d+)-of-0*(\d+)\.", path.name)
    if found and int(found[2]) > 1:
        raise WeightFileError(
            f"{path}: part {found[1]} of a model in {found[2]} files; load the whole model with "
            "the library that saved it, and save its state dict as one file"
        )


def _network(source: Source, arrays: Arrays, activations: Activations, *, ordered: bool) -> Network:
    with blame(source):
        if "W1" in arrays:
            layers = plain(source, arrays, partial(_get, source, arrays), activations)
            weights = re.compile("[Wb][1-9][0-9]*")
            unread = {k: v for k, v in arrays.items() if not weights.fullmatch(k)}
            return Network(layers, notes=check_unread(source, unread))
        chain = Chain()
        for name, steps in _layers(source, arrays, activations, ordered=ordered):
            with blame(source, name):
                chain.add(*steps)
        return Network(chain.layers(), notes=chain.notes)


def _get(source: Source, arrays: Arrays, key: str) -> NDArray[Any]:
    return refuse_integers(source, key, lookup(source, arrays, key))


def _layers(
    source: Source, arrays: Arrays, activations: Activations, *, ordered: bool
) -> list[tuple[str, list[Step]]]:
    """Return the layers in the order of the file, of their numbers or of the caller."""
    fields = parts(arrays)
    found = {name: layer(source, arrays, name, fields[name]) for name in fields}
    names = [name for name, part in found.items() if isinstance(part, Linear)]
    if not names:
        raise WeightFileError(f"{source}: no weights of dense layers; found {listing(arrays)}")
    functions = _functions(source, found, names, activations, ordered=ordered)
    if not isinstance(activations, Mapping):
        _check_towers(source, found, list(functions))
    # A batch norm with the activation identity still folds into a linear layer next to it.
    return [
        (name, [found[name], *([] if function.name == "identity" else [function])])
        for name, function in functions.items()
    ]


def _check_towers(
    source: Source, found: Mapping[str, Linear | BatchNorm], names: list[str]
) -> None:
    """Refuse layers in a row that may be two networks side by side, such as actor and critic."""
    parts = [(name, found[name]) for name in names]
    linears = [(name, part) for name, part in parts if isinstance(part, Linear)]
    first, n_in = linears[0][0].rpartition(".")[0], linears[0][1].n_in
    advice = (
        "read one part with prefix=, or name the layers in the order of the signal, as in "
        'activations={"fc1": "tanh", "fc2": "identity"}'
    )
    words = [set(re.split(r"[._]|(?<=\D)(?=\d)", name)) for name in names]
    if odd := _out_of_order(names):
        raise WeightFileError(
            f"{source}: {odd[1]} stands before {odd[0]} in the file, so its order may not be that "
            f"of the signal; {advice}"
        )
    for left, right in _TOWERS:
        if any(left in name for name in words) and any(right in name for name in words):
            raise WeightFileError(
                f"{source}: holds {left} and {right}, which may be two networks side by side; {advice}"
            )
    for (before, one), (name, two) in pairwise(linears):
        room = name.rpartition(".")[0]
        if one.n_out != two.n_in:
            raise WeightFileError(
                f"{source}: {name} takes {two.n_in} inputs, and {before} before it gives "
                f"{one.n_out}, so these are no chain in the order of the file; {advice}"
            )
        if room not in (before.rpartition(".")[0], first) and two.n_in == n_in and "." in name:
            raise WeightFileError(
                f"{source}: {linears[0][0]} and {name} take {n_in} inputs each, so they may begin "
                f"two networks side by side; {advice}"
            )


def _out_of_order(names: list[str]) -> tuple[str, str] | None:
    """Return two layers whose names say that the first comes first, where the file has the second."""
    for k, later in enumerate(names):
        for name in names[k + 1 :]:
            numbers = [[int(n) for n in re.findall("[0-9]+", text)] for text in (name, later)]
            alike = re.sub("[0-9]+", "", name) == re.sub("[0-9]+", "", later)
            # The first layer of a decoder may well follow the last of an encoder.
            (place, own), (other, its) = (text.rpartition(".")[::2] for text in (name, later))
            first, last = (set(re.split("[_0-9]+", text)) for text in (own, its))
            if (alike and numbers[0] < numbers[1]) or (
                not alike
                and place == other
                and (first & _FIRST or last & _LAST)
                and not (first & _LAST or last & _FIRST)
            ):
                return name, later
    return None


def _functions(
    path: Source,
    found: Mapping[str, Linear | BatchNorm],
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
                f"got {listing(map(str, activations))}. prefix= reads one part of a file"
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
