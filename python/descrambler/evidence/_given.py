"""Networks and inputs of many kinds, as users pass them, turned into a Network and a matrix."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from .._util.validate import Array, matrix, shape_advice
from ..network._network import Network
from ..readers import is_source, load


def as_network(name: str, source: Any) -> Network:
    """Return a network; read anything else that `load` takes, with all its checks.

    Raises
    ------
    TypeError, ValueError, OSError
        As `load`, with the argument's name.
    """
    if isinstance(source, Network):
        return source
    try:
        return load(source)
    except TypeError as error:
        wanted = "source must be a path,"
        if not str(error).startswith(wanted):
            raise
        rest = str(error).removeprefix(wanted)
        raise TypeError(f"{name} must be a Network, a path,{rest}") from None


def are_several(given: Any) -> bool:
    """Tell whether several networks are given, as a list or an iterable, and not one.

    Raises
    ------
    TypeError
        If they are captured layers.
    """
    one = isinstance(given, Network) or is_source(given)
    if not one and isinstance(given, Mapping):
        raise TypeError(
            "network must be a Network or a list of them, got a mapping: layers captured from a model are "
            "for ds.interpret_layers"
        )
    return not one and isinstance(given, Iterable)


def as_inputs(name: str, value: Any, n_in: int) -> Array:
    """Return inputs as a matrix of `n_in` columns; of batches (inputs, targets) the inputs.

    Raises
    ------
    TypeError, ValueError
        If they are no finite real matrix, or have another number of columns.
    """
    if _is_loader(value):
        parts = [matrix(name, _first(batch)) for batch in value]
        if not parts:
            raise ValueError(f"{name} must not be empty, got a loader without batches")
        x: Array = np.concatenate(parts)
    elif (
        isinstance(value, list | tuple)
        and len(value) == 2
        and len(getattr(value[0], "shape", ())) == 2
    ):
        raise ValueError(f"{name} must be one matrix, got two: pass inputs=x, targets=y")
    else:
        x = matrix(name, value)
    if x.shape[1] != n_in:
        advice = shape_advice(x.shape, n_in)
        raise ValueError(f"{name} must have shape (m, {n_in}), got {x.shape}{advice}")
    return x


def _is_loader(value: Any) -> bool:
    """Tell whether a value yields batches: an iterator, or a DataLoader."""
    return isinstance(value, Iterator) or (
        isinstance(value, Iterable) and hasattr(value, "batch_size") and not hasattr(value, "shape")
    )


def _first(batch: Any) -> Any:
    """Return the inputs of a batch, which may have targets beside them."""
    return batch[0] if isinstance(batch, list | tuple) else batch
