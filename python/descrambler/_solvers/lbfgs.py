"""The C++ optimizers: settings, a run from one start, and what came of it."""

from __future__ import annotations

import inspect
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import _core as core
from .._util.validate import Array, choice
from ..errors import ConvergenceWarning
from .status import Status

# Pairs kept by L-BFGS: five in the reference implementation.
METHODS = {"cayley-lbfgs": 5, "riemannian-lbfgs": 20}
RETRACTIONS = ("cayley", "exponential", "polar")

MESSAGES = {
    Status.CONVERGED: "gradient norm below tolerance",
    Status.MAX_ITERATIONS: "stopped at max_iter; raise it, or use the exact method where there is one",
    Status.LINE_SEARCH_FAILED: "no further decrease found: rounding reached, or a chart's edge",
    Status.STOPPED: "stopped by the callback",
    Status.INTERRUPTED: "interrupted (Ctrl-C); this is the best found so far",
}


@dataclass(frozen=True)
class State:
    """Where an iteration stands.

    Attributes
    ----------
    iteration : int
    objective : float
        With the criterion's own sign.
    gradient_norm : float
        In the method's chart.
    """

    iteration: int
    objective: float
    gradient_norm: float


@dataclass(frozen=True)
class Settings:
    """Options of the iterative methods, as :func:`descrambler.descramble` states them."""

    method: str
    max_iter: int
    tol: float
    retraction: str
    random_state: int | np.random.Generator | None
    callback: Callable[[State], bool] | None
    n_starts: int = 1
    threads: int | None = 1
    group: str = "SO"
    progress: bool = False
    checkpoint: str | os.PathLike[str] | None = None
    checkpoint_every: int = 100
    dtype: type[np.floating[Any]] = np.float64

    def __post_init__(self) -> None:
        choice("retraction", self.retraction, RETRACTIONS)
        choice("group", self.group, ("SO", "O"))
        for name in ("max_iter", "n_starts", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.threads is not None and self.threads < 1:
            raise ValueError(f"threads must be at least 1, got {self.threads}")
        if self.checkpoint is not None and self.n_starts > 1:
            raise ValueError("checkpoint is for one start: give n_starts=1")
        if not self.tol >= 0:
            raise ValueError(f"tol must be >= 0, got {self.tol}")

    def using(self, method: str) -> Settings:
        """Return the same settings for another method."""
        return replace(self, method=method)


@dataclass(frozen=True, eq=False)
class Outcome:
    """Where a run ended, and how."""

    rotation: Array
    status: Status
    n_iter: int
    n_eval: int
    history: Array
    gradient_norm: float

    @property
    def objective(self) -> float:
        """Value at the end, with the criterion's own sign."""
        return float(self.history[-1])


class Monitor:
    """Progress bar over iterations, or over passes to no set number, and the user's callback behind it."""

    def __init__(self, settings: Settings, unit: float, *, passes: bool = False) -> None:
        self.callback, self.unit = settings.callback, unit
        self.gradient_norm = 0.0
        self.bar = None
        if settings.progress:
            from tqdm import tqdm  # takes a while to load

            self.bar = (
                tqdm(unit="pass") if passes else tqdm(total=settings.max_iter, unit="iteration")
            )

    def stops(self, iteration: int, objective: float, gradient_norm: float) -> bool:
        """Show where the iteration stands; whether the user's callback stops it."""
        state = State(iteration, self.unit * objective, self.unit * gradient_norm)
        self.gradient_norm = state.gradient_norm
        if self.bar is not None:
            self.bar.set_postfix(objective=f"{state.objective:.6g}", refresh=False)
            self.bar.update(iteration - self.bar.n)
        return self.callback is not None and bool(self.callback(state))

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self.bar is not None:
            self.bar.close()


class Cancel:
    """A request to stop, made to all threads."""

    def __init__(self) -> None:
        self.asked = False
        self.core = core.Cancellation()

    def ask(self) -> None:
        """Stop."""
        self.asked = True
        self.core.cancel()


@dataclass(frozen=True, eq=False)
class Objective:
    """A C++ criterion, made anew for every thread since it keeps storage, with sense and unit."""

    kernel: Callable[[], core.Criterion]
    maximize: bool
    unit: float = 1.0


def run(
    objective: Objective, start: Array, settings: Settings, cancel: Cancel | None = None
) -> Outcome:
    """Optimize from one start by L-BFGS in C++."""
    monitor = Monitor(settings, objective.unit)

    def stop(progress: core.Progress) -> bool:
        return monitor.stops(progress.iteration, progress.objective, progress.gradient_norm)

    options = core.Options(METHODS[settings.method], settings.max_iter, settings.tol, stop)
    kernel, flag = objective.kernel(), None if cancel is None else cancel.core
    try:
        if settings.method == "cayley-lbfgs":
            p, code, n_iter, n_eval, history = core.cayley_lbfgs(
                kernel, objective.maximize, start, options, flag
            )
        else:
            retraction = core.Retraction[settings.retraction]
            p, code, n_iter, n_eval, history = core.riemannian_lbfgs(
                kernel, objective.maximize, start, retraction, options, flag
            )
    finally:
        monitor.close()
    return Outcome(
        p,
        Status(code.name),
        n_iter,
        n_eval,
        objective.unit * np.asarray(history),
        monitor.gradient_norm,
    )


def warn_unless_converged(outcome: Outcome, settings: Settings) -> None:
    """Give a ConvergenceWarning that states what was reached, what was asked, and the remedy."""
    remedies = {
        Status.MAX_ITERATIONS: f"raise max_iter (it was {settings.max_iter})",
        Status.LINE_SEARCH_FAILED: "if rounding is the cause, raise tol or give float64 signals; "
        "else try another random_state",
        Status.INTERRUPTED: "continue from the checkpoint, or use the result as it is",
    }
    if outcome.status not in remedies:
        return
    asked = settings.tol * abs(outcome.objective)
    warnings.warn(
        f"{settings.method}: {MESSAGES[outcome.status].split(';')[0]} after {outcome.n_iter} iterations; "
        f"gradient norm {outcome.gradient_norm:.2e} reached, {asked:.2e} asked (tol "
        f"{settings.tol:g} x |objective|); {remedies[outcome.status]}",
        ConvergenceWarning,
        stacklevel=depth_of_the_package(),
    )


def depth_of_the_package() -> int:
    """Count the frames between a warning and the user's call."""
    depth, frame = 1, inspect.currentframe()
    while frame and frame.f_globals.get("__name__", "").startswith("descrambler"):
        depth, frame = depth + 1, frame.f_back
    return depth - 1
