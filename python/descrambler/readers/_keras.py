"""Networks that Keras saved, as .keras or HDF5; Keras itself is not needed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .._util.validate import find_extra
from ..errors import WeightFileError
from ..network._network import Network
from . import _isolated
from ._build import Activations, blame, malformed, refuse_activations
from ._chain import Chain
from ._keras_chain import chain, refuse_keras
from ._keras_layers import State, add
from ._keras_weights import Weights
from ._signal import of_input
from ._verify import Runtime, verified

_READER = Path(__file__).with_name("_keras_child.py")
_RUNTIME = Runtime("Keras", ("keras",), "Keras", Path(__file__).with_name("_keras_verify_child.py"))


def read(path: Path, activations: Activations = None) -> Network:
    """Read a network; see `descrambler.readers.load`."""
    return _read(path, activations)[0]


def read_verified(path: Path, activations: Activations = None) -> Network:
    """Read a network, and compare it with Keras on the same file."""
    network, state = _read(path, activations)
    return verified(path, network, _RUNTIME, state.chain.scaler)


def _read(path: Path, activations: Activations) -> tuple[Network, State]:
    refuse_activations(path, activations)
    find_extra("h5py", "keras", f"reading {path}")
    arrays = _isolated.read(path, "Keras", _READER)
    with malformed(path, "Keras"):
        found = json.loads(str(arrays["model"]))
        _check_version(path, found["version"], found["weights"])
        places = {name: arrays[str(k)] for k, name in enumerate(found["weights"])}
        weights = Weights(path, places, found["names"], found["archive"])
        layers, stored = chain(path, json.loads(found["config"]))
        weights.assign(stored)
        signal = of_input(_input_shape([layer.options for layer in layers]), columns=False)
        state = State(path, found["version"], weights, Chain(signal.width), signal)
        for layer in layers:
            with blame(path, str(layer)):
                known = add(state, layer)
            if not known:
                raise refuse_keras(path, f"{layer}: not a dense layer or a known activation")
        state.chain.notes.extend(weights.check_all_used())
    with blame(path):
        return Network(state.chain.layers(), notes=state.chain.notes), state


def _input_shape(options: list[Any]) -> list[int | None] | None:
    """Return the shape that the first layer declares, or None."""
    for given in options:
        shape = given.get("batch_shape", given.get("batch_input_shape"))
        if shape is not None:
            return [n if type(n) is int and n > 0 else None for n in shape]
    return None


def _check_version(path: Path, version: str, weights: list[str]) -> None:
    """Refuse files of Keras 1, whose weights and options have other names."""
    old = [name for name in weights if name.removesuffix(":0").endswith(("_W", "_b"))]
    if version.startswith("1.") or (not version and old):
        held = f" (its weights are called {', '.join(sorted(old)[:2])})" if old else ""
        raise WeightFileError(
            f"{path}: written by Keras 1{held}, which is not read; open it with keras.models."
            "load_model of Keras 2.0 to 2.3 and save it again with model.save"
        )
