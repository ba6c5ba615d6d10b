"""L-BFGS on the rotation group, in C++: a run from one start, watched and stopped from Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from .. import _core as core
from .._util.progress import reporting
from .._util.validate import Array
from .outcome import Outcome, Status
from .problem import Objective
from .settings import METHODS, Callback, Settings, State


class Cancel:
    """A request to stop, made to all threads."""

    def __init__(self) -> None:
        self.asked = False
        self.core = core.Cancellation()

    def ask(self) -> None:
        """Stop."""
        self.asked = True
        self.core.cancel()


@dataclass(eq=False)
class Monitor:
    """Shows where an iteration stands, and asks the user's callback whether to stop."""

    callback: Callback | None
    unit: float
    report: Callable[[int, str], None]
    gradient_norm: float = 0.0

    def stops(self, iteration: int, objective: float, gradient_norm: float) -> bool:
        """Take note of a step; tell whether the callback stops."""
        state = State(iteration, self.unit * objective, self.unit * gradient_norm)
        self.gradient_norm = state.gradient_norm
        self.report(iteration, f"objective={state.objective:.6g}")
        return self.callback is not None and bool(self.callback(state))


@contextmanager
def monitoring(settings: Settings, unit: float, *, passes: bool = False) -> Iterator[Monitor]:
    """Watch iterations, or passes to no set number."""
    total, word = (None, "pass") if passes else (settings.max_iter, "iteration")
    with reporting(settings.progress, total, word) as report:
        yield Monitor(settings.callback, unit, report)


def lbfgs(
    objective: Objective, start: Array, settings: Settings, cancel: Cancel | None = None
) -> Outcome:
    """Optimize from one start.

    Raises
    ------
    KeyboardInterrupt
        If it is interrupted before the first evaluation has ended: later there is an outcome to return.
    """
    with monitoring(settings, objective.unit) as monitor:

        def stop(at: core.Progress) -> bool:
            return monitor.stops(at.iteration, at.objective, at.gradient_norm)

        options = core.Options(METHODS[settings.method], settings.max_iter, settings.tol, stop)
        flag = None if cancel is None else cancel.core
        kernel, maximize = objective.kernel, objective.maximize
        if settings.method == "cayley-lbfgs":
            found = core.cayley_lbfgs(kernel, maximize, start, options, flag)
        else:
            retraction = core.Retraction[settings.retraction]
            found = core.riemannian_lbfgs(kernel, maximize, start, retraction, options, flag)
    p, code, n_iter, n_eval, history = found
    if not history:
        raise KeyboardInterrupt
    values = objective.unit * np.asarray(history)
    return Outcome(p, Status(code.name), n_iter, n_eval, values, monitor.gradient_norm)
