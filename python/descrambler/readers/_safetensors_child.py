"""Read a safetensors file, in a process of its own (`_isolated.read`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "<i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "<u1",
    "BOOL": "|b1",
}


class Refused(Exception):
    """A file that is whole, but not for us."""


def libraries(path: str) -> None:
    """Import what `contents` needs."""
    import safetensors  # noqa: F401


def contents(path: str) -> dict[str, Any]:
    """Return all tensors by name."""
    from safetensors import deserialize

    entries: list[tuple[str, dict[str, Any]]] = deserialize(Path(path).read_bytes())
    return {name: tensor(name, **entry) for name, entry in entries}


def tensor(name: str, dtype: str, shape: list[int], data: bytearray) -> Any:
    """Return one tensor as an array."""
    if dtype not in DTYPES:
        raise Refused(f"{name} has the type {dtype}, which is not read; save it as float32")
    array = np.frombuffer(data, DTYPES[dtype]).reshape(shape)
    # bfloat16 is the upper half of float32.
    return (array.astype("<u4") << 16).view("<f4") if dtype == "BF16" else array
