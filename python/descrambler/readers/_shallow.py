"""Shallow networks of MATLAB: the cells IW, LW and b, and the fields of ``struct(net)``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import WeightFileError
from ..network._network import Activation, BatchNorm, Linear
from ._build import Activations, Get, blame, linear, named_activations, refuse_activations
from ._series import text

# Affine processing functions and the name of the offset of their outputs.
_PROCESSING = {"mapminmax": "ymin", "mapstd": "ymean"}

Affine = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
"""gain, xoffset and yoffset of ``y = gain * (x - xoffset) + yoffset``."""


def layers(
    path: Path,
    arrays: Mapping[str, NDArray[Any]],
    get: Get,
    prefix: str,
    activations: Activations,
) -> list[Linear | BatchNorm | Activation]:
    """Return the layers; processing of inputs and outputs becomes batch norms, to be folded."""
    weights = _weights(path, arrays, prefix)
    functions = _functions(path, arrays, prefix, len(weights), activations)
    chain: list[Linear | BatchNorm | Activation] = []
    for gain, xoffset, yoffset in _processing(path, arrays, get, f"{prefix}inputs{{1,1}}"):
        with blame(path, f"{prefix}inputs{{1,1}}"):
            chain.append(BatchNorm(xoffset, np.ones_like(xoffset), gain, yoffset, 0.0))
    for k, (weight, function) in enumerate(zip(weights, functions, strict=True), 1):
        bias = f"{prefix}b{{{k},1}}"
        chain.append(linear(path, get, weight, bias if bias in _filled(arrays) else None))
        chain.append(function)
    side = f"{prefix}outputs{{1,{len(weights)}}}"
    with blame(path, side), np.errstate(divide="ignore"):
        norms = [
            BatchNorm(yoffset, np.ones_like(yoffset), 1 / gain, xoffset, 0.0)
            for gain, xoffset, yoffset in reversed(_processing(path, arrays, get, side))
        ]
    if norms and functions[-1] != Activation("identity"):
        raise WeightFileError(
            f"{path}, {side}: outputs are processed after {functions[-1].name}; that is read "
            "after purelin alone"
        )
    # Before the identity, where the last linear layer can take them in.
    chain[-1:-1] = norms
    return chain


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
        join = text(arrays.get(f"{key}.netInputFcn"))
        if join not in ("", "netsum"):
            raise WeightFileError(f"{path}, {key}.netInputFcn: {join!r} is not supported")
    return functions


def _processing(
    path: Path, arrays: Mapping[str, NDArray[Any]], get: Get, side: str
) -> list[Affine]:
    """Return what a network does to its inputs (or undoes at its outputs), in order."""
    steps: list[Affine] = []
    for k in count(1):
        key = f"{side}.processFcns{{1,{k}}}"
        if key not in arrays:
            return steps
        name, settings = text(arrays[key]), f"{side}.processSettings{{1,{k}}}"
        if _does_nothing(name, arrays, settings):
            continue
        if name not in _PROCESSING:
            raise WeightFileError(f"{path}, {key}: {name!r} is not supported")
        gain, xoffset = (get(f"{settings}.{field}").ravel() for field in ("gain", "xoffset"))
        with blame(path, settings):
            yoffset = np.full_like(xoffset, get(f"{settings}.{_PROCESSING[name]}").item())
        steps.append((gain, xoffset, yoffset))
    return steps


def _does_nothing(name: str, arrays: Mapping[str, NDArray[Any]], settings: str) -> bool:
    unchanged = arrays.get(f"{settings}.no_change")
    if unchanged is not None and unchanged.size == 1:
        return bool(unchanged.item())
    rows = [arrays.get(f"{settings}.{field}") for field in ("xrows", "yrows")]
    return (
        name == "removeconstantrows"
        and all(row is not None for row in rows)
        and np.array_equal(rows[0], rows[1])  # type: ignore[arg-type]
    )
