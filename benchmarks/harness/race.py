"""Time that an optimizer takes to come within a gap of the known optimum."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import numpy as np

from descrambler import State

ROUNDING = float(np.finfo(np.float64).eps)


class Over(Exception):
    """The run has reached its goal, or its time is up."""


class Watch:
    """Clock of one run, which sees the value at every evaluation and ends it at the goal or the cap.

    Parameters
    ----------
    optimum : float
        Of the minimized value.
    goal : float
        Relative gap at which to stop.
    cap : float
        Seconds.
    """

    def __init__(self, optimum: float, goal: float, cap: float) -> None:
        self.optimum, self.goal, self.cap = optimum, goal, cap
        self.best = np.inf
        self.trace: list[tuple[float, float]] = []
        self.elapsed = 0.0
        self._start = 0.0

    def time(self, run: Callable[[Watch], object]) -> Watch:
        """Run an optimizer from start to end."""
        self._start = time.perf_counter()
        with suppress(Over):
            run(self)
        self.elapsed = time.perf_counter() - self._start
        return self

    def saw(self, value: float) -> None:
        """Note the value at an evaluation; raises Over when the run is to end."""
        if self.note(value):
            raise Over

    def note(self, value: float) -> bool:
        """Note a value; returns whether the run is to end."""
        now = time.perf_counter() - self._start
        gap = float(value - self.optimum) / abs(self.optimum)
        if gap < self.best:
            self.best = gap
            self.trace.append((now, gap))
        return gap <= self.goal or now > self.cap

    def drawn(self) -> list[tuple[float, float]]:
        """Return the trace with a point for each per cent of progress, none below rounding."""
        points: list[tuple[float, float]] = []
        for seconds, gap in self.trace:
            if not points or gap < 0.99 * points[-1][1]:
                points.append((seconds, max(gap, ROUNDING)))
        return points

    def callback(self, sign: float) -> Callable[[State], bool]:
        """For our own optimizers; `sign` makes their objective the minimized one."""
        return lambda state: self.note(sign * state.objective)

    def seconds_to(self, gap: float) -> tuple[float, bool]:
        """Return when the gap was first reached, and True; or the time of the whole run, and False."""
        for seconds, reached in self.trace:
            if reached <= gap:
                return seconds, True
        return self.elapsed, False
