"""One start or many: seeds, threads, and which of them reached the best."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._geometry.charts import random_rotation
from .._util.parallel import processors
from .._util.tables import brief
from .._util.validate import Array
from .lbfgs import Cancel, Objective, Outcome, Settings, run
from .status import Status

Optimize = Callable[[Objective, Array, Settings, Cancel | None], Outcome]


@brief
@dataclass(frozen=True, eq=False)
class Starts:
    """What came of every start.

    Attributes
    ----------
    seeds : tuple of (int or None)
        Seed of each start's rotation; None is the identity. ``random_state=seed`` repeats one.
    objectives : ndarray, shape (n_starts,)
        Where each ended.
    statuses : tuple of Status
    n_best : int
        How many ended within 1e-6 (relative) of the best.
    """

    seeds: tuple[int | None, ...]
    objectives: Array
    statuses: tuple[Status, ...]
    n_best: int

    def __str__(self) -> str:
        spread = f"{self.objectives.min():.8g} to {self.objectives.max():.8g}"
        return f"{self.n_best} of {len(self.seeds)} starts reached the best; values {spread}"


def start_seeds(settings: Settings) -> list[int | np.random.Generator | None]:
    """Seed of each start: the user's own for one, drawn from it for many."""
    if settings.n_starts == 1:
        return [settings.random_state]
    if settings.random_state is None:
        return list(range(settings.n_starts))
    generator = np.random.default_rng(settings.random_state)
    return [int(seed) for seed in generator.integers(2**32, size=settings.n_starts)]


def search(
    objective: Objective,
    n: int,
    dtype: type[np.floating[Any]],
    settings: Settings,
    *,
    optimize: Optimize = run,
    reflections: bool = False,
    chart: Callable[[Array], Array] | None = None,
) -> tuple[Outcome, Starts]:
    """Optimize from every start, in threads of which the result does not depend.

    With `reflections`, from each start and from its mirror image, which SO(n) does not reach; `chart`
    takes a start to the coordinates of the criterion.
    """
    seeds = start_seeds(settings)
    starts = [np.eye(n) if seed is None else random_rotation(n, seed) for seed in seeds]
    if reflections:
        seeds = [seed for seed in seeds for _ in range(2)]
        mirror = np.append(np.ones(n - 1), -1.0)[:, None]
        starts = [start for own in starts for start in (own, mirror * own)]
    starts = [np.ascontiguousarray(chart(p) if chart else p, dtype) for p in starts]
    outcomes = _run_all(optimize, objective, starts, settings)
    sign = 1 if objective.maximize else -1
    objectives = np.array([outcome.objective for outcome in outcomes])
    best = int(np.argmax(sign * objectives))
    near = np.abs(objectives - objectives[best]) <= 1e-6 * abs(objectives[best])
    report = Starts(
        tuple(
            seed if seed is None or isinstance(seed, int) else None
            for seed in seeds[: len(outcomes)]
        ),
        objectives,
        tuple(outcome.status for outcome in outcomes),
        int(near.sum()),
    )
    return outcomes[best], report


def _run_all(
    optimize: Optimize, objective: Objective, starts: Sequence[Array], settings: Settings
) -> list[Outcome]:
    """Outcomes in the order of the starts; after Ctrl-C, of those that began."""
    if len(starts) == 1 or settings.threads == 1:
        outcomes = []
        for start in starts:
            outcomes.append(optimize(objective, start, settings, None))
            if outcomes[-1].status in (Status.INTERRUPTED, Status.STOPPED):
                break
        return outcomes
    cancel = Cancel()
    workers = settings.threads or processors()
    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(optimize, objective, start, settings, cancel) for start in starts]
        try:
            wait(futures)
        except KeyboardInterrupt:
            cancel.ask()
            pool.shutdown(cancel_futures=True)
        except BaseException:
            cancel.ask()
            raise
        return [future.result() for future in futures if not future.cancelled()]
