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
from collections.abc import Mapping
from typing import Any, BinaryIO


def main() -> None:
    """Do the task of the command line, within its limits."""
    task = json.loads(sys.argv[1])
    sys.path[:] = task["import_from"]
    for kind, limit in (
        (resource.RLIMIT_AS, task["megabytes"] * 2**20),
        (resource.RLIMIT_CPU, task["seconds"]),  # ends a child whose parent was killed
        (resource.RLIMIT_CORE, 0),
    ):
        set_limit(kind, limit)
    with os.fdopen(os.dup(1), "wb") as answer:
        os.dup2(2, 1)  # what a library prints must not get into the answer
        try:
            contents = runpy.run_path(task["reader"])["contents"]
            send(answer, contents(task["path"], **task["arguments"]))
        except MemoryError:
            fail(answer, "MemoryError")
        # Whatever the parsers meet in a damaged file.
        except Exception as error:
            fail(answer, f"{type(error).__name__}: {error}")
    os._exit(0)  # at once: to clear away pandas takes as long as to read the file


def set_limit(kind: int, limit: int) -> None:
    """Lower a limit for good; one that is lower already stays."""
    hard = resource.getrlimit(kind)[1]
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(kind, (limit, limit))


def send(answer: BinaryIO, arrays: Mapping[str, Any]) -> None:
    """Write the header, then each array in C order."""
    entries = {name: (array.dtype.str, array.shape) for name, array in arrays.items()}
    write_header(answer, {"failure": None, "arrays": entries})
    for array in arrays.values():
        answer.write(array.tobytes())


def fail(answer: BinaryIO, reason: str) -> None:
    """Write a header that has a reason and no arrays."""
    write_header(answer, {"failure": reason, "arrays": {}})


def write_header(answer: BinaryIO, header: dict[str, Any]) -> None:
    """Write a header after its length."""
    text = json.dumps(header).encode()
    answer.write(struct.pack("<Q", len(text)) + text)


if __name__ == "__main__":
    main()
