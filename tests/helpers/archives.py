"""Archives of the package's own and tables of numbers, whole, and how each is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from samples import Sample

import descrambler as ds
from descrambler.cli._inputs import read_matrix
from descrambler.report._html import _record

SIGNALS = np.random.default_rng(5).standard_normal((40, 6)) * np.geomspace(4, 1, 6)


def samples(folder: Path) -> Iterator[Sample]:
    """Yield the samples; `folder` is where they are written first."""
    path = folder / "own.npz"
    for kind, write in WRITERS.items():
        path.unlink(missing_ok=True)
        write(path)
        yield Sample(kind, path.read_bytes())


def _checkpoint(path: Path) -> None:
    ds.gram(SIGNALS[:20], checkpoint=path)


def _report(path: Path) -> None:
    text: dict[str, Any] = {key: [] for key in _record.TEXTS}
    picture = _record.Packed(np.arange(12, dtype=np.int8).reshape(3, 4), 0.5)
    _record.Record(text, {"0/1/weights": picture}, {"axis": np.arange(4.0)}).save(path)


def _csv(path: Path) -> None:
    np.savetxt(path, SIGNALS[:8], "%.6g", ",", header="a,b,c,d,e,f", comments="")


def _trace(path: Path) -> None:
    time = np.arange(80) * 0.016
    columns = np.transpose([time, np.exp(-time), 0.01 * SIGNALS.ravel()[:80]])
    np.savetxt(path, columns, "%.6g", header="time/us real imaginary", comments="")


WRITERS: dict[str, Callable[[Path], None]] = {
    "gram": lambda path: ds.gram(SIGNALS, center=True).save(path),
    "result": lambda path: ds.descramble(SIGNALS).save(path),
    "checkpoint": _checkpoint,
    "report": _report,
    "csv": _csv,
    "trace": _trace,
}

USES: dict[str, Callable[[Path], object]] = {
    "gram": ds.Gram.load,
    "result": lambda path: ds.load_result(path).rotation.matrix,
    "checkpoint": lambda path: ds.gram(SIGNALS, checkpoint=path),
    "report": _record.Record.load,
    "csv": read_matrix,
    "trace": ds.deer.load_trace,
}
