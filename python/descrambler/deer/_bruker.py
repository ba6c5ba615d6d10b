"""Bruker BES3T files: a header of keys, numbers in binary, and perhaps a time axis of its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._util.files import open_regular
from .._util.validate import choice
from ._bruker_header import Header
from ._text_traces import LONGEST, UNITS, Vector, scale

_FORMATS = {"D": "f8", "F": "f4", "I": "i4", "S": "i2", "C": "i1"}
_ORDERS = {"BIG": ">", "LIT": "<"}
_MOST_DAMAGED = 0.25  # of the times in a .XGF file
# In any unit; numbers in the other byte order are far beyond.
_LEAST_TIME, _LARGEST_TIME = 1e-12, 10 * LONGEST * 1e3


class Pair(NamedTuple):
    """The content of a Bruker file: all its traces on one time axis."""

    path: Path
    time: Vector
    signals: NDArray[Any]
    notes: tuple[str, ...]
    delays: dict[str, float]


def read_pair(path: Path, unit: str) -> Pair:
    """Return the times in microseconds and the signals, one trace per row.

    Parameters
    ----------
    path : Path
        Either file of the pair.
    unit : str
        Unit of the times where the header names none.

    Raises
    ------
    ValueError
        If header, data and axis do not fit together.
    OSError
        If one of them cannot be opened.
    """
    header_path, data_path = (_beside(path, suffix) for suffix in (".DSC", ".DTA"))
    header = Header(header_path)
    points, slices = header.points(), header.slices()
    order = _ORDERS[header.choice("BSEQ", tuple(_ORDERS))]
    form = _FORMATS[header.choice("IRFMT", tuple(_FORMATS))]
    complex_ = header.choice("IKKF", ("CPLX", "REAL"), "REAL") == "CPLX"
    uneven = header.choice("XTYP", ("IDX", "IGD")) == "IGD"
    if uneven:
        written = _FORMATS[header.choice("XFMT", tuple(_FORMATS), "D")]
        axis = _axis(_beside(path, ".XGF"), points, order, written)
    else:
        start, width = header.number("XMIN"), header.number("XWID")
        axis = np.linspace(start, start + width, points)
    values = _numbers(data_path, points * slices * (2 if complex_ else 1), order + form)
    signals = (values[::2] + 1j * values[1::2] if complex_ else values).reshape(slices, points)
    kept, notes = _undamaged(axis, header_path.with_suffix(".XGF")) if uneven else (slice(None), ())
    time = axis[kept] * _microseconds(header, axis[kept], unit)
    return Pair(data_path, time, signals[:, kept], notes, header.delays)


def _microseconds(header: Header, axis: Vector, unit: str) -> float:
    named = header.text("XUNI", "")
    if named:
        return UNITS[choice(f"{header.path}, XUNI", named, tuple(UNITS))]
    try:
        return scale(axis, unit)
    except ValueError as error:
        raise ValueError(f"{header.path}, XUNI: no unit, and {error}") from error


def _axis(path: Path, points: int, order: str, written: str) -> Vector:
    """Return the times in a .XGF file; in the other byte order where they make sense in that alone."""
    axis = _numbers(path, points, order + written)
    if _may_be_times(axis):
        return axis
    other = _numbers(path, points, (">" if order == "<" else "<") + written)
    return other if _may_be_times(other) else axis


def _may_be_times(axis: Vector) -> bool:
    """Whether most numbers are neither absurdly large nor absurdly small."""
    size = np.abs(axis)
    usual = (size == 0) | ((size >= _LEAST_TIME) & (size <= _LARGEST_TIME))
    return float(np.mean(usual)) >= 1 - _MOST_DAMAGED


def _undamaged(axis: Vector, path: Path) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Return which times can be right, and a note of how many cannot.

    Spectrometers write runs of absurd numbers between the times of some schedules. Such a run is
    left out: its absurd numbers, and what stands beside them out of order. Other disorder is an
    error, for nobody knows which of the times is wrong.
    """
    with np.errstate(invalid="ignore"):
        bad = ~(np.abs(axis) <= _LARGEST_TIME)
    changed = bool(bad.any())
    while changed:
        good = np.flatnonzero(~bad)
        beside = (np.append(bad[1:], False) | np.append(False, bad[:-1])) & ~bad
        out = [k for k in np.flatnonzero(beside) if not _in_order(axis, good, int(k))]
        bad[out] = True
        changed = bool(out)
    if bad.mean() > _MOST_DAMAGED:
        raise ValueError(
            f"{path}: {bad.sum()} of its {bad.size} times are no times of a trace: is it the axis of "
            "this .DTA file?"
        )
    wrong = np.flatnonzero(np.diff(axis[~bad]) <= 0)
    if wrong.size:
        place = int(np.flatnonzero(~bad)[wrong[0] + 1])
        raise ValueError(
            f"{path}: times must be ascending, got {axis[place]:g} as number {place + 1} after "
            f"{axis[~bad][wrong[0]]:g}: write the trace as text with its right times"
        )
    if not bad.any():
        return ~bad, ()
    return ~bad, (f"{bad.sum()} of {bad.size} points left out: {path.name} has no time for them",)


def _in_order(axis: Vector, good: NDArray[np.intp], k: int) -> bool:
    """Whether a time lies between the good ones before and after it."""
    place = int(np.searchsorted(good, k))
    before = axis[good[place - 1]] if place > 0 else -np.inf
    after = axis[good[place + 1]] if place + 1 < good.size else np.inf
    return bool(before < axis[k] < after)


def _numbers(path: Path, count: int, dtype: str) -> Vector:
    """Return the numbers of a file, whose size is checked before it is read."""
    expected = count * np.dtype(dtype).itemsize
    with open_regular(path) as stream:
        found = os.fstat(stream.fileno()).st_size
        if found != expected:
            raise ValueError(
                f"{path} must have {expected} bytes for the {count} numbers of its header, "
                f"found {found}"
            )
        content = stream.read(expected)
    return np.frombuffer(content, dtype, count).astype(np.float64)


def _beside(path: Path, suffix: str) -> Path:
    """Return the file of a pair; the suffix of the other has the case of the given one."""
    names = [path.with_suffix(s) for s in (suffix, suffix.lower())]
    there = [name for name in names if name.exists()]
    if not there:
        what = (
            "a header with XTYP IGD has its times in it"
            if suffix == ".XGF"
            else "a Bruker trace is a pair of a .DSC and a .DTA file"
        )
        raise FileNotFoundError(f"{names[0]} is missing: {what}")
    return there[0]
