"""Simulated traces a second on two threads against one, and time to train a DEERNet."""

from __future__ import annotations

import importlib.util

import numpy as np
from harness import row, side_by_side

import descrambler as ds

TITLE = "Simulation with two threads (ours) against one (theirs), and training"
TRACES = (131_072,)
WANTED = 0.018
MINUTES = 10.0


def simulation(n: int, dtype: type) -> str:
    def with_workers(workers: int) -> ds.deer.DeerData:
        return ds.deer.simulate(n, 0, dtype=dtype, workers=workers)

    np.testing.assert_array_equal(with_workers(1).traces, with_workers(2).traces)
    two, one, ratio = side_by_side(lambda: with_workers(2), lambda: with_workers(1), seconds=8)
    case = f"{n} traces of 256 points, {np.dtype(dtype)}: {n / two:.0f} a second"
    return row(case, two, one, ratio, f"{n / 100_000:.2f} s")


def training() -> str:
    states: list[ds.deer.TrainState] = []

    def reached(state: ds.deer.TrainState) -> bool:
        states.append(state)
        return state.validation <= WANTED

    ds.deer.train(n_steps=None, minutes=MINUTES, callback=reached)
    last = states[-1]
    assert last.validation <= WANTED, f"{last.validation} after {MINUTES} minutes"
    case = f"training 256-80-256 until the validation error is {last.validation:.4f} ({last.step} steps)"
    return f"| {case} | {last.seconds:.1f} s | - | - | <= {WANTED} within 600 s |"


def run(sizes: tuple[int, ...] = TRACES) -> list[str]:
    rows = [simulation(n, dtype) for n in sizes for dtype in (np.float32, np.float64)]
    if sizes == TRACES and importlib.util.find_spec("torch"):
        rows.append(training())
    return rows
