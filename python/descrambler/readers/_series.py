"""SeriesNetwork objects of MATLAB's Deep Learning Toolbox."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import WeightFileError
from ..network._affine import Affine
from ..network._network import Activation, BatchNorm, Linear, Renormalize
from ._build import Get, blame, linear
from ._chain import Chain, Step
from ._mat_child import CLASS

_LINEAR = {"InputSize", "OutputSize", "Weights", "Bias"}
_BATCH_NORM = {"TrainedMean", "TrainedVariance", "Scale", "Offset", "Epsilon"}
_INPUT = {"InputSize", "Normalization"}
_LOSS = {"LossFunction"}
_PLAIN = {"Name", "Version", "Description", "Type", "ChannelDim", "NumInputs", "NumOutputs"}
"""Fields that do not tell one layer from another."""

# Custom layers, by Description or Type.
_CUSTOM: dict[str, Activation | Renormalize] = {
    "Softplus layer": Activation("softplus"),
    "SoftplusLayer": Activation("softplus"),
    "Logsigmoidal function": Activation("logistic"),
    "Logsig": Activation("logistic"),
    "Prob. Renorm. Layer": Renormalize(),
    "Renormalization": Renormalize(),
}

# Layers of the toolbox without a setting: files do not have their class, but the name that the
# toolbox gives them.
_NAMED = ("relu", "tanh", "sigmoid", "softmax", "swish", "gelu", "softplus")

# Numbers that are not part of the function of a network.
_HARMLESS = re.compile(
    r"(.*\.)?(Version|LearnRateFactor|L2Factor|LearnablesTypes|PrivateNumStates)"
    r"|\w+\.Initializer\..*|InputSize|OutputSize|NumChannels|ChannelDim|MeanDecay|VarianceDecay"
    r"|IsMovingAverageMode|NumTrainingSamples|NumInputs|NumOutputs"
)


def is_network(key: str, value: NDArray[Any]) -> bool:
    """Tell whether an entry is the class of a variable that is a SeriesNetwork."""
    name = key.removesuffix(CLASS)
    return name != key and "." not in name and text(value) == "SeriesNetwork"


def text(value: NDArray[Any] | None) -> str:
    """Return a MATLAB character array or string as text; "" if it is neither."""
    if value is None or value.dtype.kind != "U" or value.size != 1:
        return ""
    return str(value.ravel()[0])


def is_part(key: str, name: str) -> bool:
    """Tell whether an array belongs to the network, and may be part of its function."""
    if not key.startswith(f"{name}."):
        return False
    field = re.sub(r"^Layers\{\d+,\d+\}\.", "", key[len(name) + 1 :])
    return not _HARMLESS.fullmatch(field)


def chain(path: Path, arrays: Mapping[str, NDArray[Any]], get: Get, name: str) -> Chain:
    """Return the layers of the SeriesNetwork called `name`, those of input and loss left out."""
    pattern = re.compile(re.escape(name) + r"\.Layers\{(\d+),(\d+)\}\.((?!__).+)")
    places: dict[tuple[int, int], list[str]] = {}
    for key in arrays:
        if found := pattern.fullmatch(key):
            places.setdefault((int(found[1]), int(found[2])), []).append(found[3])
    layers = Chain()
    for number, place in enumerate(sorted(places), 1):
        prefix = f"{name}.Layers{{{place[0]},{place[1]}}}"
        fields = {field.split(".")[0] for field in places[place]}
        if number == 1 and fields >= _INPUT and "Weights" not in fields:
            steps = _input(path, arrays, get, prefix, places[place])
        elif number == len(places) and fields >= _LOSS:
            steps = []
            for field in places[place]:
                get(f"{prefix}.{field}")
        else:
            steps = _layer(path, arrays, get, prefix, fields)
        with blame(path, prefix):
            layers.add(*steps)
    return layers


def _input(
    path: Path,
    arrays: Mapping[str, NDArray[Any]],
    get: Get,
    prefix: str,
    fields: list[str],
) -> list[Step]:
    """Return what the input layer does to the inputs."""
    found = {field.split(".")[-1]: get(f"{prefix}.{field}") for field in fields}
    kinds = [f"{prefix}.Normalization", f"{prefix}.Normalization.Type"]
    kind = next(filter(None, (text(arrays.get(key)) for key in kinds)), "")
    told = [field for field in fields if field.startswith("Normalization")]
    numbers = [field for field in told if arrays[f"{prefix}.{field}"].size]
    if found.get("SplitComplexInputs", np.zeros(1)).any():
        raise WeightFileError(f"{path}, {prefix}.SplitComplexInputs: complex inputs are not read")
    if kind in ("", "none"):
        rest = {"NormalizationDimension", "Normalization.Type", "Normalization.Version"}
        if not kind and (odd := set(numbers) - rest):
            raise WeightFileError(f"{path}, {prefix}: {min(odd)} is a normalization without a type")
        return []
    with blame(path, f"{prefix}.Normalization ({kind})"):
        return [_normalization(kind, {key: value.ravel() for key, value in found.items()})]


def _normalization(kind: str, found: Mapping[str, NDArray[Any]]) -> Affine:
    def numbers(*names: str) -> NDArray[np.float64]:
        for name in names:
            if name in found and found[name].size:
                return found[name].astype(np.float64)
        raise ValueError(f"its {names[0]} is not in the file")

    match kind:
        case "zerocenter":
            low = numbers("Mean", "AverageImage")
            return Affine(np.ones(()), -low, np.dtype(np.float32))
        case "zscore":
            low, width, offset = numbers("Mean"), numbers("StandardDeviation"), 0.0
        case "rescale-symmetric":
            low, offset = numbers("Min"), -1.0
            width = (numbers("Max") - low) / 2
        case "rescale-zero-one":
            low, offset = numbers("Min"), 0.0
            width = numbers("Max") - low
        case _:
            raise ValueError("this normalization is not supported")
    if not (width > 0).all():
        raise ValueError("an input does not vary, and cannot be scaled")
    return Affine(1 / width, offset - low / width, np.dtype(np.float32))


def _layer(
    path: Path, arrays: Mapping[str, NDArray[Any]], get: Get, prefix: str, fields: set[str]
) -> list[Step]:
    if fields >= _LINEAR:
        return [_linear(path, get, prefix)]
    if fields >= _BATCH_NORM:
        return [_batch_norm(path, get, prefix)]
    descriptions = [text(arrays.get(f"{prefix}.{field}")) for field in ("Description", "Type")]
    for description in descriptions:
        if description in _CUSTOM:
            return [_CUSTOM[description]]
    title = text(arrays.get(f"{prefix}.Name"))
    with blame(path, prefix):
        known = _activation(get, prefix, title, fields - _PLAIN)
    if known is not None:
        return known
    told = ", ".join(filter(None, descriptions)) or "fields " + ", ".join(sorted(fields))
    raise WeightFileError(f"{path}, {prefix}: layer {title!r} is of an unknown type ({told})")


def _activation(get: Get, prefix: str, title: str, fields: set[str]) -> list[Step] | None:
    """Return a layer of the toolbox, told by its setting or its usual name; None for others."""
    name = re.sub(r"_?\d+$", "", title.lower())
    if not fields and name in _NAMED:
        return [Activation(name)]
    if fields == {"Probability"}:  # of dropout
        get(f"{prefix}.Probability")
        return []
    if fields == {"Scale"}:
        return [Activation("leaky_relu", float(get(f"{prefix}.Scale").item()))]
    for field, usual, value in (("Ceiling", "relu6", 6), ("Alpha", "elu", 1)):
        if fields == {field} and name in ("clippedrelu", "elu"):
            if get(f"{prefix}.{field}").item() != value:
                raise ValueError(f"{field} must be {value}: others are not supported")
            return [Activation(usual)]
    return None


def _linear(path: Path, get: Get, prefix: str) -> Linear:
    """Return a fully connected layer; behind an input of images of one pixel, its arrays are 4-D."""
    weight, bias = f"{prefix}.Weights.Value", f"{prefix}.Bias.Value"

    def rows(key: str) -> NDArray[Any]:
        array = get(key)
        if array.ndim <= 2:
            return array
        if key == bias:
            return array.ravel()
        height, width, n_in, n_out = (*array.shape, 1)[:4]
        if (height, width) != (1, 1) or array.ndim > 4:
            raise WeightFileError(
                f"{path}, {weight}: takes images of {height} x {width} pixels; chains of dense "
                "layers take rows of numbers"
            )
        return array.reshape(n_in, n_out).T

    layer = linear(path, rows, weight, bias)
    told = tuple(int(get(f"{prefix}.{key}").prod()) for key in ("OutputSize", "InputSize"))
    if layer.weight.shape != told:
        raise WeightFileError(
            f"{path}, {weight}: has shape {layer.weight.shape}, where {told} are told"
        )
    return layer


def _batch_norm(path: Path, get: Get, prefix: str) -> BatchNorm:
    names = ("TrainedMean", "TrainedVariance", "Scale.Value", "Offset.Value")
    mean, variance, scale, offset = (get(f"{prefix}.{name}").ravel() for name in names)
    epsilon = np.asarray(get(f"{prefix}.Epsilon"))
    with blame(path, prefix):
        return BatchNorm(mean, variance, scale, offset, float(epsilon.item()))
