"""Partial sums in files, from which an interrupted pass over signals resumes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._util.files import documented, read_arrays, write_arrays
from .._util.validate import Array, real_array, scalar
from .sources import Source

if TYPE_CHECKING:
    from .sums import GramSum

SCHEMA = "descrambler.checkpoint.v2"
SECONDS = 30.0


def resumed(source: Source, make: Callable[[], GramSum], path: Path) -> GramSum:
    """Sum the rows that the checkpoint lacks, saving from time to time and at the end."""
    total, rows_done = make(), hashlib.blake2b()
    blocks = source.blocks()
    if path.exists():
        digest = _load(path, total)
        blocks = _passed_over(blocks, total.count, rows_done, path)
        if rows_done.digest() != digest:
            raise ValueError(
                f"checkpoint {path} is of other signals: the {total.count} rows that it has summed "
                "differ. Delete it to start again"
            )
    saved = time.monotonic()
    for rows in blocks:
        total.add(rows)
        rows_done.update(_bytes(rows))
        if time.monotonic() - saved >= SECONDS:
            _save(path, total, rows_done.digest())
            saved = time.monotonic()
    _save(path, total, rows_done.digest())
    return total


def _passed_over(
    blocks: Iterator[Array], count: int, rows_done: hashlib.blake2b, path: Path
) -> Iterator[Array]:
    """Read the rows that are done into their digest; return what comes after them."""
    left = count
    while left:
        rows = next(blocks, None)
        if rows is None:
            raise ValueError(
                f"checkpoint {path} has {count} rows already done, the signals only {count - left}"
            )
        rows_done.update(_bytes(rows[:left]))
        if len(rows) > left:
            return _after(rows[left:], blocks)
        left -= len(rows)
    return blocks


def _after(first: Array, blocks: Iterator[Array]) -> Iterator[Array]:
    yield np.ascontiguousarray(first)
    yield from blocks


def _bytes(rows: Array) -> memoryview:
    return np.ascontiguousarray(rows).reshape(-1).view(np.uint8).data


def _state(total: GramSum) -> dict[str, Any]:
    """Return all that a sum is."""
    arrays = {"matrix": total.matrix, "sum": total.sum, "origin": total.origin}
    options = {"centered": total.centered, "products": np.dtype(total.dtype).name}
    return arrays | options | {"count": total.count, "any": total.any}


def _seal(state: Mapping[str, ArrayLike], digest: bytes) -> NDArray[np.uint8]:
    """Digest of a sum and of the rows that it is of."""
    seal = hashlib.blake2b(digest)
    for name in sorted(state):
        value = np.ascontiguousarray(state[name])
        seal.update(f"{name} {value.dtype.str} {value.shape} ".encode())
        seal.update(value.tobytes())
    return np.frombuffer(seal.digest(), np.uint8)


def _save(path: Path, total: GramSum, digest: bytes) -> None:
    state, rows = _state(total), np.frombuffer(digest, np.uint8)
    write_arrays(path, SCHEMA, {**state, "rows": rows, "seal": _seal(state, digest)})


def _load(path: Path, total: GramSum) -> bytes:
    """Fill a sum with what is stored; return the digest of its rows."""
    arrays = read_arrays(path, SCHEMA)
    wanted = _state(total)
    with documented(path, "is a checkpoint that cannot be resumed"):
        stored = {name: arrays[name] for name in wanted}
        digest = arrays["rows"].tobytes()
        if not np.array_equal(_seal(stored, digest), arrays["seal"]):
            raise ValueError("its sums are not what was written")
        count = scalar(arrays, "count", "iu")
        for name in ("matrix", "sum", "origin"):
            value = real_array(name, stored[name], wanted[name].ndim, finite=False)
            if value.shape != wanted[name].shape:
                raise ValueError(f"it is of other signals: {name} has the shape {value.shape}")
            setattr(total, name, value)
    for name in ("centered", "products"):
        if stored[name] != wanted[name]:
            raise ValueError(
                f"checkpoint {path} has summed with {name} {stored[name]}, not {wanted[name]}: "
                "call with the same options, or delete it"
            )
    total.count, total.any = int(count), bool(stored["any"])
    return digest
