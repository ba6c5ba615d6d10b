"""Partial sums in files, from which an interrupted pass over signals resumes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from .._util.files import read_arrays, write_arrays
from .._util.validate import Array
from .sources import Source

if TYPE_CHECKING:
    from .gram import GramSum

SCHEMA = "descrambler.checkpoint.v1"
SECONDS = 30.0


def resumed(source: Source, make: Callable[[], GramSum], path: Path) -> GramSum:
    """Sum what the checkpoint lacks, saving from time to time and at the end."""
    total, first = make(), source.head().astype(np.float64)
    if path.exists():
        _load(path, total, first)
    saved = time.monotonic()
    for rows in source.blocks(total.count):
        total.add(rows)
        if time.monotonic() - saved >= SECONDS:
            _save(path, total, first)
            saved = time.monotonic()
    _save(path, total, first)
    return total


def _save(path: Path, total: GramSum, first: Array) -> None:
    arrays: dict[str, ArrayLike] = {"matrix": total.matrix, "sum": total.sum, "any": total.any}
    write_arrays(path, SCHEMA, arrays | {"count": total.count, "first": first})


def _load(path: Path, total: GramSum, first: Array) -> None:
    arrays = read_arrays(path, SCHEMA)
    if not np.array_equal(arrays["first"], first, equal_nan=True):
        raise ValueError(f"checkpoint {path} is of other signals: their first row differs")
    total.matrix, total.sum = arrays["matrix"], arrays["sum"]
    total.count, total.any = int(arrays["count"]), bool(arrays["any"])
