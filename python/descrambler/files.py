"""Arrays in .npz files: a schema name in each, no pickle, written whole or not at all."""

from __future__ import annotations

import os
import secrets
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Above this, compression costs more time than the disk does.
COMPRESSED = 2**26


@contextmanager
def _replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file that takes the place of `path` once it is whole."""
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        with temporary.open("xb") as stream:
            yield stream
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file in one step: it is there whole, or as it was before."""
    with _replacing(path) as stream:
        stream.write(content)


def write_arrays(
    path: str | os.PathLike[str], schema: str, arrays: Mapping[str, ArrayLike]
) -> None:
    """Write `arrays` and the schema's name to `path`, whole or not at all."""
    content: dict[str, Any] = {"schema": np.array(schema), **arrays}
    size = sum(np.asarray(array).nbytes for array in content.values())
    save = np.savez_compressed if size < COMPRESSED else np.savez
    with _replacing(path) as stream:
        save(stream, **content)


def read_arrays(path: str | os.PathLike[str], schema: str) -> dict[str, NDArray[Any]]:
    """Read what :func:`write_arrays` wrote under the same schema."""
    try:
        # Opened here: of a damaged archive, NumPy would leave the file open.
        with Path(path).open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            arrays = dict(archive)
    except (ValueError, EOFError, KeyError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path} is not a readable .npz file: {error}") from error
    found = str(arrays.pop("schema", "none"))
    if found != schema:
        raise ValueError(f"{path} must have the schema {schema}, found {found}")
    return arrays
