"""How finely a trace was sampled, and the shortest distance that it shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._util.tables import brief
from ._physics import DIPOLAR_CONSTANT
from ._traces import Trace

SHORTEST = 25.0
"""Angstrom: a trace must show this distance, unless the caller allows a longer one."""

_LARGEST_GAP = 0.2  # of the duration
_EVEN = 0.01  # of the step
_RATE = 4.0  # r**3 = 4 c step: the perpendicular frequency has four points per period


@brief
@dataclass(frozen=True)
class Sampling:
    """The sampling of a prepared trace.

    Attributes
    ----------
    step : float
        Mean step in microseconds.
    gap : float
        Longest step in microseconds.
    even : bool
        Whether all steps are the same.
    shortest : float
        Shortest distance in Angstrom that the mean step shows (Nyquist): ``(4 c step)**(1/3)``.
    """

    step: float
    gap: float
    even: bool
    shortest: float


def sampling(trace: Trace) -> Sampling:
    """Return how finely a trace was sampled.

    The dipolar spectrum of a distance r ends at twice its frequency ``c / r**3``. The mean step
    resolves frequencies up to ``1 / (2 step)``, so distances from ``(4 c step)**(1/3)`` on.
    """
    steps = np.diff(trace.time)
    mean = float(steps.mean())
    even = bool(np.ptp(steps) <= _EVEN * mean)
    return Sampling(mean, float(steps.max()), even, float(np.cbrt(_RATE * DIPOLAR_CONSTANT * mean)))


def check_sampling(trace: Trace, shortest: float = SHORTEST) -> Sampling:
    """Return the sampling of a prepared trace, if it is fine enough.

    Raises
    ------
    ValueError
        If the mean step does not show the distance `shortest`, or one gap is longer than a fifth of
        the trace.
    """
    found = sampling(trace)
    if found.shortest > shortest:
        raise ValueError(
            f"trace must show distances from {shortest:g} A on, got a mean step of "
            f"{found.step * 1000:.3g} ns, which shows {found.shortest:.3g} A and more (Nyquist). If "
            "the sample has no shorter ones, say so: shortest= or --shortest"
        )
    if found.gap > _LARGEST_GAP * float(trace.time[-1]):
        raise ValueError(
            f"trace must have no gap longer than {_LARGEST_GAP:g} of its duration, got one of "
            f"{found.gap:.3g} us in {trace.time[-1]:.3g} us: cut the trace before it, stop= or --stop"
        )
    return found
