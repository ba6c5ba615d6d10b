"""Work slow enough that a worker process can be killed in its middle, and what kills it.

In a module that workers can import: Dask sends functions by name, and a worker that cannot import the module
of one dies without a word, however often it is restarted.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def slow(value: T, folder: Path, seconds: float = 0.3) -> T:
    """Return `value` later, and leave a mark of the process that is at work."""
    (folder / f"pid-{os.getpid()}-{time.monotonic_ns()}").touch()
    time.sleep(seconds)
    return value


class Killer:
    """Kills the first process, of those whose work is `slow`, that is at work."""

    def __init__(self, folder: Path) -> None:
        self.killed: int | None = None
        self._folder, self._left = folder, threading.Event()
        self._thread = threading.Thread(target=self._kill)

    def __enter__(self) -> Killer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        self._thread.join()

    def _kill(self) -> None:
        while self.killed is None and not self._left.wait(0.01):
            for mark in self._folder.glob("pid-*"):
                self.killed = int(mark.name.split("-")[1])
                os.kill(self.killed, signal.SIGKILL)
                break
