"""Settings and outcome of the C++ optimisers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from ._native import core
from ._validate import Array, choice
from .result import Status

if TYPE_CHECKING:
    from . import _core

# Pairs kept by L-BFGS: five in the reference implementation.
METHODS = {"cayley-lbfgs": 5, "riemannian-lbfgs": 20}
RETRACTIONS = ("cayley", "exponential", "polar")

MESSAGES = {
    Status.CONVERGED: "gradient norm below tolerance",
    Status.MAX_ITERATIONS: "stopped at max_iter; raise it, or use the exact method where there is one",
    Status.LINE_SEARCH_FAILED: "no further decrease found: rounding reached, or a chart's edge",
    Status.STOPPED: "stopped by the callback",
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
    tolerance: float
    retraction: str
    random_state: int | np.random.Generator | None
    callback: Callable[[State], bool] | None
    dtype: type[np.floating[Any]] = np.float64

    def __post_init__(self) -> None:
        choice("retraction", self.retraction, RETRACTIONS)
        if self.max_iter < 1:
            raise ValueError(f"max_iter must be at least 1, got {self.max_iter}")
        if not self.tolerance >= 0:
            raise ValueError(f"tolerance must be >= 0, got {self.tolerance}")


class Outcome(TypedDict):
    """How a run ended."""

    status: Status
    message: str
    n_iter: int
    n_eval: int
    history: Array


def run(kernel: _core.Criterion, settings: Settings, unit: float) -> tuple[Array, Outcome]:
    """Optimise a C++ criterion from P = 1; returns P and how it was reached.

    The criterion is of data divided so that `unit` is the unit of its values: the optimiser's first
    step has a length of its own.
    """
    callback = settings.callback

    def stop(progress: _core.Progress) -> bool:
        assert callback is not None
        state = State(progress.iteration, unit * progress.objective, unit * progress.gradient_norm)
        return bool(callback(state))

    options = core.Options(
        METHODS[settings.method], settings.max_iter, settings.tolerance, stop if callback else None
    )
    if settings.method == "cayley-lbfgs":
        p, code, n_iter, n_eval, history = core.cayley_lbfgs(kernel, options)
    else:
        retraction = getattr(core.Retraction, settings.retraction)
        p, code, n_iter, n_eval, history = core.riemannian_lbfgs(kernel, retraction, options)
    status = Status(code.name)
    return p, {
        "status": status,
        "message": MESSAGES[status],
        "n_iter": n_iter,
        "n_eval": n_eval,
        "history": unit * np.asarray(history),
    }
