"""What it costs to read a .mat file in a child process: its overhead, mostly imports."""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.io import savemat

from descrambler.readers import _mat as mat
from descrambler.readers import _mat_child

from .measure import Row, Scale, SideBySide

TITLE = "Reading a .mat file in a child process against the same parser here"
ABOUT = "The parser's imports are done here, not in the child. The overhead is to be below 500 ms."
OVERHEAD = 0.5


def cases(scale: Scale) -> Iterator[SideBySide]:
    """Yield a file of plain weights and, where DESCRAMBLER_TEST_DATA is set, a released network."""
    if importlib.util.find_spec("matio") is None:
        return
    yield _case(_plain_weights(scale.choose(tiny=6, quick=256, full=256)))
    released = os.environ.get("DESCRAMBLER_TEST_DATA")
    if released and scale.name != "tiny":
        yield _case(Path(released) / "nets" / "deer64_net01.mat")


def _plain_weights(n: int) -> Path:
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    path = folder / f"plain weights, n = {n}.mat"
    generator = np.random.default_rng(0)
    savemat(path, {f"W{k}": generator.standard_normal((n, n)) for k in range(1, 7)})
    return path


class _InChild(SideBySide):
    def rows(self, scale: Scale) -> Iterator[Row]:
        """Time both, and say by how much they differ."""
        for row in super().rows(scale):
            yield row
            assert row.ours_seconds is not None and row.theirs_seconds is not None
            overhead = row.ours_seconds - row.theirs_seconds
            yield Row(
                f"{self.case}, overhead in s", "child process", value=overhead, limit=OVERHEAD
            )


def _case(path: Path) -> SideBySide:
    def ours() -> dict[str, np.ndarray]:
        return mat.read_matlab(path)

    def theirs() -> dict[str, np.ndarray]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of mat-io and of what it imports
            return _mat_child.contents(str(path), None)

    def check() -> None:
        np.testing.assert_equal(ours(), theirs())

    return _InChild(path.name, "child process", ours, "parser here", theirs, check)
