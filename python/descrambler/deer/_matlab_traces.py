"""Traces in MATLAB files: a vector of times and a signal, or a matrix with both as columns."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._util.files import documented
from ..readers import read_matlab
from ._text_traces import Vector, scale

_LEAST = 8
_TIME = re.compile(r"(?:^|[._])(t|time|times|tax|x|taxis|timeaxis)(?:$|[._])", re.IGNORECASE)
_NAME = "name the variables of time, real and, perhaps, imaginary part: columns= or --columns"


def read_variables(
    path: Path, names: Sequence[int | str] | None, unit: str
) -> tuple[Vector, NDArray[Any]]:
    """Return the times in microseconds, and the signals in rows.

    Raises
    ------
    ValueError
        If it is damaged, or several variables may be the time or the signal.
    OSError
        If it cannot be opened.
    """
    arrays = {
        name: _plain(value)
        for name, value in read_matlab(path).items()
        if value.dtype.kind in "fiuc" and value.ndim == 2 and value.size >= _LEAST
    }
    with documented(path, "is not a trace"):
        title, time, signals = _named(arrays, names) if names else _told(arrays)
        return time * scale(time, unit, title), signals


def _plain(value: NDArray[Any]) -> NDArray[Any]:
    """Return a vector as such, other arrays as they are."""
    return value.ravel() if 1 in value.shape else value


Parts = tuple[str, Vector, NDArray[Any]]


def _named(arrays: Mapping[str, NDArray[Any]], names: Sequence[int | str]) -> Parts:
    missing = [name for name in names if str(name) not in arrays]
    if missing:
        raise ValueError(
            f"columns must be names of its variables, got {missing[0]!r}: {_listing(arrays)}"
        )
    time, *parts = (arrays[str(name)] for name in names)
    if len(parts) == 2 and parts[0].shape != parts[1].shape:
        raise ValueError(f"real and imaginary part differ in shape: {_listing(arrays)}")
    signal = parts[0] if len(parts) == 1 else parts[0] + 1j * parts[1]
    return _parts(str(names[0]), time, signal)


def _told(arrays: Mapping[str, NDArray[Any]]) -> Parts:
    """Return time and signal where only one reading is possible."""
    if len(arrays) == 1:
        (name, matrix), *_ = arrays.items()
        if matrix.ndim == 2 and matrix.shape[1] == 2 and _ascending(matrix[:, 0]):
            return _parts("", matrix[:, 0].real, matrix[:, 1])
    times = [name for name, value in arrays.items() if value.ndim == 1 and _ascending(value)]
    if len(times) > 1:
        times = [name for name in times if _TIME.search(name)]
    if len(times) == 1:
        length = arrays[times[0]].size
        others = [name for name in arrays if name != times[0] and length in arrays[name].shape]
        if len(others) == 1:
            return _parts(times[0], arrays[times[0]], arrays[others[0]])
    raise ValueError(
        f"which of its variables are time and signal cannot be told: {_NAME}; "
        f"it has {_listing(arrays)}"
    )


def _ascending(value: NDArray[Any]) -> bool:
    return value.dtype.kind != "c" and bool((np.diff(value.astype(np.float64)) > 0).all())


def _parts(title: str, time: NDArray[Any], signal: NDArray[Any]) -> Parts:
    if time.ndim != 1 or time.dtype.kind == "c":
        raise ValueError(f"its time must be one real vector, got shape {time.shape}")
    if signal.ndim == 1:
        signal = signal[:, None]
    if signal.shape[0] == signal.shape[1] and signal.shape[0] == time.size:
        raise ValueError("its signal is square: whether traces are rows or columns cannot be told")
    if signal.shape[0] != time.size:
        signal = signal.T
    if signal.shape[0] != time.size:
        raise ValueError(f"its time has {time.size} points, its signal the shape {signal.shape}")
    kind = np.complex128 if signal.dtype.kind == "c" else np.float64
    return title, time.astype(np.float64), np.ascontiguousarray(signal.T, kind)


def _listing(arrays: Mapping[str, NDArray[Any]]) -> str:
    shapes = (f"{name} {' x '.join(map(str, value.shape))}" for name, value in arrays.items())
    return ", ".join(shapes) or "no vectors of numbers"
