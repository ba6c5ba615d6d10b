"""Models of measured traces: scale, modulation depth and background, for one trace or several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy  # its submodules load at first use: scipy.optimize is slow to import
from numpy.typing import NDArray

from .._util.tables import brief
from .._util.validate import choice
from ._chunks import BACKGROUND_DIMENSION
from ._physics import Experiment
from ._traces import Trace

Vector = NDArray[np.float64]
Dimension = tuple[float, float]

_STARTS = (0.1, 0.5, 2.0)  # rates times duration
_LARGEST_RATE = 30.0


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
    experiment : str
    parameters : tuple of two floats
        DEER: the rate times `duration`, and the dimension. RIDME: a and b.
    duration : float
        Unit of time of the background, in microseconds.
    """

    scale: float
    depth: float
    background: Vector
    model: Vector
    rms: float
    experiment: Experiment
    parameters: tuple[float, float]
    duration: float

    def background_at(self, time: Vector) -> Vector:
        """Return the background at other times, in microseconds; it is 1 at time zero."""
        return _background(self.experiment, np.abs(time) / self.duration, *self.parameters)

    @property
    def form_factor(self) -> Vector:
        """The fitted ``1 - depth + depth * form_factor``: the model without scale and background."""
        return self.model / (self.scale * self.background)


def fit_trace(
    trace: Trace,
    form_factor: Vector | None = None,
    experiment: Experiment = "deer",
    dimension: Dimension | None = None,
    *,
    near: TraceFit | None = None,
) -> TraceFit:
    """Fit scale, modulation depth and background to a prepared trace, by least squares.

    Parameters
    ----------
    trace : Trace
        Prepared: real, counted from the zero time.
    form_factor : ndarray, shape (n,), optional
        At the times of the trace; without it, a background alone is fitted.
    experiment : {"deer", "ridme"}
        ``exp(-(k t)**(d / 3))`` with d in `dimension`, or ``exp(-(a s + b s**2))`` with s the time as
        a part of the whole.
    dimension : tuple of two floats, optional
        Range of d, within 2 to 3.5, which is the default and the range of the training; (3, 3.5) is
        the default of the authors' program. For DEER only.
    near : TraceFit, optional
        Where to start; else the fit starts from three rates and keeps the best.

    Raises
    ------
    ValueError
        If the trace is complex, the experiment unknown, or `dimension` out of range.
    """
    signal, top = _scaled(trace)
    lowest, highest = bounds(experiment, dimension)
    lowest, highest = [1e-6, 0.0, *lowest], [10.0, 1.0, *highest]
    s = np.abs(trace.time) / trace.time[-1]

    def excess(q: Vector) -> Vector:
        scale, depth, a, b = q
        shape = 1.0 if form_factor is None else 1 - depth + depth * form_factor
        difference: Vector = scale * shape * _background(experiment, s, a, b) - signal
        return difference

    starts = [[signal[0], 0.3, rate, _second(experiment)] for rate in _STARTS]
    if near is not None:
        starts = [[near.scale / top, near.depth, *near.parameters]]
    fits = []
    for start in starts:
        inside = np.clip(start, lowest, highest)
        fits.append(scipy.optimize.least_squares(excess, inside, bounds=(lowest, highest)))
    best = min(fits, key=lambda fit: float(fit.cost))
    scale, depth, a, b = map(float, best.x)
    return TraceFit(
        scale=scale * top,
        depth=0.0 if form_factor is None else depth,
        background=_background(experiment, s, a, b),
        model=top * (best.fun + signal),
        rms=float(np.sqrt(2 * best.cost / s.size) / scale),
        experiment=experiment,
        parameters=(a, b),
        duration=float(trace.time[-1]),
    )


def fit_traces(
    traces: Sequence[Trace],
    form_factors: Sequence[Vector],
    experiment: Experiment = "deer",
    dimension: Dimension | None = None,
) -> tuple[TraceFit, ...]:
    """Fit several prepared traces that share one background, by least squares.

    Each trace has its own scale and modulation depth. The rate and the dimension of the background
    (RIDME: both parameters) are common to all, as the authors' program has it.

    Parameters
    ----------
    traces : sequence of Trace
        Prepared. Each counts in units of its maximum.
    form_factors : sequence of ndarray
        Form factor of each trace, at its own times.
    experiment : {"deer", "ridme"}
    dimension : tuple of two floats, optional
        As for `fit_trace`.

    Returns
    -------
    tuple of TraceFit
        One per trace; all have the same `parameters` and `duration`, which is that of the longest.
    """
    lowest, highest = bounds(experiment, dimension)
    duration = max(float(trace.time[-1]) for trace in traces)
    parts = [
        (np.abs(trace.time) / duration, factor, *_scaled(trace))
        for trace, factor in zip(traces, form_factors, strict=True)
    ]

    def models(q: Vector) -> list[tuple[Vector, Vector]]:
        solved = []
        for s, factor, signal, _ in parts:
            decay = _background(experiment, s, *q)
            columns = np.column_stack([decay, decay * factor])
            weights = scipy.optimize.nnls(columns, signal)[0]
            solved.append((weights, columns @ weights))
        return solved

    def excess(q: Vector) -> Vector:
        pairs = zip(models(q), parts, strict=True)
        return np.concatenate([model - part[2] for (_, model), part in pairs])

    fits = []
    for rate in _STARTS:
        start = np.clip([rate, _second(experiment)], lowest, highest)
        fits.append(scipy.optimize.least_squares(excess, start, bounds=(lowest, highest)))
    a, b = map(float, min(fits, key=lambda fit: float(fit.cost)).x)
    found = []
    for (weights, model), (s, _, signal, top) in zip(models(np.array([a, b])), parts, strict=True):
        scale = float(weights.sum()) or 1e-6
        found.append(
            TraceFit(
                scale=scale * top,
                depth=float(weights[1]) / scale,
                background=_background(experiment, s, a, b),
                model=top * model,
                rms=float(np.sqrt(np.mean((model - signal) ** 2)) / scale),
                experiment=experiment,
                parameters=(a, b),
                duration=duration,
            )
        )
    return tuple(found)


def _background(experiment: Experiment, s: Vector, a: float, b: float) -> Vector:
    decay: Vector = (a * s) ** (b / 3) if experiment == "deer" else a * s + b * s**2
    return np.exp(-decay)


def _second(experiment: Experiment) -> float:
    return 3.0 if experiment == "deer" else 0.1


def _scaled(trace: Trace) -> tuple[Vector, float]:
    if np.iscomplexobj(trace.signal):
        raise ValueError("trace must be real: prepare it first")
    top = float(np.abs(trace.signal).max()) or 1.0
    return trace.signal / top, top


def bounds(experiment: Experiment, dimension: Dimension | None) -> tuple[list[float], list[float]]:
    """Return the lowest and highest parameters of a background."""
    choice("experiment", experiment, ("deer", "ridme"))
    if experiment == "ridme":
        if dimension is not None:
            raise ValueError(
                f"dimension must be None for RIDME, whose background has none, got {dimension}"
            )
        return [-_LARGEST_RATE] * 2, [_LARGEST_RATE] * 2
    low, high = BACKGROUND_DIMENSION if dimension is None else dimension
    least, most = BACKGROUND_DIMENSION
    if not least <= low <= high <= most:
        raise ValueError(
            f"dimension must be two ascending numbers within {least:g} to {most:g}, got {dimension}"
        )
    # The optimizer needs room between the bounds.
    return [1e-6, low], [_LARGEST_RATE, max(high, low + 1e-9)]
