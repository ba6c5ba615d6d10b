"""Measured traces, and their preparation for a network."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import scipy  # its submodules load at first use: scipy.signal and scipy.stats are slow to import
from numpy.typing import ArrayLike, NDArray

from .._util.tables import brief
from .._util.validate import check_unmasked, own_unit, real_array


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
    notes : tuple of str
        What was left out when the file was read.
    delays : mapping of str to float
        Delays of the pulse program in a Bruker header, by name, in microseconds.
    phase, zero : float or None
        Set by `prepare`: the phase that was taken off, in radians, and the zero time on the axis of
        the measured trace, in microseconds.
    """

    time: NDArray[np.float64]
    signal: NDArray[Any]
    name: str = ""
    notes: tuple[str, ...] = ()
    delays: Mapping[str, float] = field(default_factory=dict)
    phase: float | None = None
    zero: float | None = None

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
    real, phase = _phased(signal)
    origin = _zero_time(time, real) if zero is None else zero
    time = time - origin
    first = max(int(np.searchsorted(time, 0.0, side="right")) - 1, 0)
    if time.size - first < 8:
        raise ValueError(f"zero must leave at least 8 points, got {origin:g}")
    return replace(trace, time=time[first:], signal=real[first:], phase=phase, zero=float(origin))


def _phased(signal: NDArray[Any]) -> tuple[NDArray[np.float64], float]:
    """Return the real part after rotation, and the angle of the rotation."""
    if signal.dtype.kind != "c":
        return np.asarray(signal, np.float64), 0.0
    unit = np.abs(signal).max() or 1.0
    phase = 0.5 * float(np.angle(np.sum((signal / unit) ** 2)))
    real: NDArray[np.float64] = (signal * np.exp(-1j * phase)).real
    if real.sum() < 0:
        return -real, phase - math.copysign(math.pi, phase)
    return real, phase


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
