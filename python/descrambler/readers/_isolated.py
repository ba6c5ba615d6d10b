"""Readers that may crash, hang or fill the memory, each run in a child process with limits.

The child (`_child.py`) answers with the length of a header, the header in JSON and the bytes of
the arrays. The parent takes nothing in it on trust.
"""

from __future__ import annotations

import json
import math
import os
import re
import select
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._util import limits
from .._util.limits import MEGABYTES, SECONDS
from ..errors import WeightFileError

_CHILD = Path(__file__).with_name("_child.py")
_MAX_HEADER = 2**24  # bytes
_THREADS = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


_REFUSED = "Refused: "


class _Malformed(Exception):
    """An answer that `_child.py` does not write."""


class _Refused(Exception):
    """A file that its reader does not take, though it is whole."""


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
    **arguments
        As JSON has them.

    Raises
    ------
    WeightFileError
        If the reader fails, crashes, exceeds a limit or answers with something else.
    ValueError
        If an environment variable has a limit that is none.
    """
    seconds, megabytes = limits.seconds(), limits.megabytes()
    task = {
        "import_from": [folder for folder in sys.path if folder],
        "reader": os.fspath(reader),
        "path": os.fspath(path),
        "arguments": arguments,
        "seconds": seconds,
        "megabytes": megabytes,
    }
    deadline = time.monotonic() + seconds
    command = [sys.executable, "-I", "-W", "ignore", os.fspath(_CHILD), json.dumps(task)]
    with subprocess.Popen(
        command,
        bufsize=0,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | _THREADS,  # each thread of OpenBLAS would reserve address space
    ) as child:
        try:
            return _receive(child, deadline, megabytes * 2**19)
        except TimeoutError:
            raise WeightFileError(
                f"{path}: not read within {seconds} s ({SECONDS} sets this limit)"
            ) from None
        except MemoryError:
            raise WeightFileError(
                f"{path}: reading it takes more than {megabytes} MB ({MEGABYTES} sets this limit)"
            ) from None
        except _Refused as error:
            raise WeightFileError(f"{path}: {error}") from None
        except _Malformed as error:
            raise WeightFileError(f"{path}: a damaged {kind} file ({error})") from None
        finally:
            child.kill()


def _receive(
    child: subprocess.Popen[bytes], deadline: float, max_bytes: int
) -> dict[str, NDArray[Any]]:
    """Return the arrays of the answer; TimeoutError, MemoryError or _Malformed if it has none."""
    (length,) = struct.unpack("<Q", _take(child, 8, deadline).data)
    if length > _MAX_HEADER:
        raise _Malformed(f"its reader names more than {_MAX_HEADER} bytes of arrays")
    try:
        header = json.loads(bytes(_take(child, length, deadline)))
        failure, entries = header["failure"], header["arrays"]
        kinds = {_name(name): _kind(*entry) for name, entry in entries.items()}
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        raise _Malformed("its reader answers with no list of arrays") from None
    if failure == "MemoryError":
        raise MemoryError
    if failure is not None:
        told = _printable(str(failure))
        if told.startswith(_REFUSED):
            raise _Refused(told.removeprefix(_REFUSED))
        raise _Malformed(told)
    if sum(dtype.itemsize * math.prod(shape) for dtype, shape in kinds.values()) > max_bytes:
        raise MemoryError
    return {name: _array(child, dtype, shape, deadline) for name, (dtype, shape) in kinds.items()}


def _name(name: str) -> str:
    if not name.isprintable():
        raise _Malformed(f"an array is called {name[:60]!r}")
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


def _array(
    child: subprocess.Popen[bytes], dtype: np.dtype[Any], shape: tuple[int, ...], deadline: float
) -> NDArray[Any]:
    content = _take(child, dtype.itemsize * math.prod(shape), deadline)
    if dtype.kind == "b" and (content > 1).any():
        raise _Malformed("its reader answers with a boolean that is neither 0 nor 1")
    if dtype.kind == "U":
        codes = content.view(np.dtype("u4").newbyteorder(dtype.byteorder))
        if ((codes > 0x10FFFF) | (codes >> 11 == 0xD800 >> 11)).any():
            raise _Malformed("its reader answers with text that is not Unicode")
    return np.ndarray(shape, dtype, content)


def _take(child: subprocess.Popen[bytes], size: int, deadline: float) -> NDArray[np.uint8]:
    """Read exactly `size` bytes."""
    assert child.stdout is not None
    pipe = child.stdout.fileno()
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    content = np.empty(size, np.uint8)  # takes no memory until it is filled
    done = 0
    while done < size:
        if not poll.poll(1000 * max(0.0, deadline - time.monotonic())):
            raise TimeoutError
        n = os.readv(pipe, [content.data[done:]])
        if n == 0:
            raise _Malformed(_end(child, deadline))
        done += n
    return content


def _end(child: subprocess.Popen[bytes], deadline: float) -> str:
    """Say how a child ended that closed its output early."""
    try:
        code = child.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise TimeoutError from None
    return f"its reader stopped with exit code {code}"


def _printable(text: str) -> str:
    """Return the start of a text of unknown origin in one line, safe to print."""
    line = " ".join(text[:300].split())
    return "".join(c if c.isprintable() else "?" for c in line)
