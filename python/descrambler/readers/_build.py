"""What all readers share: arrays by name become layers, and errors name the file and the key."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._validate import matrix, real_array
from ..errors import WeightFileError
from ..network import Activation, Linear

Get = Callable[[str], NDArray[Any]]
"""Returns the array of a key, or raises WeightFileError."""


@contextmanager
def blame(path: Path, what: str = "") -> Iterator[None]:
    """Turn the errors of layers and argument checks into one that names the file."""
    try:
        yield
    except WeightFileError:
        raise
    except (TypeError, ValueError) as error:
        raise WeightFileError(f"{path}{what and ', '}{what}: {error}") from error


def linear(path: Path, get: Get, weight: str, bias: str | None) -> Linear:
    """Return the layer of two keys. A bias may also be a row or a column, as MATLAB has them."""
    with blame(path):
        weights = matrix(weight, get(weight))
        if bias is None:
            return Linear(weights)
        offsets = np.asarray(get(bias))
        if offsets.ndim == 2 and 1 in offsets.shape:
            offsets = offsets.ravel()
        offsets = real_array(bias, offsets, 1)
    with blame(path, f"{weight} and {bias}"):
        return Linear(weights, offsets)


def plain(
    path: Path, keys: Iterable[str], get: Get, activations: Sequence[str] | None
) -> list[Linear | Activation]:
    """Return the layers of a file with weights alone: W1, b1 (optional), W2, ..."""
    found = {key for key in keys if re.fullmatch("[Wb][1-9][0-9]*", key)}
    n = sum(key.startswith("W") for key in found)
    stray = sorted(found - {f"{letter}{k}" for letter in "Wb" for k in range(1, n + 1)})
    if stray:
        raise WeightFileError(f"{path}, {stray[0]}: its weights, or those before them, are missing")
    functions = named_activations(path, activations, n)
    layers: list[Linear | Activation] = []
    for k in range(1, n + 1):
        layers.append(linear(path, get, f"W{k}", f"b{k}" if f"b{k}" in found else None))
        layers.append(functions[k - 1])
    return layers


def named_activations(path: Path, names: Sequence[str] | None, n: int) -> list[Activation]:
    """Return the activations that the caller named, one for each of n linear layers."""
    expected = f'one for each of its {n} linear layers, as in activations=["tanh", "logistic"]'
    if names is None:
        raise WeightFileError(f"{path}: holds weights alone, so activations are needed: {expected}")
    if isinstance(names, str) or len(names) != n:
        raise WeightFileError(f"{path}: activations must be {expected}; got {names!r}")
    with blame(path, "activations"):
        return [Activation(name) for name in names]


def refuse_activations(path: Path, activations: Sequence[str] | None) -> None:
    """Raise ValueError if activations were given for a file that has its own."""
    if activations is not None:
        raise ValueError(f"activations must be None: {path} names its own")


def listing(names: Iterable[str]) -> str:
    """Return a short list of names for a message."""
    ordered = sorted(names)
    more = f" and {len(ordered) - 8} more" if len(ordered) > 8 else ""
    return (", ".join(ordered[:8]) or "nothing") + more
