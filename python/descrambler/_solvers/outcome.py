"""The end of a solve: status, value, and how it is printed."""

from __future__ import annotations

import inspect
import warnings
from dataclasses import dataclass
from enum import Enum

from .._util.validate import Array
from ..errors import ConvergenceWarning
from .settings import Settings


class Status(str, Enum):
    """The way in which a solve ended."""

    CONVERGED = "converged"
    MAX_ITERATIONS = "max_iterations"
    LINE_SEARCH_FAILED = "line_search_failed"
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"

    def __str__(self) -> str:
        return self.value


MESSAGES = {
    Status.CONVERGED: "gradient norm below tolerance",
    Status.MAX_ITERATIONS: "stopped at max_iter; raise it, or use the exact method where there is one",
    Status.LINE_SEARCH_FAILED: "no further decrease found: rounding reached, or a chart's edge",
    Status.STOPPED: "stopped by the callback",
    Status.INTERRUPTED: "interrupted (Ctrl-C); this is the best found so far",
}


@dataclass(frozen=True, eq=False)
class Outcome:
    """The end of a solve: the one kind of result of all algorithms that return a rotation.

    Attributes
    ----------
    rotation : ndarray, shape (n, n)
    status : Status
    n_iter, n_eval : int
    history : ndarray
        Value at the start and after each iteration, with the criterion's own sign.
    gradient_norm : float
        NaN where it played no part.
    bound : float
        Proven bound of the value; NaN where there is none.
    note : str
        Message, where it is not the usual one of the status.
    """

    rotation: Array
    status: Status
    n_iter: int
    n_eval: int
    history: Array
    gradient_norm: float = float("nan")
    bound: float = float("nan")
    note: str = ""

    @property
    def objective(self) -> float:
        """Value at the end."""
        return float(self.history[-1])

    @property
    def message(self) -> str:
        """The meaning of the status, in words."""
        return self.note or MESSAGES[self.status]


def warn_unless_converged(outcome: Outcome, settings: Settings) -> None:
    """Give a ConvergenceWarning that states what was reached, what was asked, and the remedy."""
    remedies = {
        Status.MAX_ITERATIONS: f"raise max_iter (it was {settings.max_iter})",
        Status.LINE_SEARCH_FAILED: "if rounding is the cause, raise tol or give float64 signals; "
        "else try another random_state",
        Status.INTERRUPTED: "continue from the checkpoint, or use this result",
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
