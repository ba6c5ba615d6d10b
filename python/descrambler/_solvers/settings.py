"""Options of the solvers, checked once."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._geometry.rotation import Rotation
from .._util.parallel import Executor, check_executor
from .._util.progress import Progress
from .._util.seeds import check_seed
from .._util.threads import check_threads
from .._util.validate import choice, integer

# Pairs kept by L-BFGS: five in the reference implementation.
METHODS = {"cayley-lbfgs": 5, "riemannian-lbfgs": 20}
RETRACTIONS = ("cayley", "exponential", "polar")
GAUGES = ("canonical", "identity", "align", "none")


@dataclass(frozen=True)
class State:
    """The state of an iteration.

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


Callback = Callable[[State], bool]


@dataclass(frozen=True, eq=False)
class Settings:
    """All options of a solve, as :func:`descrambler.descramble` states them.

    `dtype` is the precision in which to solve; `aim` the rotation to align to.
    """

    method: str = "auto"
    gauge: str = "canonical"
    aim: Rotation | None = None
    rank: int | str | None = None
    guess: ArrayLike | Rotation | None = None
    dtype: type[np.floating[Any]] = np.float64
    max_iter: int = 10_000
    tol: float = 1e-8
    retraction: str = "cayley"
    random_state: int | np.random.Generator | None = None
    n_starts: int = 1
    threads: int | None = None
    executor: Executor | None = None
    group: str = "SO"
    progress: Progress = False
    checkpoint: str | os.PathLike[str] | None = None
    checkpoint_every: int = 100
    callback: Callback | None = None

    def __post_init__(self) -> None:
        choice("method", self.method, ("auto", "exact", "polar", *METHODS))
        choice("gauge", self.gauge, GAUGES)
        choice("retraction", self.retraction, RETRACTIONS)
        choice("group", self.group, ("SO", "O"))
        if (self.gauge == "align") != (self.aim is not None):
            raise ValueError("reference is needed for gauge='align', and only there")
        for name in ("max_iter", "n_starts", "checkpoint_every"):
            integer(name, getattr(self, name), 1)
        check_seed(self.random_state)
        check_threads(self.threads)
        check_executor(self.executor)
        if isinstance(self.tol, bool) or not isinstance(self.tol, Real) or not self.tol >= 0:
            raise ValueError(f"tol must be a number of at least 0, got {self.tol!r}")
        self._check_pairs()

    def _check_pairs(self) -> None:
        """Check options of which one rules out another."""
        if self.checkpoint is not None and self.n_starts > 1:
            raise ValueError("checkpoint is for one start: give n_starts=1")
        if self.executor is not None:
            for name in ("callback", "checkpoint"):
                if getattr(self, name) is not None:
                    raise ValueError(f"{name} needs a search in this process: leave out executor")
        if self.guess is not None:
            if self.n_starts > 1 or self.random_state is not None:
                raise ValueError("guess is the only start: leave out n_starts and random_state")
            if self.rank is not None:
                raise ValueError("the exact solution uses no guess: leave out guess or rank")

    def but(self, **changes: Any) -> Settings:
        """Return the same settings with some changed."""
        return replace(self, **changes)
