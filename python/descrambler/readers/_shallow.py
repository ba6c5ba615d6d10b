"""Shallow networks of MATLAB: the cells IW, LW and b, and the fields of ``struct(net)``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._util.threads import product
from ..errors import WeightFileError
from ..network._affine import Affine, fold_after
from ..network._layers import Linear
from ..network._network import Activation
from . import _processing
from ._build import Activations, Get, blame, linear, named_activations, refuse_activations
from ._chain import Chain
from ._series import text

# What `sim` does not use, or what is checked to do nothing.
_HARMLESS = re.compile(
    r"(num|bias|input|layer|output|target)\w*Connect|num\w+|\w+(Fcns?|Params?|Mode|Config)"
    r"|sampleTime|version|efficiency|memoryReduction|user[dD]ata|hint|revert|name|NNTVersion"
    r"|layers|biases|inputWeights|layerWeights|trainInfo|tr"
)
_SETTINGS = {"processFcns", "processSettings"}


def chain(
    path: Path,
    arrays: Mapping[str, NDArray[Any]],
    get: Get,
    prefix: str,
    activations: Activations,
) -> Chain:
    """Return the layers, with the processing of inputs and outputs folded into them."""
    weights = _weights(path, arrays, prefix)
    functions = _functions(path, arrays, prefix, len(weights), activations)
    _check_sums(path, arrays, get, prefix, len(weights))
    found, filled = Chain(), _filled(arrays)
    last: list[Linear | Affine] = []
    side = f"{prefix}outputs{{1,{len(weights)}}}"
    for k, (weight, function) in enumerate(zip(weights, functions, strict=True), 1):
        bias = f"{prefix}b{{{k},1}}"
        layer = linear(path, get, weight, bias if bias in filled else None)
        if k == 1:
            layer = _with_inputs(path, arrays, get, f"{prefix}inputs{{1,1}}", layer)
        if k == len(weights):
            last = _outputs(path, arrays, get, side)
            if function == Activation("identity"):
                with blame(path, side):
                    layer = _with_outputs(layer, last)
                last = []
        with blame(path):
            found.add(layer, function)
    with blame(path, side):
        found.add(*last)
    return found


def is_part(key: str, name: str) -> bool:
    """Tell whether an array belongs to the network called `name`, and may be part of its function."""
    prefix = f"{name}." if name else ""
    if not key.startswith(prefix):
        return False
    field, *rest = re.split(r"[.{]", key[len(prefix) :])
    if field in ("inputs", "outputs"):
        return bool(_SETTINGS.intersection(rest))
    return not _HARMLESS.fullmatch(field)


def _with_inputs(
    path: Path, arrays: Mapping[str, NDArray[Any]], get: Get, side: str, layer: Linear
) -> Linear:
    """Return the first layer with what is done to the inputs before it."""
    for step in reversed(_processing.steps(path, arrays, get, side)):
        with blame(path, side):
            layer = step.before(layer)
    return layer


def _outputs(
    path: Path, arrays: Mapping[str, NDArray[Any]], get: Get, side: str
) -> list[Linear | Affine]:
    with blame(path, side):
        return [step.undone() for step in reversed(_processing.steps(path, arrays, get, side))]


def _with_outputs(layer: Linear, steps: list[Linear | Affine]) -> Linear:
    """Return the last layer, which no activation follows, with what is done to its outputs."""
    for step in steps:
        if isinstance(step, Affine):
            step.check(layer.n_out)
            layer = fold_after(layer, step)
        elif step.n_in != layer.n_out:
            raise ValueError(f"{step.n_in} rows stay, where {layer.n_out} are given")
        else:
            bias = step.bias if layer.bias is None else step(layer.bias)
            dtype = layer.weight.dtype
            layer = Linear(
                product(step.weight, layer.weight, layer.n_out).astype(dtype),
                np.asarray(bias, dtype),
            )
    return layer


def _filled(arrays: Mapping[str, NDArray[Any]]) -> set[str]:
    return {key for key, value in arrays.items() if value.size > 0}


def _weights(path: Path, arrays: Mapping[str, NDArray[Any]], prefix: str) -> list[str]:
    """Return the names of the weight matrices, checked to be a chain."""
    cell = re.escape(prefix) + r"(IW|LW|b)\{\d+,\d+\}"
    filled = {key for key in _filled(arrays) if re.fullmatch(cell, key)}
    biases = {key for key in filled if key.startswith(f"{prefix}b")}
    n = len(filled - biases)
    chain = [f"{prefix}IW{{1,1}}", *(f"{prefix}LW{{{k},{k - 1}}}" for k in range(2, n + 1))]
    stray = filled - set(chain) - {f"{prefix}b{{{k},1}}" for k in range(1, n + 1)}
    if n == 0 or stray:
        what = f"{prefix}IW{{1,1}}: empty" if n == 0 else f"{min(stray)}: not part of a chain"
        raise WeightFileError(f"{path}, {what} IW{{1,1}}, LW{{2,1}}, LW{{3,2}}, ...")
    return chain


def _functions(
    path: Path,
    arrays: Mapping[str, NDArray[Any]],
    prefix: str,
    n: int,
    activations: Activations,
) -> list[Activation]:
    """Return the activations: those of the file if it has any, else those of the caller."""
    keys = [f"{prefix}layers{{{k},1}}" for k in range(1, n + 1)]
    if not any(f"{key}.transferFcn" in arrays for key in keys):
        return named_activations(path, activations, n)
    refuse_activations(path, activations)
    functions = []
    for key in keys:
        with blame(path, f"{key}.transferFcn"):
            functions.append(Activation(text(arrays.get(f"{key}.transferFcn"))))
    return functions


def _check_sums(
    path: Path, arrays: Mapping[str, NDArray[Any]], get: Get, prefix: str, n: int
) -> None:
    """Check that each layer is the sum of a product with its weights and its bias, at once."""
    usual = {"netInputFcn": "netsum", "weightFcn": "dotprod"}
    places = [f"{prefix}layers{{{k},1}}" for k in range(1, n + 1)]
    places += [f"{prefix}inputWeights{{1,1}}"]
    places += [f"{prefix}layerWeights{{{k},{k - 1}}}" for k in range(2, n + 1)]
    for place in places:
        for field, name in usual.items():
            found = text(arrays.get(f"{place}.{field}"))
            if found not in ("", name):
                raise WeightFileError(f"{path}, {place}.{field}: {found!r} is not supported")
        delays = f"{place}.delays"
        if delays in arrays and get(delays).any():
            raise WeightFileError(f"{path}, {delays}: delays are not supported")
