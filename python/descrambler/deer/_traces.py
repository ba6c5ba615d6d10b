"""Measured traces: Bruker and text files, and their preparation for a network."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy  # its submodules load at first use: scipy.signal and scipy.stats are slow to import
from numpy.typing import ArrayLike, NDArray

from .._util.files import documented, read_bytes
from .._util.tables import brief
from .._util.validate import check_unmasked, choice, own_unit, real_array
from ._bruker import read_pair
from ._text_traces import UNITS, read_columns

_MAX_BYTES = 2**26


@brief
@dataclass(frozen=True, eq=False)
class Trace:
    """A measured or simulated trace.

    Attributes
    ----------
    time : ndarray of float64, shape (n,)
        In microseconds, ascending.
    signal : ndarray of float64 or complex128, shape (n,)
    name : str
        Where it is from.
    """

    time: NDArray[np.float64]
    signal: NDArray[Any]
    name: str = ""

    def __post_init__(self) -> None:
        time = real_array("time", self.time, 1).astype(np.float64)
        check_unmasked("signal", self.signal)
        signal = np.asarray(self.signal)
        if signal.shape != time.shape or time.size < 8:
            raise ValueError(
                f"time and signal must have one shape (n,) with n >= 8, got {time.shape} and {signal.shape}"
            )
        if signal.dtype.kind not in "fciu" or not np.isfinite(signal).all():
            raise ValueError("signal must be real or complex numbers, all finite")
        if not (np.diff(time) > 0).all():
            raise ValueError("time must be ascending")
        kind = np.complex128 if signal.dtype.kind == "c" else np.float64
        object.__setattr__(self, "time", time)
        object.__setattr__(self, "signal", signal.astype(kind))


def load_trace(
    path: str | os.PathLike[str],
    *,
    columns: Sequence[int | str] | None = None,
    unit: str = "auto",
) -> Trace:
    """Read a trace from a Bruker BES3T pair or a text file.

    Parameters
    ----------
    path : path-like
        The ``.DTA`` or ``.DSC`` file of a pair (the other lies beside it), or text: columns of time,
        real part and, perhaps, imaginary part, between tabs, semicolons, blanks or commas, with titles
        and comments above them.
    columns : sequence of int or str, optional
        Two or three columns of a text file: time, real part and, perhaps, imaginary part, by their
        numbers from 1 or their titles. Needed where a file has more than three, or a third column that
        does not look like an imaginary part.
    unit : {"auto", "s", "ms", "us", "ns"}
        Of the times of a text file, or of a Bruker header that names none. "auto" takes the one in the
        title of the times; else times that reach 50 are nanoseconds, and times from 0.05 to 50
        microseconds.

    Returns
    -------
    Trace

    Raises
    ------
    ValueError
        If the file is damaged (the message has the line), has more than one dimension, holds no trace,
        or leaves open what its columns or times are.
    OSError
        If a file cannot be opened.
    """
    choice("unit", unit, ("auto", *UNITS))
    if columns is not None and len(columns) not in (2, 3):
        raise ValueError(f"columns must name two or three columns, got {len(columns)}")
    path = Path(path)
    if path.suffix.lower() in (".dta", ".dsc"):
        if columns is not None:
            raise ValueError(f"columns must be None: {path.name} is no text file")
        data, time, signal = read_pair(path, unit)
        return _trace(data, time, signal)
    content = read_bytes(path, _MAX_BYTES)
    with documented(path, "is not a trace"):
        return Trace(*read_columns(content, columns, unit), path.name)


def _trace(path: Path, time: NDArray[np.float64], signal: NDArray[Any]) -> Trace:
    try:
        return Trace(time, signal, path.name)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def prepare(
    trace: Trace,
    *,
    start: float | None = None,
    stop: float | None = None,
    zero: float | None = None,
) -> Trace:
    """Rotate the phase of a trace, and cut it at its zero time.

    The phase makes the sum of squares of the imaginary part smallest: half the angle of the sum of
    the squared signal, with the sign that makes the sum of the real part positive. The zero time is
    the maximum of the real part, to a fraction of a step: the vertex of the parabola through the
    points around the maximum of the smoothed signal.

    Parameters
    ----------
    trace : Trace
    start, stop : float, optional
        First and last time to use, in microseconds on the trace's own axis. `start` removes
        spoilt points before the zero time is looked for.
    zero : float, optional
        Zero time, where it is known.

    Returns
    -------
    Trace
        Real, its time counted from the zero time; one point before it is kept, if there is one,
        so that the signal at zero can be interpolated. Measured points, not resampled.

    Raises
    ------
    ValueError
        If fewer than 8 points are left.
    """
    low = -math.inf if start is None else start
    high = math.inf if stop is None else stop
    used = (trace.time >= low) & (trace.time <= high)
    time, signal = trace.time[used], trace.signal[used]
    if time.size < 8:
        raise ValueError(f"start and stop must leave at least 8 points, got {time.size}")
    real = _phased(signal)
    origin = _zero_time(time, real) if zero is None else zero
    time = time - origin
    first = max(int(np.searchsorted(time, 0.0, side="right")) - 1, 0)
    if time.size - first < 8:
        raise ValueError(f"zero must leave at least 8 points, got {origin:g}")
    return Trace(time[first:], real[first:], trace.name)


def _phased(signal: NDArray[Any]) -> NDArray[np.float64]:
    if signal.dtype.kind != "c":
        return np.asarray(signal, np.float64)
    unit = np.abs(signal).max() or 1.0
    turned = signal * np.exp(-0.5j * np.angle(np.sum((signal / unit) ** 2)))
    real: NDArray[np.float64] = turned.real
    return -real if real.sum() < 0 else real


def _zero_time(time: NDArray[np.float64], signal: NDArray[np.float64]) -> float:
    window = 7
    scaled = own_unit(signal)[0]
    smooth = scipy.signal.savgol_filter(scaled, window, 2)
    peak = int(np.argmax(smooth))
    near = slice(max(peak - window // 2, 0), peak + window // 2 + 1)
    a, b, _ = np.polyfit(time[near] - time[peak], scaled[near], 2)
    vertex = -b / (2 * a) if a < 0 else 0.0
    lowest, highest = time[near][[0, -1]]
    # A trace that starts at its maximum has its vertex before it.
    return float(np.clip(time[peak] + vertex, lowest, highest))


def resample(trace: Trace, n_points: int) -> tuple[float, NDArray[np.float64]]:
    """Interpolate a prepared trace linearly onto equal steps from time zero to its end.

    Returns
    -------
    duration : float
        Last time in microseconds.
    signal : ndarray of float64, shape (n_points,)
    """
    duration = float(trace.time[-1])
    grid = np.linspace(0.0, duration, n_points)
    return duration, np.interp(grid, trace.time, trace.signal)


def box(signals: ArrayLike) -> NDArray[np.float64]:
    """Shift and scale each row into [0, 1], as networks expect their inputs."""
    rows = real_array("signals", signals, 2).astype(np.float64)
    rows = rows - rows.min(axis=1, keepdims=True)
    height = rows.max(axis=1, keepdims=True)
    if not (height > 0).all():
        raise ValueError("signals must not be constant: they cannot be scaled to 0..1")
    boxed: NDArray[np.float64] = rows / height
    return boxed
