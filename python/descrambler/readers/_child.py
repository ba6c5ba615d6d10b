"""The child of `_isolated.py`: run one reader on one file. Runs as a script, by its path.

It does not import descrambler: that would take longer than to read the file.
"""

from __future__ import annotations

import json
import os
import runpy
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def main() -> None:
    """Do the task that comes through standard input, within its limits."""
    with os.fdopen(os.dup(1), "wb") as pipe:
        os.dup2(2, 1)  # what a library prints must not get into the answer
        pipe.write(b"descrambler" + bytes(sys.version_info[:2]))
        pipe.flush()
        task = json.loads(sys.stdin.buffer.read())
        sys.path[:] = task["import_from"]
        for part in answer(task):
            pipe.write(part)
            pipe.flush()
    os._exit(0)  # at once: to clear away pandas takes as long as to read the file


def answer(task: dict[str, Any]) -> Iterator[bytes]:
    """Yield 1 once the library is imported, then a header and the bytes of each array in C order.

    Or 0, or 1, and a header with the failure. Instead of 1, 2 and the number of this process where
    the system does not limit its memory.
    """
    # Ends a child whose parent was killed; one that lives is first to say that time is up.
    set_limit("RLIMIT_CPU", task["seconds"] + 5)
    set_limit("RLIMIT_CORE", 0)
    try:
        reader = runpy.run_path(task["reader"])
        if "libraries" in reader:
            reader["libraries"](task["path"], **task["arguments"])
    # Whatever an installation may lack.
    except Exception as error:
        yield b"\0" + header(failure(error), {})
        return
    # Counted from what is mapped now: a library maps gigabytes that it does not use.
    size = mapped()
    if size and set_limit("RLIMIT_AS", size + task["megabytes"] * 2**20):
        yield b"\1"
    else:
        yield struct.pack("<BQ", 2, os.getpid())
    try:
        arrays = reader["contents"](task["path"], **task["arguments"])
        kinds = {name: (array.dtype.str, array.shape) for name, array in arrays.items()}
        for name, array in arrays.items():
            arrays[name] = array.tobytes()  # in its place, so that few are held twice
    # Whatever the parsers meet in a damaged file. A reader's own class Refused says that the file
    # is whole, but not for us.
    except Exception as error:
        yield header(failure(error), {})
        return
    yield header(None, kinds)
    yield from arrays.values()


def failure(error: Exception) -> str:
    """Return the kind of an error and its message, if memory is left for one."""
    return "MemoryError" if isinstance(error, MemoryError) else f"{type(error).__name__}: {error}"


def mapped() -> int:
    """Return how many bytes of address space this process has; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0


def header(failure: str | None, kinds: dict[str, Any]) -> bytes:
    """Return a header after its length."""
    text = json.dumps({"failure": failure, "arrays": kinds}).encode()
    return struct.pack("<Q", len(text)) + text


def set_limit(name: str, limit: int) -> bool:
    """Lower a limit for good; return whether the system does so. One that is lower already stays."""
    try:
        import resource  # not on Windows

        kind = getattr(resource, name)
        hard = resource.getrlimit(kind)[1]
        if hard != resource.RLIM_INFINITY:
            limit = min(limit, hard)
        resource.setrlimit(kind, (limit, limit))
    except (ImportError, AttributeError, OSError, ValueError):
        return False  # macOS refuses to limit the address space
    return True


if __name__ == "__main__":
    main()
