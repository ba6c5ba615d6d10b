"""Arrays in .npz and .mat files: a schema name in each, no pickle, written whole or not at all."""

from __future__ import annotations

import os
import secrets
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

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
    """Write `arrays` and the schema's name to `path`, whole or not at all.

    As MATLAB 5 if the suffix is .mat, with underscores for the dots in keys; else as .npz.
    """
    content: dict[str, Any] = {"schema": np.array(schema), **arrays}
    compressed = sum(np.asarray(array).nbytes for array in content.values()) < COMPRESSED
    save = np.savez_compressed if compressed else np.savez
    with _replacing(path) as stream:
        if Path(path).suffix == ".mat":
            from scipy.io import savemat  # slow to import

            variables = {key.replace(".", "_"): value for key, value in content.items()}
            # Its stubs know of paths alone.
            savemat(cast(Any, stream), variables, do_compression=compressed, oned_as="column")
        else:
            save(stream, **content)


def open_arrays(stream: BinaryIO, max_bytes: int | None = None) -> np.lib.npyio.NpzFile:
    """Open an archive of arrays that nobody vouches for.

    Raises
    ------
    ValueError, zipfile.BadZipFile
        If it is no archive, or two of its members have the same name.
    MemoryError
        If it unpacks to more than `max_bytes`.
    """
    with zipfile.ZipFile(stream) as archive:
        members = archive.infolist()
    if len({member.filename for member in members}) < len(members):
        raise ValueError("two members have the same name")
    if max_bytes is not None and sum(member.file_size for member in members) > max_bytes:
        raise MemoryError
    stream.seek(0)
    opened: np.lib.npyio.NpzFile = np.load(stream, allow_pickle=False)
    return opened


def read_arrays(path: str | os.PathLike[str], schema: str) -> dict[str, NDArray[Any]]:
    """Read what :func:`write_arrays` wrote under the same schema."""
    try:
        # Opened here: of a damaged archive, NumPy would leave the file open.
        with Path(path).open("rb") as stream, open_arrays(stream) as archive:
            arrays = dict(archive)
    except (ValueError, EOFError, KeyError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path} is not a readable .npz file: {error}") from error
    found = str(arrays.pop("schema", "none"))
    if found != schema:
        raise ValueError(f"{path} must have the schema {schema}, found {found}")
    return arrays
