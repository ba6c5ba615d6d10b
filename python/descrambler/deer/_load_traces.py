"""Traces from files: Bruker, MATLAB and text."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from .._util.files import documented, read_bytes
from .._util.validate import choice
from ._bruker import read_pair
from ._matlab_traces import read_variables
from ._text_traces import UNITS, read_columns
from ._traces import Trace

_MAX_BYTES = 2**26


def load_trace(
    path: str | os.PathLike[str],
    *,
    columns: Sequence[int | str] | None = None,
    unit: str = "auto",
    slice: int | None = None,
) -> Trace:
    """Read a trace from a Bruker BES3T pair, a MATLAB file or a text file.

    Parameters
    ----------
    path : path-like
        The ``.DTA`` or ``.DSC`` file of a pair (the other lies beside it, and the ``.XGF`` file of a
        time axis that is not uniform); a ``.mat`` file with a vector of times and a signal; or text:
        columns of time, real part and, perhaps, imaginary part, between tabs, semicolons, blanks or
        commas, with titles and comments above them.
    columns : sequence of int or str, optional
        Two or three columns of a text file: time, real part and, perhaps, imaginary part, by their
        numbers from 1 or their titles. Needed where a file has more than three, or a third column that
        does not look like an imaginary part. For a MATLAB file: the names of the variables.
    unit : {"auto", "s", "ms", "us", "ns"}
        Unit of the times in a text or MATLAB file, or where a Bruker header names none. "auto" takes the
        unit in the title of the times; without one, times that reach 50 are nanoseconds, and times from 0.05 to
        50 microseconds.
    slice : int, optional
        Number of the trace in a file that has several, from 1.

    Returns
    -------
    Trace

    Raises
    ------
    ValueError
        If the file is damaged (the message has the line), holds several traces and no `slice` is
        given, holds no trace, or leaves open what its columns or times are.
    OSError
        If a file cannot be opened.
    """
    traces = load_traces(path, columns=columns, unit=unit)
    if slice is None and len(traces) > 1:
        raise ValueError(
            f"{path} holds {len(traces)} traces: name one, slice= or --slice, from 1 to {len(traces)}, "
            "or take them all: load_traces or --slice all"
        )
    number = 1 if slice is None else slice
    if not 1 <= number <= len(traces):
        raise ValueError(
            f"slice must be from 1 to {len(traces)}, the traces of {path}, got {slice}"
        )
    return traces[number - 1]


def load_traces(
    path: str | os.PathLike[str],
    *,
    columns: Sequence[int | str] | None = None,
    unit: str = "auto",
) -> tuple[Trace, ...]:
    """Read all traces of a file: one, or each slice of a two-dimensional one.

    The arguments and errors are those of `load_trace`.

    Returns
    -------
    tuple of Trace
        With the number of the slice in their names, if there are several.
    """
    choice("unit", unit, ("auto", *UNITS))
    if columns is not None and len(columns) not in (2, 3):
        raise ValueError(f"columns must name two or three columns, got {len(columns)}")
    path = Path(path)
    if path.suffix.lower() in (".dta", ".dsc", ".xgf"):
        if columns is not None:
            raise ValueError(f"columns must be None: {path.name} is no text file")
        pair = read_pair(path, unit)
        with documented(pair.path, "is not a trace"):
            return tuple(
                Trace(pair.time, signal, name, pair.notes, pair.delays)
                for signal, name in zip(
                    pair.signals, _names(pair.path.name, len(pair.signals)), strict=True
                )
            )
    if path.suffix.lower() == ".mat":
        time, signals = read_variables(path, columns, unit)
        with documented(path, "is not a trace"):
            names = _names(path.name, len(signals))
            return tuple(
                Trace(time, signal, name) for signal, name in zip(signals, names, strict=True)
            )
    content = read_bytes(path, _MAX_BYTES)
    with documented(path, "is not a trace"):
        return (Trace(*read_columns(content, columns, unit), path.name),)


def _names(name: str, count: int) -> list[str]:
    if count == 1:
        return [name]
    return [f"{name}, slice {number}" for number in range(1, count + 1)]
