"""The child of `_isolated.py`: run one reader on one file. Runs as a script, by its path.

It does not import descrambler: that would take longer than to read the file.
"""

from __future__ import annotations

import json
import os
import resource
import runpy
import struct
import sys
from typing import Any


def main() -> None:
    """Do the task of the command line, within its limits."""
    task = json.loads(sys.argv[1])
    sys.path[:] = task["import_from"]
    for kind, limit in (
        (resource.RLIMIT_AS, task["megabytes"] * 2**20),
        # Ends a child whose parent was killed; one that lives is first to say that time is up.
        (resource.RLIMIT_CPU, task["seconds"] + 5),
        (resource.RLIMIT_CORE, 0),
    ):
        set_limit(kind, limit)
    with os.fdopen(os.dup(1), "wb") as pipe:
        os.dup2(2, 1)  # what a library prints must not get into the answer
        for part in answer(task):
            pipe.write(part)
    os._exit(0)  # at once: to clear away pandas takes as long as to read the file


def answer(task: dict[str, Any]) -> list[bytes]:
    """Return the header and the bytes of each array in C order, or a header with the failure."""
    try:
        contents = runpy.run_path(task["reader"])["contents"]
        arrays = contents(task["path"], **task["arguments"])
        kinds = {name: (array.dtype.str, array.shape) for name, array in arrays.items()}
        for name, array in arrays.items():
            arrays[name] = array.tobytes()  # in its place, so that few are held twice
        return [header(None, kinds), *arrays.values()]
    except MemoryError:
        return [header("MemoryError", {})]
    # Whatever the parsers meet in a damaged file. A reader's own class Refused says that the file
    # is whole, but not for us.
    except Exception as error:
        return [header(f"{type(error).__name__}: {error}", {})]


def header(failure: str | None, kinds: dict[str, Any]) -> bytes:
    """Return a header after its length."""
    text = json.dumps({"failure": failure, "arrays": kinds}).encode()
    return struct.pack("<Q", len(text)) + text


def set_limit(kind: int, limit: int) -> None:
    """Lower a limit for good; one that is lower already stays."""
    hard = resource.getrlimit(kind)[1]
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(kind, (limit, limit))


if __name__ == "__main__":
    main()
