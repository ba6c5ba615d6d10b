"""Networks in MATLAB 5 files: weights alone, shallow networks, SeriesNetwork objects."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from .._util.files import open_regular
from .._util.validate import require_extra
from ..errors import WeightFileError
from ..network._network import Network
from . import _isolated, _series, _shallow
from ._build import (
    Activations,
    Reading,
    blame,
    check_unread,
    listing,
    lookup,
    plain,
    refuse_activations,
)
from ._chain import Chain
from ._mat_child import CLASS, NEEDS_MATIO
from ._own import own

_READER = Path(__file__).with_name("_mat_child.py")


def read(path: Path, activations: Activations = None) -> Network:
    """Read a network; see `descrambler.readers.load`."""
    arrays = read_matlab(path)
    get = Reading(path, arrays)
    series = [key.removesuffix(CLASS) for key in arrays if _series.is_network(key, arrays[key])]
    shallow = [found[1] for key in arrays if (found := re.fullmatch(r"((?:\w+\.)?)IW\{1,1\}", key))]
    if len(series) + len(shallow) > 1:
        names = [name.rstrip(".") or "IW" for name in series + shallow]
        raise WeightFileError(f"{path}: holds several networks: {listing(names)}")
    with blame(path):
        if series:
            refuse_activations(path, activations)
            chain = _series.chain(path, arrays, get, series[0])
            return _network(path, chain, get, series[0], _series.is_part)
        if shallow:
            chain = _shallow.chain(path, arrays, get, shallow[0], activations)
            return _network(path, chain, get, shallow[0].rstrip("."), _shallow.is_part)
        if "schema" in arrays and "layers" in arrays:
            refuse_activations(path, activations)
            mine = {_own_key(key): _scalar(value) for key, value in arrays.items()}
            return own(path, set(mine), partial(lookup, path, mine))
        if "W1" in arrays:
            layers = plain(path, arrays, get, activations)
            return Network(layers, notes=check_unread(path, get.unread()))
    if NEEDS_MATIO in arrays:
        require_extra("matio", "matlab", f"reading the MATLAB objects in {path}")
    raise WeightFileError(
        f"{path}: neither a SeriesNetwork nor IW nor W1 among its variables; "
        f"found {listing(_variables(arrays))}"
    )


def _network(
    path: Path, chain: Chain, get: Reading, name: str, is_part: Callable[[str, str], bool]
) -> Network:
    """Return a network once every number beside its weights is accounted for.

    A variable that holds a network is whole; cells alone may have anything beside them.
    """
    unread = get.unread()
    parts = [
        key
        for key, value in unread.items()
        if value.dtype.kind in "fiubc" and value.size and is_part(key, name)
    ]
    if name and parts:
        raise WeightFileError(
            f"{path}: {listing(parts)}: not known what it does in the network, so it is not left out"
        )
    layers = chain.layers()
    notes = list(chain.notes)
    if name:
        others = {re.split(r"[.{]", key, maxsplit=1)[0] for key in unread} - {name, NEEDS_MATIO}
        notes += [f"not used: {listing(others)}"] if others else []
    else:
        notes += check_unread(path, {key: unread[key] for key in parts})
        if not any(key.startswith("inputs{") for key in unread):
            notes.append(
                "IW, LW and b alone: a scaling of inputs and outputs (mapminmax) is not in them; "
                "struct(net) has it"
            )
    return Network(layers, notes=notes)


def _own_key(name: str) -> str:
    """Return the key of which `Network.save` made this name of a variable."""
    name = re.sub("^initial_", "initial.", name)
    name = re.sub(r"\bW([1-9]\d*)$", r"linear_\1.weight", name)
    return re.sub(r"\bb([1-9]\d*)$", r"linear_\1.bias", name)


def _scalar(value: NDArray[Any]) -> NDArray[Any]:
    return value.reshape(()) if value.dtype.kind == "U" and value.size == 1 else value


def read_matlab(
    path: str | os.PathLike[str], variables: Sequence[str] | None = None
) -> dict[str, NDArray[Any]]:
    """Return the arrays of a MATLAB file, read in a child process with limits.

    Parameters
    ----------
    path : path
    variables : sequence of str, optional
        Names of the variables to read; all if not given.

    Returns
    -------
    dict of str to ndarray
        By name: ``x``, or ``struct.field`` for what lies deeper.

    Raises
    ------
    WeightFileError
        If the file is a pipe or a device, is damaged, or takes more time or memory than the limits
        of the child process that parses it.
    OSError
        If it cannot be opened.
    """
    with blame(Path(path)), open_regular(path):
        pass
    return _isolated.read(Path(path), ".mat", _READER, variables=variables)


def _variables(arrays: Mapping[str, NDArray[Any]]) -> set[str]:
    """Return the names of the variables, with the classes of those that are objects."""
    names = {re.split(r"[.{]", key, maxsplit=1)[0] for key in arrays if key != NEEDS_MATIO}
    classes = {name: arrays.get(name + CLASS) for name in names}
    return {name if kind is None else f"{name} (of class {kind})" for name, kind in classes.items()}
