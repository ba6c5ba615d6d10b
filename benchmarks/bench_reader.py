"""What it costs to read a .mat file in a child process: its overhead, mostly imports."""

from __future__ import annotations

import os
import tempfile
import warnings
from pathlib import Path

import numpy as np
from harness import row, side_by_side
from scipy.io import savemat

from descrambler.readers import _mat_child, mat

TITLE = "Reading a .mat in a child process (ours) against the same parser here, imports done"
SIZES = (256,)


def measure(path: Path) -> str:
    def ours() -> dict[str, np.ndarray]:
        return mat.contents(path)

    def theirs() -> dict[str, np.ndarray]:
        return _mat_child.contents(str(path), None)

    np.testing.assert_equal(ours(), theirs())
    times = side_by_side(ours, theirs, seconds=6)
    overhead = 1e3 * (times[0] - times[1])
    return row(f"{path.name}; overhead {overhead:.0f} ms (target < 500)", *times, "-")


def run(sizes: tuple[int, ...] = SIZES) -> list[str]:
    rng = np.random.default_rng(0)
    released = os.environ.get("DESCRAMBLER_TEST_DATA")
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of mat-io and of what it imports
        paths = [Path(folder) / f"plain weights, n = {n}.mat" for n in sizes]
        for path, n in zip(paths, sizes, strict=True):
            savemat(path, {f"W{k}": rng.standard_normal((n, n)) for k in range(1, 7)})
        if released:
            paths.append(Path(released) / "nets" / "deer64_net01.mat")
        return [measure(path) for path in paths]
