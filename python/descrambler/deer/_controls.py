"""The control networks that ship with the package: trained on permuted targets."""

from __future__ import annotations

import json
from importlib.resources import as_file, files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._util.files import read_arrays
from .._util.validate import choice
from ..network._network import Network
from ._pretrained import untrained
from ._stream import SHUFFLES, Shuffle
from ._train import as_network

SCHEMA = "descrambler.controls.v1"


def controls(kind: Shuffle | None = None) -> dict[str, list[Network]]:
    """Return the DEERNets that ship as controls: trained like the others, but on permuted targets.

    They have 256-80-256 units and the recipe of ``pretrained(2, 1e-6)``, and each has start,
    traces and permutation of its own. They learnt nothing of the task, so that what is found in
    them as well is no sign of learning.

    Parameters
    ----------
    kind : {None, "once", "anew"}
        "once": one fixed set of 16 384 traces, whose targets were permuted once. "anew": targets
        permuted again at every pass. None: both kinds.

    Returns
    -------
    dict of str to list of Network
        19 float32 networks per kind. Their weights are stored in float16. `initial` is drawn again
        from the recorded seed, and `provenance` holds recipe, errors and versions.

    Raises
    ------
    ValueError
        If there is no such kind.
    """
    kinds = SHUFFLES if kind is None else (choice("kind", kind, SHUFFLES),)
    return {name: _load(name) for name in kinds}


def _load(kind: str) -> list[Network]:
    with as_file(files(__package__) / "weights" / file_name(kind)) as path:
        return unpack(read_arrays(path, SCHEMA))


def file_name(kind: str) -> str:
    """Return the name of the file that holds the controls of one kind."""
    return f"controls_256_80_256_wd1e-06_{kind}.npz"


def pack(networks: list[Network]) -> dict[str, NDArray[Any]]:
    """Return networks of one shape as arrays: each layer stacked in float16, provenance as JSON."""
    arrays: dict[str, NDArray[Any]] = {
        f"weight_{k}": np.stack([n.linear(k).weight for n in networks]).astype(np.float16)
        for k in range(1, networks[0].n_linear + 1)
    }
    records = [json.dumps(network.provenance) for network in networks]
    return {**arrays, "provenance": np.array(records)}


def unpack(arrays: dict[str, NDArray[Any]]) -> list[Network]:
    """Return the networks that `pack` turned into arrays."""
    networks = []
    for k, record in enumerate(arrays["provenance"]):
        provenance = json.loads(str(record))
        settings = provenance["settings"]
        weights = [
            arrays[f"weight_{layer}"][k].astype(np.float32)
            for layer in range(1, len(settings["widths"]))
        ]
        network = as_network(weights, provenance=provenance)
        networks.append(Network(network.layers, untrained(network), network.provenance))
    return networks
