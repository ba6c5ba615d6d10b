"""SeriesNetwork objects of MATLAB's Deep Learning Toolbox."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import WeightFileError
from ..network._network import Activation, BatchNorm, Linear, Renormalize
from ._build import Get, blame, linear
from ._mat_child import CLASS

_LINEAR = {"InputSize", "OutputSize", "Weights", "Bias"}
_BATCH_NORM = {"TrainedMean", "TrainedVariance", "Scale", "Offset", "Epsilon"}
_INPUT = {"InputSize", "Normalization"}
_LOSS = {"LossFunction"}

# Custom layers, by Description or Type.
_CUSTOM: dict[str, Activation | Renormalize] = {
    "Softplus layer": Activation("softplus"),
    "SoftplusLayer": Activation("softplus"),
    "Logsigmoidal function": Activation("logistic"),
    "Logsig": Activation("logistic"),
    "Prob. Renorm. Layer": Renormalize(),
    "Renormalization": Renormalize(),
}


def is_network(key: str, value: NDArray[Any]) -> bool:
    """Tell whether an entry is the class of a variable that is a SeriesNetwork."""
    name = key.removesuffix(CLASS)
    return name != key and "." not in name and text(value) == "SeriesNetwork"


def text(value: NDArray[Any] | None) -> str:
    """Return a MATLAB character array or string as text; "" if it is neither."""
    if value is None or value.dtype.kind != "U" or value.size != 1:
        return ""
    return str(value.ravel()[0])


def layers(
    path: Path, arrays: Mapping[str, NDArray[Any]], get: Get, name: str
) -> list[Linear | BatchNorm | Activation | Renormalize]:
    """Return the layers of the SeriesNetwork called `name`, those of input and loss left out."""
    pattern = re.compile(re.escape(name) + r"\.Layers\{(\d+),(\d+)\}\.((?!__)\w+)")
    fields: dict[tuple[int, int], set[str]] = {}
    for key in arrays:
        if found := pattern.match(key):
            fields.setdefault((int(found[1]), int(found[2])), set()).add(found[3])
    chain = []
    for number, place in enumerate(sorted(fields), 1):
        prefix = f"{name}.Layers{{{place[0]},{place[1]}}}"
        first, last = number == 1, number == len(fields)
        if first and fields[place] >= _INPUT and "Weights" not in fields[place]:
            _check_input(path, arrays, prefix)
        elif not (last and fields[place] >= _LOSS):
            chain.append(_layer(path, arrays, get, prefix, fields[place]))
    return chain


def _check_input(path: Path, arrays: Mapping[str, NDArray[Any]], prefix: str) -> None:
    normalization = text(arrays.get(f"{prefix}.Normalization"))
    if normalization not in ("", "none"):
        raise WeightFileError(
            f"{path}, {prefix}.Normalization: {normalization!r} of the inputs is not supported"
        )


def _layer(
    path: Path, arrays: Mapping[str, NDArray[Any]], get: Get, prefix: str, fields: set[str]
) -> Linear | BatchNorm | Activation | Renormalize:
    if fields >= _LINEAR:
        return linear(path, get, f"{prefix}.Weights.Value", f"{prefix}.Bias.Value")
    if fields >= _BATCH_NORM:
        return _batch_norm(path, get, prefix)
    descriptions = [text(arrays.get(f"{prefix}.{field}")) for field in ("Description", "Type")]
    for description in descriptions:
        if description in _CUSTOM:
            return _CUSTOM[description]
    title = text(arrays.get(f"{prefix}.Name"))
    known = ", ".join(filter(None, descriptions)) or "fields " + ", ".join(sorted(fields))
    raise WeightFileError(f"{path}, {prefix}: layer {title!r} is of an unknown type ({known})")


def _batch_norm(path: Path, get: Get, prefix: str) -> BatchNorm:
    names = ("TrainedMean", "TrainedVariance", "Scale.Value", "Offset.Value")
    mean, variance, scale, offset = (get(f"{prefix}.{name}").ravel() for name in names)
    epsilon = np.asarray(get(f"{prefix}.Epsilon"))
    with blame(path, prefix):
        return BatchNorm(mean, variance, scale, offset, float(epsilon.item()))
