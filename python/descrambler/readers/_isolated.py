"""Readers that may crash, hang or fill the memory, each run in a child process with limits.

The child (`_child.py`) greets, imports the library, and answers with the length of a header, the
header in JSON and the bytes of the arrays. The parent takes nothing in it on trust.
"""

from __future__ import annotations

import json
import math
import os
import re
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._util import limits
from .._util.archive import is_text
from .._util.limits import MEGABYTES, SECONDS
from ..errors import ReaderProcessError, WeightFileError
from ._process import PYTHON, Ended, NoPython, Process

_CHILD = Path(__file__).with_name("_child.py")
_MAX_HEADER = 2**24  # bytes
_REFUSED = "Refused: "
_NO_IMPORT = ("ImportError: ", "ModuleNotFoundError: ")


_ADVICE = (
    f"raise {MEGABYTES}, or the limit of this process (ulimit -v), if memory is short, or set "
    f"{PYTHON} to the Python interpreter that has the library"
)


class _Failed(Exception):
    """A failure in the child, or an answer that `_child.py` does not write."""


def read(path: Path, kind: str, reader: Path, **arguments: Any) -> dict[str, NDArray[Any]]:
    """Return what `reader`, a script with a function ``contents``, finds in `path`.

    Parameters
    ----------
    path : Path
        The file.
    kind : str
        What it is, for messages: ``.mat``.
    reader : Path
        Its function ``contents(path, **arguments)`` returns real, complex, boolean or text
        arrays by name. An exception of a class called Refused has a message for the user.
        Its function ``libraries``, with the same arguments, imports what `contents` needs: the
        memory that this takes does not count.
    **arguments
        As JSON has them.

    Raises
    ------
    WeightFileError
        If the reader fails, crashes, exceeds a limit or answers with something else.
    ReaderProcessError
        If no process can be started here, or it cannot import the library.
    ValueError
        If an environment variable does not hold a valid limit.
    """
    seconds, megabytes = limits.seconds(), limits.megabytes()
    task = {
        # Only text is searched for modules; an empty one is the folder of the user.
        "import_from": [folder for folder in sys.path if isinstance(folder, str) and folder],
        "reader": os.fspath(reader),
        "path": os.fspath(path),
        "arguments": arguments,
        "seconds": seconds,
        "megabytes": megabytes,
    }
    try:
        with Process(_CHILD, seconds) as process:
            process.greet()
            process.send(json.dumps(task).encode())
            with _import_errors(path, kind):
                state = process.take(1)[0]
                if state == 0:
                    _receive(process, 0)
                if state == 2:
                    (number,) = struct.unpack("<Q", process.take(8).data)
                    process.watch_memory(number, megabytes * 2**20)
            with _file_errors(path, kind):
                return _receive(process, megabytes * 2**19)
    except NoPython as error:
        raise ReaderProcessError(f"{path}: not read, since {error}") from error


@contextmanager
def _import_errors(path: Path, kind: str) -> Iterator[None]:
    """Say what is wrong with this installation, or this process, and not with the file."""
    what = f"{path}: not read, since the library that reads {kind} files"
    try:
        yield
    except TimeoutError:
        raise ReaderProcessError(
            f"{what} takes more than {limits.seconds()} s to import ({SECONDS} sets this limit)"
        ) from None
    except Ended as error:
        raise ReaderProcessError(f"{what} {error} while it was imported; {_ADVICE}") from None
    except (MemoryError, _Failed) as error:
        reason = str(error) or "no memory is left"
        raise ReaderProcessError(
            f"{what} cannot be imported in a process of its own ({reason}); {_ADVICE}"
        ) from None


@contextmanager
def _file_errors(path: Path, kind: str) -> Iterator[None]:
    """Say what is wrong with a file, or that it takes too long or too much."""
    try:
        yield
    except TimeoutError:
        raise WeightFileError(
            f"{path}: not read within {limits.seconds()} s ({SECONDS} sets this limit)"
        ) from None
    except MemoryError:
        megabytes = limits.megabytes()
        raise WeightFileError(
            f"{path}: reading it takes more than {megabytes} MB ({MEGABYTES} sets this limit)"
        ) from None
    except Ended as error:
        if not error.crashed:
            raise ReaderProcessError(
                f"{path}: not read, since the process that reads it {error}; {_ADVICE}"
            ) from None
        raise WeightFileError(f"{path}: a damaged {kind} file (its reader {error})") from None
    except _Failed as error:
        told = str(error)
        if told.startswith(_REFUSED):
            raise WeightFileError(f"{path}: {told.removeprefix(_REFUSED)}") from None
        if told.startswith(_NO_IMPORT):
            raise ReaderProcessError(
                f"{path}: not read, since its reader lacks a part ({told}); {_ADVICE}"
            ) from None
        raise WeightFileError(f"{path}: a damaged {kind} file ({told})") from None


def _receive(process: Process, max_bytes: int) -> dict[str, NDArray[Any]]:
    """Return the arrays of the answer; TimeoutError, MemoryError, Ended or _Failed if it has none."""
    (length,) = struct.unpack("<Q", process.take(8).data)
    if length > _MAX_HEADER:
        raise _Failed(f"its reader names more than {_MAX_HEADER} bytes of arrays")
    try:
        header = json.loads(bytes(process.take(length)))
        failure, entries = header["failure"], header["arrays"]
        kinds = {_name(name): _kind(*entry) for name, entry in entries.items()}
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        raise _Failed("its reader answers with no list of arrays") from None
    if failure == "MemoryError":
        raise MemoryError
    if failure is not None:
        raise _Failed(_printable(str(failure)))
    if sum(dtype.itemsize * math.prod(shape) for dtype, shape in kinds.values()) > max_bytes:
        raise MemoryError
    return {name: _array(process, dtype, shape) for name, (dtype, shape) in kinds.items()}


def _name(name: str) -> str:
    if not name.isprintable():
        raise _Failed(
            f"{_REFUSED}an array is called {name[:60]!r}; rename it, as it cannot be shown"
        )
    return name


def _kind(dtype: str, shape: list[int]) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Return a checked dtype and shape."""
    if not re.fullmatch("[<>|][biufcU][1-9][0-9]{0,8}", dtype):
        raise ValueError(dtype)
    checked = np.dtype(dtype)
    if len(shape) > 32 or any(type(n) is not int or n < 0 for n in shape):
        raise ValueError(shape)
    # NumPy refuses more, also where another dimension is 0.
    if checked.itemsize * math.prod(max(n, 1) for n in shape) >= 2**62:
        raise ValueError(shape)
    return checked, tuple(shape)


def _array(process: Process, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    content = process.take(dtype.itemsize * math.prod(shape))
    if dtype.kind == "b" and (content > 1).any():
        raise _Failed("its reader answers with a boolean that is neither 0 nor 1")
    array = np.ndarray(shape, dtype, content)
    if not is_text(array):
        raise _Failed("its reader answers with text that is not Unicode")
    return array


def _printable(text: str) -> str:
    """Return the start of a text of unknown origin in one line, safe to print."""
    line = " ".join(text[:300].split())
    return "".join(c if c.isprintable() else "?" for c in line)
