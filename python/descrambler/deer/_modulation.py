"""Backgrounds of measured traces, and whether there is anything beside them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy  # its submodules load at first use: scipy.signal and scipy.stats are slow to import
from numpy.typing import NDArray

from .._util.tables import brief
from .._util.validate import choice, own_unit
from ._physics import Experiment
from ._simulate import BACKGROUND_DIMENSION
from ._traces import Trace

Vector = NDArray[np.float64]

LEVEL = 1e-3
"""P-value below which a trace is taken to be modulated."""
_SLOW = 20  # cosine coefficients of the residual in which a modulation would show


@brief
@dataclass(frozen=True, eq=False)
class TraceFit:
    """A model of a trace: ``scale * (1 - depth + depth * form_factor) * background``.

    Attributes
    ----------
    scale, depth : float
        Depth is 0 where no form factor was given.
    background, model : ndarray, shape (n,)
        At the times of the trace.
    rms : float
        Root mean square of what the model leaves, in units of `scale`.
    """

    scale: float
    depth: float
    background: Vector
    model: Vector
    rms: float


def fit_trace(
    trace: Trace, form_factor: Vector | None = None, experiment: Experiment = "deer"
) -> TraceFit:
    """Fit scale, modulation depth and background to a prepared trace, by least squares.

    Parameters
    ----------
    trace : Trace
        Prepared: real, counted from the zero time.
    form_factor : ndarray, shape (n,), optional
        At the times of the trace; without it, a background alone is fitted.
    experiment : {"deer", "ridme"}
        ``exp(-(k t)**(d / 3))`` with d in 2..3.5, or ``exp(-(a s + b s**2))`` with s the time as
        a part of the whole.

    Raises
    ------
    ValueError
        If the trace is complex, or the experiment unknown.
    """
    choice("experiment", experiment, ("deer", "ridme"))
    if np.iscomplexobj(trace.signal):
        raise ValueError("trace must be real: prepare it first")
    s = np.abs(trace.time) / trace.time[-1]
    top = float(np.abs(trace.signal).max()) or 1.0
    signal = trace.signal / top

    def background(a: float, b: float) -> Vector:
        decay: Vector = (a * s) ** (b / 3) if experiment == "deer" else a * s + b * s**2
        return np.exp(-decay)

    def excess(q: Vector) -> Vector:
        scale, depth, a, b = q
        shape = 1.0 if form_factor is None else 1 - depth + depth * form_factor
        difference: Vector = scale * shape * background(a, b) - signal
        return difference

    lowest, highest = _BOUNDS[experiment]
    fits = []
    for rate in (0.1, 0.5, 2.0):
        start = np.array([signal[0], 0.3, rate, 3.0 if experiment == "deer" else 0.1])
        start = np.clip(start, lowest, highest)
        fits.append(scipy.optimize.least_squares(excess, start, bounds=(lowest, highest)))
    best = min(fits, key=lambda fit: float(fit.cost))
    scale, depth, a, b = best.x
    return TraceFit(
        scale=float(scale * top),
        depth=0.0 if form_factor is None else float(depth),
        background=background(a, b),
        model=top * (best.fun + signal),
        rms=float(np.sqrt(2 * best.cost / s.size) / scale),
    )


_BOUNDS = {
    "deer": (
        [1e-6, 0.0, 1e-6, BACKGROUND_DIMENSION[0]],
        [10.0, 1.0, 30.0, BACKGROUND_DIMENSION[1]],
    ),
    "ridme": ([1e-6, 0.0, -30.0, -30.0], [10.0, 1.0, 30.0, 30.0]),
}


@brief
@dataclass(frozen=True, eq=False)
class Modulation:
    """Whether a trace is more than a background with white noise.

    Attributes
    ----------
    p : float
        Probability of so much slow residual without any modulation (F test).
    found : bool
        Whether `p` is below `LEVEL`.
    fit : TraceFit
        The background alone.
    """

    p: float
    found: bool
    fit: TraceFit


def modulation(trace: Trace, experiment: Experiment = "deer") -> Modulation:
    """Test a prepared trace for dipolar modulation.

    A background alone is fitted. If it is all there is, the residual is white: its first 20 cosine
    coefficients have the variance of the upper half of them, which an F test compares.

    Parameters
    ----------
    trace : Trace
        Prepared, with at least 64 measured points.
    experiment : {"deer", "ridme"}

    Returns
    -------
    Modulation

    Raises
    ------
    ValueError
        If there are fewer than 64 points.

    Notes
    -----
    Slow drifts of a spectrometer count as modulation: the test does not know their cause.
    """
    n = trace.time.size
    if n < 64:
        raise ValueError(f"trace must have at least 64 points from the zero time on, got {n}")
    fit = fit_trace(trace, experiment=experiment)
    coefficients = scipy.fft.dct(own_unit(trace.signal - fit.model)[0], norm="ortho")
    parameters = 3
    slow = float(np.sum(coefficients[:_SLOW] ** 2)) / (_SLOW - parameters)
    noise = float(np.mean(coefficients[n // 2 :] ** 2))
    p = float(scipy.stats.f.sf(slow / noise, _SLOW - parameters, n - n // 2)) if noise > 0 else 0.0
    return Modulation(p, p < LEVEL, fit)
