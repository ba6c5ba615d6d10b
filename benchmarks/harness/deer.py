"""Simulated traces a second on two threads against one, and time to train a DEERNet."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import numpy as np

import descrambler as ds

from .measure import Case, Row, Scale, SideBySide

TITLE = "Simulating DEER traces, and training on them"
ABOUT = """\
Traces of 256 points; two threads against one. Training: a 256-80-256 network until its validation error is
0.018, for ten minutes at most (full runs, with PyTorch)."""
WANTED, MINUTES = 0.018, 10.0
TRACES_A_SECOND = 100_000


def cases(scale: Scale) -> Iterator[Case]:
    """Yield the simulation in both precisions; training, if all is to be measured."""
    n = scale.choose(tiny=700, quick=16_384, full=131_072)
    for dtype in (np.float32, np.float64):
        yield _simulation(n, dtype)
    if scale.name == "full":
        yield Training()


def _simulation(n: int, dtype: type) -> SideBySide:
    def with_threads(threads: int) -> ds.deer.DeerData:
        return ds.deer.simulate(n, 0, dtype=dtype, threads=threads)

    def check() -> None:
        np.testing.assert_array_equal(with_threads(1).traces, with_threads(2).traces)

    return SideBySide(
        f"{n} traces, {np.dtype(dtype)}",
        "two threads",
        lambda: with_threads(2),
        "one thread",
        lambda: with_threads(1),
        check,
        note=f"wanted: {n / TRACES_A_SECOND:.2f} s on two",
    )


class Training:
    """A network trained until it is good enough, or the time is over."""

    case = f"training until the validation error is {WANTED}, seconds"

    def ours(self) -> ds.deer.TrainState:
        """Train; returns the last state."""
        states: list[ds.deer.TrainState] = []

        def reached(state: ds.deer.TrainState) -> bool:
            states.append(state)
            return state.validation <= WANTED

        ds.deer.train(n_steps=None, minutes=MINUTES, callback=reached)
        return states[-1]

    def check(self) -> None:
        """Assert that the error is reached in time."""
        assert self.ours().validation <= WANTED

    def rows(self, scale: Scale) -> Iterator[Row]:
        """Train once: a miss is a line of the table."""
        if importlib.util.find_spec("torch") is None:
            yield Row(self.case, "train", note="not installed: torch")
            return
        last = self.ours()
        yield Row(
            self.case,
            "train",
            ours_seconds=last.seconds,
            value=last.seconds,
            limit=60 * MINUTES,
            good=last.validation <= WANTED,
            note=f"{last.validation:.4f} after {last.step} steps",
        )
