"""Networks in files of the package's own."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .._util.files import is_matlab, write_arrays
from ._layers import Linear, describe

if TYPE_CHECKING:
    from ._network import Network

SCHEMA = "descrambler.network.v1"


def write_network(network: Network, path: str | os.PathLike[str]) -> None:
    """Write a network; see `Network.save`."""
    arrays = entries(network)
    if is_matlab(path):
        arrays = {_matlab_name(key): value for key, value in arrays.items()}
    write_arrays(path, SCHEMA, arrays)


def entries(network: Network) -> dict[str, Any]:
    """Return the arrays of a saved network by key.

    ``layers`` and ``provenance`` (JSON), ``linear_1.weight``, ``linear_1.bias`` (if there is
    one), ...; the initial network has the same keys after ``initial.``.
    """
    arrays: dict[str, Any] = {
        "layers": np.array(json.dumps([describe(layer) for layer in network.layers])),
        "provenance": np.array(json.dumps(network.provenance)),
    }
    linears = (layer for layer in network.layers if isinstance(layer, Linear))
    for k, linear in enumerate(linears, 1):
        arrays[f"linear_{k}.weight"] = linear.weight
        if linear.bias is not None:
            arrays[f"linear_{k}.bias"] = linear.bias
    if network.initial is not None:
        for key, value in entries(network.initial).items():
            arrays[f"initial.{key}"] = value
    return arrays


def _matlab_name(key: str) -> str:
    letters = {"weight": "W", "bias": "b"}
    return re.sub(r"linear_(\d+)\.(weight|bias)", lambda found: letters[found[2]] + found[1], key)


def json_copy(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy that is sure to be JSON."""
    try:
        copy: dict[str, Any] = json.loads(json.dumps(dict(provenance), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise type(error)(f"provenance must be a mapping of JSON values: {error}") from error
    return copy
