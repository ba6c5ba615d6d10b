"""Gram matrix of a layer's tanh signals, fused, against NumPy in batches; and its peak memory."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import numpy as np
from harness import row, side_by_side

import descrambler as ds

TITLE = "Gram of tanh(X W^T), 256 inputs, 80 units (ours) against NumPy in batches of 4096"
ROWS = (1_000_000,)


def numpy_gram(x: np.ndarray, w: np.ndarray, batch: int = 4096) -> np.ndarray:
    total, first = np.zeros((len(w), len(w))), np.zeros(len(w))
    for start in range(0, len(x), batch):
        z = np.tanh(x[start : start + batch] @ w.T)
        total += z.T @ z
        first += z.sum(axis=0)
    return total


def anonymous_megabytes() -> float:
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"RssAnon:\s+(\d+)", status).group(1)) / 1024


def peak_during(work: object) -> float:
    """Megabytes of anonymous memory above those at the start."""
    start, peak, done = anonymous_megabytes(), [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.005):
            peak[0] = max(peak[0], anonymous_megabytes() - start)

    watcher = threading.Thread(target=watch)
    watcher.start()
    work()
    done.set()
    watcher.join()
    return peak[0]


def run(rows: tuple[int, ...] = ROWS) -> list[str]:
    table = []
    for m in rows:
        generator = np.random.default_rng(0)
        x = generator.standard_normal((m, 256))
        w = generator.standard_normal((80, 256)) / 16
        network = ds.Network([ds.Linear(w), ds.Activation("tanh")])

        def ours(network: ds.Network = network, x: np.ndarray = x) -> np.ndarray:
            return network.gram(x, 1, "after").matrix

        def theirs(x: np.ndarray = x, w: np.ndarray = w) -> np.ndarray:
            return numpy_gram(x, w)

        assert np.abs(ours() - theirs()).max() < 1e-12 * np.abs(theirs()).max()
        memory = peak_during(ours)
        case = f"{m} rows; peak {memory:.0f} MB above the inputs (target < 200)"
        table.append(row(case, *side_by_side(ours, theirs, seconds=15), "<= 1"))
    return table
