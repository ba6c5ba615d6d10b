"""Networks that Keras saved, as .keras or HDF5; Keras itself is not needed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._util.validate import find_extra
from ..errors import WeightFileError
from ..network._layers import BatchNorm, Layer
from ..network._network import Activation, Network
from . import _isolated
from ._build import (
    Activations,
    blame,
    linear,
    lookup,
    malformed,
    refuse_activations,
    refuse_integers,
    refuse_layer,
)
from ._keras_chain import Config, chain

_READER = Path(__file__).with_name("_keras_child.py")

_NOTHING = {
    "ActivityRegularization",
    "AlphaDropout",
    "Dropout",
    "Flatten",
    "GaussianDropout",
    "GaussianNoise",
    "InputLayer",
}


def read(path: Path, activations: Activations = None) -> Network:
    """Read a network; see `descrambler.readers.load`."""
    refuse_activations(path, activations)
    find_extra("h5py", "keras", f"reading {path}")
    arrays = _isolated.read(path, "Keras", _READER)
    with malformed(path, "Keras"):
        found = json.loads(str(arrays["model"]))
        model = json.loads(found["config"])
        weights = {name: arrays[str(k)] for k, name in enumerate(found["weights"])}
        file = _File(path, found["version"], found["archive"], weights, found["names"])
        layers: list[Layer] = []
        for config, place in chain(path, model):
            layers += _layer(file, config, place)
    with blame(path):
        return Network(layers)


@dataclass(frozen=True)
class _File:
    """The weights of a file by path, and how to find those of a layer."""

    path: Path
    version: str
    archive: bool
    weights: Mapping[str, NDArray[Any]]
    names: Mapping[str, str]

    def of(self, layer: str, place: str, *names: str, unread: int = 0) -> list[NDArray[Any]]:
        """Return the weights of a layer: by their names, or by the order in which Keras made them.

        In the latter case it may have no others than these and `unread` more.
        """
        if not self.archive:
            found = [self._named(layer, name) for name in names]
        else:
            group = f"layers/{place}/vars"
            if self.names.get(group, layer) != layer:
                raise WeightFileError(f"{self.path}, {group}: not the weights of {layer!r}")
            there = sum(path.startswith(f"{group}/") for path in self.weights)
            known = len(names) + unread
            if there != known:
                raise WeightFileError(
                    f"{self.path}, layer {layer!r}: has {there} weights where {known} are known"
                )
            found = [f"{group}/{k}" for k in range(len(names))]
        return [self._array(path) for path in found]

    def _array(self, path: str) -> NDArray[Any]:
        return refuse_integers(self.path, path, lookup(self.path, self.weights, path))

    def _named(self, layer: str, name: str) -> str:
        """Return the path of a weight in the older kind of file."""
        start = f"model_weights/{layer}/"
        found = [
            path
            for path in self.weights
            if path.startswith(start) and re.fullmatch(f"(?:.*/)?{name}(?::0)?", path[len(start) :])
        ]
        if len(found) != 1:
            raise WeightFileError(
                f"{self.path}, layer {layer!r}: has {len(found)} weights called {name}"
            )
        return found[0]


def _layer(file: _File, config: Config, place: str) -> list[Layer]:
    """Return what one layer of Keras is."""
    kind, name, options = config.kind, config.name, config.options
    match kind:
        case "Dense":
            bias = ["bias"] if options.get("use_bias", True) else []
            arrays = dict(
                zip(["kernel", *bias], file.of(name, place, "kernel", *bias), strict=True)
            )
            arrays["kernel"] = arrays["kernel"].T
            with blame(file.path, f"layer {name!r}"):
                dense = linear(file.path, arrays.__getitem__, "kernel", "bias" if bias else None)
            return [dense, *_activation(file, name, options.get("activation"))]
        case "BatchNormalization" if not options.get("renorm"):
            return [_batch_norm(file, config, place)]
        case "Normalization" if not options.get("invert"):
            mean, variance = file.of(name, place, "mean", "variance", unread=1)
            with blame(file.path, f"layer {name!r}"):
                return [BatchNorm(mean.ravel(), np.maximum(variance.ravel(), 1e-14), epsilon=0.0)]
        case "Activation":
            return _activation(file, name, options.get("activation"))
        case "Reshape" if len(options["target_shape"]) == 1:
            return []
    if kind in _NOTHING:
        return []
    function = _activation_layer(kind, options)
    if function is None:
        raise refuse_layer(file.path, f"layer {name!r} ({kind}): not a dense layer as known")
    return [function]


def _activation_layer(kind: str, options: Mapping[str, Any]) -> Activation | None:
    """Return an activation that is a layer of its own."""
    slope = options.get("negative_slope", options.get("alpha"))
    match kind:
        case "ELU" if options.get("alpha", 1) == 1:
            return Activation("elu")
        case "LeakyReLU":
            return Activation("leaky_relu", 0.3 if slope is None else slope)
        case "ReLU" if options.get("max_value") is None and not options.get("threshold"):
            return Activation("leaky_relu", slope) if slope else Activation("relu")
        case "Softmax" if options.get("axis", -1) == -1:
            return Activation("softmax")
    return None


def _activation(file: _File, layer: str, given: Any) -> list[Layer]:
    """Return an activation by its name or its own configuration."""
    if given in (None, "linear"):
        return []
    function = None
    if isinstance(given, dict) and isinstance(given.get("config"), dict):
        function = _activation_layer(str(given.get("class_name")), given["config"])
    elif given == "leaky_relu":
        function = Activation("leaky_relu", 0.2)
    elif isinstance(given, str) and (given != "hard_sigmoid" or file.version[:1] != "2"):
        with blame(file.path, f"layer {layer!r}"):
            function = Activation(given)
    if function is None:
        raise refuse_layer(file.path, f"layer {layer!r}: activation {given!r} is not known")
    return [function]


def _batch_norm(file: _File, config: Config, place: str) -> BatchNorm:
    options = config.options
    if options.get("axis", -1) not in (-1, 1, [1]):
        raise refuse_layer(file.path, f"layer {config.name!r}: normalizes another axis")
    wanted = [
        *(["gamma"] if options.get("scale", True) else []),
        *(["beta"] if options.get("center", True) else []),
        "moving_mean",
        "moving_variance",
    ]
    found = dict(zip(wanted, file.of(config.name, place, *wanted), strict=True))
    with blame(file.path, f"layer {config.name!r}"):
        return BatchNorm(
            found["moving_mean"],
            found["moving_variance"],
            found.get("gamma"),
            found.get("beta"),
            float(options.get("epsilon", 1e-3)),
        )
