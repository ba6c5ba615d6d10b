"""Files: read within limits, written whole or not at all; arrays in .npz and .mat, without pickle."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import MissingExtraError, printable
from . import limits
from .archive import Archive
from .platform import paths

# Above this, compression costs more time than the disk does.
COMPRESSED = 2**26


@contextmanager
def open_regular(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file to read; a pipe or a device is refused, not waited for.

    Raises
    ------
    ValueError
        If it is a pipe, a device or a socket.
    OSError
        If it cannot be opened, or is a folder.
    """
    # Told before it is opened, which a device could notice; and after, should it be another then.
    place = paths.usable(path)
    check_regular(path, Path(place).stat().st_mode)
    with open(place, "rb", opener=lambda name, _: os.open(name, paths.READ)) as stream:
        check_regular(path, os.fstat(stream.fileno()).st_mode)
        yield stream


def check_regular(path: str | os.PathLike[str], mode: int) -> None:
    """Raise ValueError if a mode is that of a pipe, a device or a socket."""
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # opening a folder raises OSError
        raise ValueError(
            f"{printable(str(path))} must be a regular file, got a pipe, a socket or a device: "
            "write its content to a file first"
        )


def check_new(path: str | os.PathLike[str], overwrite: bool) -> None:
    """Raise FileExistsError if a file is there and may not be replaced."""
    if not overwrite and Path(path).exists():
        raise FileExistsError(
            f"{printable(str(path))} is there already: give another name, or overwrite=True"
        )


def read_bytes(path: str | os.PathLike[str], max_bytes: int | None = None) -> bytes:
    """Return the content of a regular file.

    Raises
    ------
    ValueError
        If it is no regular file, or holds more than `max_bytes` (None: half of
        DESCRAMBLER_READ_MEGABYTES).
    OSError
        If it cannot be opened.
    """
    with open_regular(path) as stream:
        return read_stream(path, stream, max_bytes)


def read_stream(
    path: str | os.PathLike[str], stream: BinaryIO, max_bytes: int | None = None
) -> bytes:
    """Return the rest of an open file, within the limit of `read_bytes`."""
    limit = limits.max_bytes() if max_bytes is None else max_bytes
    size = os.fstat(stream.fileno()).st_size - stream.tell()
    try:
        limits.check_bytes(size, max_bytes)
        content = stream.read(limit + 1)  # it may grow while it is read
        limits.check_bytes(len(content), max_bytes)
    except limits.TooLarge as error:
        raise limits.TooLarge(f"{printable(str(path))} is too large: {error}") from None
    return content


@contextmanager
def documented(path: str | os.PathLike[str], wrong: str) -> Iterator[None]:
    """Turn whatever the content of a file raises into ``ValueError: {path} {wrong}: {reason}``.

    Damaged archives make zipfile, zlib, tokenize and NumPy raise errors of a dozen kinds, and
    missing or odd arrays those of whatever uses them.
    """
    try:
        yield
    except MissingExtraError:
        raise
    except Exception as error:
        reason = {KeyError: f"{error} is missing", MemoryError: "it takes too much memory"}.get(
            type(error), str(error) or type(error).__name__
        )
        raise ValueError(f"{printable(str(path))} {wrong}: {printable(reason)}") from error


@contextmanager
def _replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file that takes the place of `path` once it is whole.

    A link stays a link to it, and its mode what it was. A device is written to as it is.
    """
    target = Path(paths.usable(os.path.realpath(path)))
    mode = target.stat().st_mode if target.exists() else None
    if mode is not None and not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        with target.open("wb") as stream:
            yield stream
        return
    # A name has room for 255 bytes, a character for up to four of them.
    temporary = target.with_name(f".{target.name[:40]}.{secrets.token_hex(4)}.part")
    try:
        with temporary.open("xb") as stream:
            if mode is not None:
                paths.keep_mode(temporary, mode)
            yield stream
        paths.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file in one step: it is there whole, or as it was before."""
    with _replacing(path) as stream:
        stream.write(content)


def is_matlab(path: str | os.PathLike[str]) -> bool:
    """Tell whether a file is to be written for MATLAB."""
    return Path(path).suffix.lower() == ".mat"


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
        if is_matlab(path):
            from scipy.io import savemat  # slow to import

            variables = {key.replace(".", "_"): value for key, value in content.items()}
            # Its stubs know of paths alone.
            savemat(cast(Any, stream), variables, do_compression=compressed, oned_as="column")
        else:
            save(stream, **content)


def open_arrays(stream: BinaryIO, max_bytes: int | None = None) -> Archive:
    """Open an untrusted archive of arrays; the errors are those of `Archive`."""
    return Archive(stream, max_bytes)


def read_arrays(path: str | os.PathLike[str], schema: str) -> dict[str, NDArray[Any]]:
    """Read what :func:`write_arrays` wrote under the same schema, within the limits of `open_arrays`.

    Raises
    ------
    ValueError
        If it is something else, damaged, or too large.
    OSError
        If it cannot be opened.
    """
    with (
        open_regular(path) as stream,
        documented(path, "is not a readable .npz file"),
        open_arrays(stream) as archive,
    ):
        arrays = dict(archive)
    found = str(arrays.pop("schema", "none"))
    if found != schema:
        raise ValueError(
            f"{printable(str(path))} must have the schema {schema}, found {printable(found)}"
        )
    return arrays
