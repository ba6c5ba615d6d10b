"""Starts of iterations: one or many, in threads or by an executor, and the best of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from .. import _core as core
from .._geometry.charts import random_rotation
from .._geometry.checks import cayley_generator, is_orthogonal, is_skew, unpacked
from .._geometry.rotation import Rotation, has_negative_determinant
from .._util.progress import reporting
from .._util.tables import brief
from .._util.threads import alone, default_threads
from .._util.validate import Array, real_array, square
from .lbfgs import Cancel
from .outcome import Outcome, Status
from .problem import Objective
from .settings import Settings

# Takes objective, start and settings, and returns where it ended.
Optimize = Callable[[Objective, Array, Settings, Cancel | None], Outcome]
Seeds = list[int | np.random.Generator | None]


@brief
@dataclass(frozen=True, eq=False)
class Starts:
    """The outcome of every start.

    Attributes
    ----------
    seeds : tuple of (int or None)
        Seed of each start's rotation; None is the identity. ``random_state=seed`` repeats one.
    objectives : ndarray, shape (n_starts,)
        Objective at the end of each start.
    statuses : tuple of Status
    n_best : int
        Number of starts that ended within 1e-6 (relative) of the best.
    """

    seeds: tuple[int | None, ...]
    objectives: Array
    statuses: tuple[Status, ...]
    n_best: int

    def __str__(self) -> str:
        spread = f"{self.objectives.min():.8g} to {self.objectives.max():.8g}"
        return f"{self.n_best} of {len(self.seeds)} starts reached the best; values {spread}"


def starting_points(
    n: int, settings: Settings, *, reflections: bool = False
) -> tuple[Seeds, list[Array]]:
    """Return the seeds and the rotations to start from; with `reflections`, the mirror image of each too."""
    seeds: Seeds = [settings.random_state]
    if settings.guess is not None:
        starts = [guessed(settings.guess, n)]
    else:
        seeds = _seeds(settings)
        starts = [np.eye(n) if seed is None else random_rotation(n, seed) for seed in seeds]
    if reflections:  # SO(n) does not reach them
        seeds = [seed for seed in seeds for _ in range(2)]
        mirror = np.append(np.ones(n - 1), -1.0)[:, None]
        starts = [start for own in starts for start in (own, mirror * own)]
    return seeds, starts


def _seeds(settings: Settings) -> Seeds:
    """Seed of each start: the user's own for one, drawn from it for many."""
    if settings.n_starts == 1:
        return [settings.random_state]
    if settings.random_state is None:
        return list(range(settings.n_starts))
    generator = np.random.default_rng(settings.random_state)
    return [int(seed) for seed in generator.integers(2**32, size=settings.n_starts)]


def guessed(guess: ArrayLike | Rotation, n: int) -> Array:
    """Return the rotation that a guess stands for, float64 (n, n).

    A guess is P itself, or a generator Q of ``P = (1 + Q)^-1 (1 - Q)``: as a skew-symmetric matrix or
    packed, its strict lower triangle column by column.

    Raises
    ------
    TypeError, ValueError
        If it is none of these, both P and Q, of another size, or a reflection.
    """
    given = guess.matrix if isinstance(guess, Rotation) else guess
    if np.ndim(given) == 1:
        packed = real_array("guess", given, 1).astype(np.float64)
        rotation: Array = core.cayley(cayley_generator("guess", unpacked("guess", packed)))
    else:
        matrix = square("guess", given).astype(np.float64)
        orthogonal, skew = is_orthogonal(matrix), is_skew(matrix)
        if orthogonal and skew and not isinstance(guess, Rotation):
            raise ValueError(
                "guess is both a rotation and a generator: give a Rotation, or a generator packed by "
                "ds.group.pack_generator"
            )
        if not (orthogonal or skew):
            raise ValueError(
                "guess must be an orthogonal matrix P or a skew-symmetric generator Q, and is neither"
            )
        rotation = matrix if orthogonal else core.cayley(cayley_generator("guess", matrix))
    if len(rotation) != n:
        raise ValueError(f"guess must be of {n} units, got {len(rotation)}")
    if has_negative_determinant(rotation):
        raise ValueError("guess must be a rotation, got a reflection: change the sign of a row")
    return rotation


def best_of_starts(
    optimize: Optimize, objective: Objective, starts: Sequence[Array], settings: Settings
) -> tuple[Outcome, list[Outcome]]:
    """Optimize from every start; return the best outcome, and all of them in the order of the starts.

    It does not depend on the number of threads, nor on the executor. After Ctrl-C, and where the
    callback stops, there are fewer outcomes than starts.
    """
    outcomes: list[Outcome] = []
    if settings.executor is None and len(starts) == 1:
        outcomes = [optimize(objective, starts[0], settings, None)]
    elif settings.executor is None and settings.threads != 1:
        outcomes = _in_threads(optimize, objective, starts, settings)
    else:
        apply = map if settings.executor is None else settings.executor.map
        one = partial(
            _from_start, optimize, objective, settings=settings.but(progress=False, executor=None)
        )
        with reporting(settings.progress, len(starts), "start") as report:
            for outcome in apply(one, starts):
                outcomes.append(outcome)
                report(len(outcomes), f"objective={outcome.objective:.6g}")
                if outcome.status in (Status.INTERRUPTED, Status.STOPPED):
                    break
    sign = 1 if objective.maximize else -1
    best = int(np.argmax([sign * outcome.objective for outcome in outcomes]))
    return outcomes[best], outcomes


def reported(seeds: Seeds, outcomes: Sequence[Outcome], best: Outcome) -> Starts:
    """Return what came of every start, as users see it."""
    objectives = np.array([outcome.objective for outcome in outcomes])
    near = np.abs(objectives - best.objective) <= 1e-6 * abs(best.objective)
    return Starts(
        tuple(
            seed if seed is None or isinstance(seed, int) else None
            for seed in seeds[: len(outcomes)]
        ),
        objectives,
        tuple(outcome.status for outcome in outcomes),
        int(near.sum()),
    )


def _from_start(
    optimize: Optimize,
    objective: Objective,
    start: Array,
    settings: Settings,
    cancel: Cancel | None = None,
) -> Outcome:
    """Optimize from one of many starts, with storage of its own, on this thread alone."""
    with alone():
        return optimize(objective.again(), start, settings, cancel)


def _in_threads(
    optimize: Optimize, objective: Objective, starts: Sequence[Array], settings: Settings
) -> list[Outcome]:
    """Outcomes in the order of the starts; after Ctrl-C, of those that began."""
    cancel, quiet = Cancel(), settings.but(progress=False)
    with (
        ThreadPoolExecutor(settings.threads or default_threads(apart=True)) as pool,
        reporting(settings.progress, len(starts), "start") as report,
    ):
        futures: list[Future[Outcome]] = [
            pool.submit(_from_start, optimize, objective, start, quiet, cancel) for start in starts
        ]
        try:
            for done, _ in enumerate(as_completed(futures), 1):
                report(done, f"{done} of {len(starts)} starts")
        except KeyboardInterrupt:
            cancel.ask()
            pool.shutdown(cancel_futures=True)
        except BaseException:
            cancel.ask()
            raise
        return list(_results(futures))


def _results(futures: Sequence[Future[Outcome]]) -> Iterator[Outcome]:
    """Yield the outcomes up to the first start that Ctrl-C left without one.

    Raises
    ------
    KeyboardInterrupt
        If not even the first start has one.
    """
    for number, future in enumerate(futures):
        if future.cancelled():
            return
        try:
            outcome = future.result()
        except KeyboardInterrupt:
            if number == 0:
                raise
            return
        yield outcome
