"""Gram matrix of a layer's tanh signals, fused, against NumPy in batches; and its peak memory."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

import descrambler as ds
from descrambler._util.validate import Array

from .measure import Row, Scale, SideBySide

TITLE = "Gram matrix of tanh(X W^T), fused, against NumPy"
ABOUT = "256 inputs, 80 units; NumPy in batches of 4096."
MEGABYTES = 200


def cases(scale: Scale) -> Iterator[SideBySide]:
    """Yield the pass."""
    yield _case(scale.choose(tiny=5000, quick=50_000, full=1_000_000))


class _Fused(SideBySide):
    def rows(self, scale: Scale) -> Iterator[Row]:
        """Time the pass, then watch its memory."""
        yield from super().rows(scale)
        memory = _peak_during(self.ours)
        case = f"{self.case}, peak MB above the inputs"
        yield Row(case, "fused", value=memory, limit=MEGABYTES)


def _case(m: int) -> SideBySide:
    generator = np.random.default_rng(0)
    x = generator.standard_normal((m, 256))
    w = generator.standard_normal((80, 256)) / 16
    network = ds.Network([ds.Linear(w), ds.Activation("tanh")])

    def ours() -> Array:
        return network.gram(x, 1, "after").matrix

    def theirs() -> Array:
        return _numpy_gram(x, w)

    def check() -> None:
        expected = theirs()
        assert np.abs(ours() - expected).max() < 1e-12 * np.abs(expected).max()

    return _Fused(f"{m} rows", "fused", ours, "NumPy", theirs, check, 1)


def _numpy_gram(x: Array, w: Array, batch: int = 4096) -> Array:
    total, first = np.zeros((len(w), len(w))), np.zeros(len(w))
    for start in range(0, len(x), batch):
        z = np.tanh(x[start : start + batch] @ w.T)
        total += z.T @ z
        first += z.sum(axis=0)
    return total


def _anonymous_megabytes() -> float:
    status = Path("/proc/self/status").read_text()
    found = re.search(r"RssAnon:\s+(\d+)", status)
    assert found is not None
    return int(found.group(1)) / 1024


def _peak_during(work: Callable[[], object]) -> float:
    """Megabytes of anonymous memory above those at the start."""
    start, peak, done = _anonymous_megabytes(), [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.005):
            peak[0] = max(peak[0], _anonymous_megabytes() - start)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        work()
    finally:
        done.set()
        watcher.join()
    return peak[0]
