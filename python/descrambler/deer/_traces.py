"""Measured traces: Bruker and text files, and their preparation for a network."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy  # its submodules load at first use: scipy.signal and scipy.stats are slow to import
from numpy.typing import ArrayLike, NDArray

from .._util.tables import brief
from .._util.validate import check_unmasked, choice, own_unit, real_array

_NANOSECONDS = 50.0  # no DEER trace in microseconds is as long, none in nanoseconds as short
_MAX_POINTS = 1_000_000
_FORMATS = {"D": "f8", "F": "f4", "I": "i4", "S": "i2", "C": "i1"}
_UNITS = {"ns": 1e-3, "us": 1.0, "µs": 1.0, "\N{GREEK SMALL LETTER MU}s": 1.0, "ms": 1e3, "s": 1e6}


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


def load_trace(path: str | os.PathLike[str], time_unit: str = "auto") -> Trace:
    """Read a trace from a Bruker BES3T pair or a text file.

    Parameters
    ----------
    path : path-like
        The ``.DTA`` or ``.DSC`` file of a pair (the other lies beside it), or text: columns of
        time, real part and, perhaps, imaginary part, separated by blanks or commas; lines that
        do not begin with a number are skipped.
    time_unit : {"auto", "ns", "us"}
        Of a text file. "auto" takes times that reach 50 for nanoseconds.

    Returns
    -------
    Trace

    Raises
    ------
    ValueError
        If the file is damaged, has more than one dimension, or holds no trace.
    OSError
        If a file cannot be opened.
    """
    choice("time_unit", time_unit, ("auto", "ns", "us"))
    path = Path(path)
    if path.suffix.lower() in (".dta", ".dsc"):
        return _bruker(path)
    return _text(path, time_unit)


def _text(path: Path, time_unit: str) -> Trace:
    rows = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = [float(word) for word in line.replace(",", " ").split()]
        except ValueError:
            continue
        if row:
            rows.append(row)
    if len({len(row) for row in rows}) != 1 or len(rows[0]) < 2:
        raise ValueError(f"{path} must hold two or three columns of numbers, as many in each line")
    columns = np.array(rows).T
    if time_unit == "auto":
        time_unit = "ns" if np.abs(columns[0]).max() >= _NANOSECONDS else "us"
    signal = columns[1] if len(columns) == 2 else columns[1] + 1j * columns[2]
    return _trace(path, columns[0] * _UNITS[time_unit], signal)


def _trace(path: Path, time: NDArray[np.float64], signal: NDArray[Any]) -> Trace:
    try:
        return Trace(time, signal, path.name)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _bruker(path: Path) -> Trace:
    """Read a BES3T pair: big- or little-endian numbers, described by a header of keys."""
    header_path, data_path = _pair(path)
    header: dict[str, str] = {}
    for line in header_path.read_text(encoding="latin-1").splitlines():
        key, _, value = line.strip().partition("\t")
        header.setdefault(key.strip(), value.strip().strip("'"))

    def get(key: str, default: str | None = None) -> str:
        if key not in header and default is None:
            raise ValueError(f"{header_path}, {key}: missing")
        return header.get(key, default or "")

    def number(key: str) -> float:
        try:
            value = float(get(key))
        except ValueError as error:
            raise ValueError(f"{header_path}, {key}: {error}") from error
        if not math.isfinite(value):
            raise ValueError(f"{header_path}, {key}: must be finite, got {value}")
        return value

    points = number("XPTS")
    if points != int(points) or not 8 <= points <= _MAX_POINTS:
        raise ValueError(
            f"{header_path}, XPTS: must be between 8 and {_MAX_POINTS}, got {points:g}"
        )
    for axis in "YZ":
        if get(f"{axis}TYP", "NODATA") != "NODATA" and number(f"{axis}PTS") != 1:
            raise ValueError(f"{header_path}, {axis}PTS: must be 1, the trace of one experiment")
    choice(f"{header_path}, XTYP", get("XTYP"), ("IDX",))
    order = {"BIG": ">", "LIT": "<"}[choice(f"{header_path}, BSEQ", get("BSEQ"), ("BIG", "LIT"))]
    form = choice(f"{header_path}, IRFMT", get("IRFMT").split(",")[0], tuple(_FORMATS))
    complex_ = choice(f"{header_path}, IKKF", get("IKKF").split(",")[0], ("CPLX", "REAL")) == "CPLX"
    unit = _UNITS[choice(f"{header_path}, XUNI", get("XUNI", "ns"), tuple(_UNITS))]
    data = data_path.read_bytes()
    dtype = np.dtype(order + _FORMATS[form])
    expected = int(points) * (2 if complex_ else 1) * dtype.itemsize
    if len(data) != expected:
        raise ValueError(
            f"{data_path} must have {expected} bytes for the {points:g} points of its header, "
            f"found {len(data)}"
        )
    values = np.frombuffer(data, dtype).astype(np.float64)
    start, width = number("XMIN"), number("XWID")
    time = unit * np.linspace(start, start + width, int(points))
    return _trace(data_path, time, values[::2] + 1j * values[1::2] if complex_ else values)


def _pair(path: Path) -> tuple[Path, Path]:
    """Return header and data file; the suffix of the other has the case of the given one."""
    found = []
    for suffix in (".DSC", ".DTA"):
        names = [path.with_suffix(s) for s in (suffix, suffix.lower())]
        there = [name for name in names if name.exists()]
        if not there:
            raise FileNotFoundError(
                f"{names[0]} is missing: a Bruker trace is a pair of a .DSC and a .DTA file"
            )
        found.append(there[0])
    return found[0], found[1]


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
