"""Shared by all readers: layers from arrays by name, and errors that name the file and the key."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._util.validate import matrix, real_array
from ..errors import WeightFileError
from ..network._network import Activation, Linear

Get = Callable[[str], NDArray[Any]]
"""Returns the array of a key, or raises WeightFileError."""

Source: TypeAlias = Path | str
"""A file, or the name of a live model, for messages."""

Activations: TypeAlias = Sequence[str] | Mapping[str, str] | None
"""The activation after each linear layer, as the caller gives them."""

CAPTURE = (
    "descrambler reads chains of dense layers; of a live PyTorch model, "
    "ds.interop.torch.capture takes the dense layers"
)


def refuse_layer(source: Source, what: str, advice: str = CAPTURE) -> WeightFileError:
    """Return the error for a layer that has no place in a chain of dense layers."""
    return WeightFileError(f"{source}, {what}. {advice}")


@contextmanager
def blame(path: Source, what: str = "") -> Iterator[None]:
    """Turn the errors of layers and argument checks into one that names the file."""
    try:
        yield
    except WeightFileError:
        raise
    except (TypeError, ValueError) as error:
        raise WeightFileError(f"{path}{what and ', '}{what}: {error}") from error


@contextmanager
def malformed(path: Path, kind: str) -> Iterator[None]:
    """Turn what goes wrong in descriptions of any form into one error that names the file."""
    try:
        yield
    except WeightFileError:
        raise
    except (
        AttributeError,
        LookupError,
        OverflowError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        what = f"{type(error).__name__}: {error}"
        raise WeightFileError(f"{path}: a damaged {kind} file ({what[:200]})") from error


def lookup(path: Source, arrays: Mapping[str, NDArray[Any]], key: str) -> NDArray[Any]:
    """Return one array, or raise WeightFileError with its name."""
    if key not in arrays:
        raise WeightFileError(f"{path}, {key}: missing")
    return arrays[key]


class Reading:
    """Hands out the arrays of a file as numbers, and keeps account of those that were used."""

    def __init__(self, path: Source, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._path, self._arrays = path, arrays
        self._used: set[str] = set()

    def __call__(self, key: str) -> NDArray[Any]:
        """Return one array as float64, or float32 if it is that or less."""
        self._used.add(key)
        return floating(lookup(self._path, self._arrays, key))

    def unread(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that nobody asked for."""
        return {key: value for key, value in self._arrays.items() if key not in self._used}


def floating(array: NDArray[Any]) -> NDArray[Any]:
    """Return real numbers as float64, or as float32 where that holds them; others as they are.

    What numbers are stored in must not take part in arithmetic: uint8 has no negative numbers.
    """
    if array.dtype.kind not in "fiub":
        return array
    half = array.dtype.kind == "f" and array.dtype.itemsize <= 4
    return array.astype(np.float32 if half else np.float64)


def linear(path: Source, get: Get, weight: str, bias: str | None) -> Linear:
    """Return the layer of two keys. A bias may also be a row or a column, as MATLAB has them."""
    with blame(path):
        weights = matrix(weight, floating(get(weight)))
        if bias is None:
            return Linear(weights)
        offsets = floating(get(bias))
        if offsets.ndim == 2 and 1 in offsets.shape:
            offsets = offsets.ravel()
        offsets = real_array(bias, offsets, 1)
    with blame(path, f"{weight} and {bias}"):
        return Linear(weights, offsets)


def refuse_integers(source: Source, key: str, array: NDArray[Any]) -> NDArray[Any]:
    """Return `array` if its entries are not integers, which are quantized weights."""
    if array.dtype.kind not in "fc":
        raise WeightFileError(
            f"{source}, {key}: {array.dtype} weights are quantized; export them as floating point"
        )
    return array


_HARMLESS = re.compile(
    # The course of the training,
    "(train|val|valid|test)?_?(history|loss|losses|error|errors|accuracy|acc|perf|performance)"
    "|epochs?|steps?|iterations?|seed|lr|learning_?rate|time|seconds|version|tr"
    # sizes,
    "|(n|num)_?(layers|in|out|inputs|outputs|hidden|units)|(layer_?)?sizes?|shapes?"
    # data,
    "|(inputs?|outputs?|targets?|labels?|traces|distributions|x|y|t|e)(_?(train|val|valid|test))?"
    # and what MATLAB keeps of the last line.
    "|ans",
    re.IGNORECASE,
)
"""Names of what is no part of the function of a network."""


def check_unread(source: Source, unread: Mapping[str, NDArray[Any]]) -> list[str]:
    """Return notes on arrays beside the weights that are not used.

    Raises
    ------
    WeightFileError
        If one may be part of the network: a scaling of the inputs, say, or weights by other names.
        Harmless are text, what is empty, and the names of data and of the course of a training.
    """
    doubtful = [
        key
        for key, value in unread.items()
        if value.dtype.kind not in "SU"
        and value.size > 0
        and not _HARMLESS.fullmatch(re.split(r"[.{]", key, maxsplit=1)[0])
    ]
    if doubtful:
        raise WeightFileError(
            f"{source}: holds {listing(doubtful)} beside the weights, and it is not known what "
            "for. If it belongs to the network, such as a scaling, fold it into the weights; then "
            "save the weights W1, b1, W2, ... without it"
        )
    names = {re.split(r"[.{]", key, maxsplit=1)[0] for key in unread}
    return [f"not used: {listing(names)}"] if names else []


def is_plain(key: str) -> bool:
    """Tell whether a key is that of weights alone: W1, b1, W2, ..."""
    return re.fullmatch("[Wb][1-9][0-9]*", key) is not None


def plain(
    path: Source, keys: Iterable[str], get: Get, activations: Activations
) -> list[Linear | Activation]:
    """Return the layers of a file with weights alone: W1, b1 (optional), W2, ..."""
    found = {key for key in keys if is_plain(key)}
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


def named_activations(path: Source, names: Activations, n: int) -> list[Activation]:
    """Return the activations that the caller named, one for each of n linear layers."""
    example = ", ".join(['"tanh"'] * (n - 1) + ['"identity"'])
    expected = f"one for each of its {n} linear layers, as in activations=[{example}]"
    if names is None:
        raise WeightFileError(f"{path}: holds weights alone, so activations are needed: {expected}")
    if isinstance(names, str | Mapping) or len(names) != n:
        raise WeightFileError(f"{path}: activations must be {expected}; got {names!r}")
    with blame(path, "activations"):
        return [Activation(name) for name in names]


def refuse_activations(path: Source, activations: Activations) -> None:
    """Raise ValueError if activations were given for a file that has its own."""
    if activations is not None:
        raise ValueError(f"activations must be None: {path} names its own")


def listing(names: Iterable[str]) -> str:
    """Return a short list of names for a message."""
    ordered = sorted(names)
    more = f" and {len(ordered) - 8} more" if len(ordered) > 8 else ""
    return (", ".join(ordered[:8]) or "nothing") + more
