"""Signals given as arrays or array-likes; anything else is refused, with its type in the message."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._util.arrays import as_numpy
from .._util.validate import check_unmasked


def batch_array(name: str, index: int, part: object) -> NDArray[Any]:
    """Return a batch as an array; what loaders yield, of inputs and targets, is refused."""
    kind = type(part).__name__
    if isinstance(part, (tuple, list)) and any(len(_shape(p) or ()) > 1 for p in part[:2]):
        raise TypeError(
            f"batch {index} of {name} must be one array, got a {kind} of {len(part)}: "
            "yield the signals alone, as (x for x, *_ in loader) does"
        )
    if isinstance(part, Mapping):
        raise TypeError(
            f"batch {index} of {name} must be one array, got a {kind}: yield one of its values, as "
            f"(batch[key] for batch in loader) does; its keys are {list(part)[:5]}"
        )
    return plain_array(name, part)


def plain_array(name: str, part: Any) -> NDArray[Any]:
    check_unmasked(name, part)
    try:
        array = as_numpy(part)
    except ValueError as error:
        if not isinstance(part, (list, tuple)):
            raise
        raise ValueError(_lengths(name, part)) from error
    if isinstance(part, Mapping):
        raise TypeError(
            f"{name} must be an array, got a {type(part).__name__}: pass one of its values; its keys are "
            f"{list(part)[:5]}"
        )
    if array.dtype == object and array.ndim == 0 and hasattr(part, "__iter__"):
        raise TypeError(
            f"{name} must be an array, an iterator of batches or a function that returns one, got "
            f"{type(part).__name__}: pass iter() of it, or (x for x, *_ in ...) where it yields pairs"
        )
    if array.dtype == object and array.ndim == 0:
        raise TypeError(f"{name} must be an array of real numbers, got {type(part).__name__}")
    return array


def check_function(name: str, function: Any) -> None:
    """Check that a function can be called without arguments, which a network cannot."""
    try:
        # PyTorch's modules accept anything, and pass it on.
        inspect.signature(getattr(function, "forward", function)).bind()
    except ValueError:
        return  # a signature that Python does not know
    except TypeError:
        raise TypeError(
            f"{name} must be an array, an iterator of batches or a function without arguments that returns "
            f"one, got {type(function).__name__}, which takes arguments: pass the signals that it gives"
        ) from None


def _lengths(name: str, rows: Sequence[Any]) -> str:
    """Say which rows or batches of a list do not fit together."""
    shapes = [_shape(row) for row in rows]
    row = next((k for k, shape in enumerate(shapes) if shape is None or shape != shapes[0]), 0)
    if all(shape is not None and len(shape) == 2 for shape in shapes):
        return (
            f"{name} must be one array or an iterator, got a list of batches of the shapes {shapes[0]}, "
            f"{shapes[row]}, ...: pass iter({name}), or np.concatenate({name})"
        )
    return (
        f"{name} must have rows of one length, got the shape {shapes[row]} in row {row} where the first "
        f"has {shapes[0]}"
    )


def _shape(part: Any) -> tuple[int, ...] | None:
    """Shape of a row or batch; None of a list that has none."""
    try:
        return tuple(part.shape) if hasattr(part, "shape") else np.shape(part)
    except ValueError:
        return None
