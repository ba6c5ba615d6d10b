"""The process that reads a file: which Python it runs, and how it is started and ended."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from .._util.limits import SECONDS
from .._util.platform import memory, processes
from ..errors import UnlimitedMemoryWarning

PYTHON = "DESCRAMBLER_PYTHON"
"""Environment variable: the Python that reads files (default: the one that runs)."""
MARK = "DESCRAMBLER_READING"
"""Environment variable: set in a process that reads, which must not start another."""

HELLO = b"descrambler" + bytes(sys.version_info[:2])
"""The first bytes of the answer of `_child.py`."""

_ADVICE = f"set {PYTHON} to the path of the Python interpreter that descrambler is installed for"
_THREADS = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_CRASHES = {"SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGSYS", "SIGTRAP"}
_WINDOWS_CRASH = 0xC0000000  # exit codes from here on


class NoPython(Exception):
    """There is no Python that could read a file."""

    def __init__(self, why: str) -> None:
        super().__init__(f"{why}; {_ADVICE}")


class Ended(Exception):
    """A process that closed its output early.

    Attributes
    ----------
    crashed : bool
        Whether it crashed, as compiled libraries do on damaged files.
    """

    def __init__(self, code: int) -> None:
        name = next((s.name for s in signal.Signals if s == -code), "")
        short = " (the system does so where memory is short)" if name == "SIGKILL" else ""
        super().__init__(f"stopped with exit code {code}{name and ', '}{name}{short}")
        self.crashed = name in _CRASHES or code >= _WINDOWS_CRASH


def interpreter() -> str:
    """Return the path of the Python to run; NoPython if there is none, or none may be started."""
    if MARK in os.environ:
        raise NoPython("this process was started to read a file, but is no Python interpreter")
    if chosen := os.environ.get(PYTHON):
        return chosen
    found = sys.executable
    if not isinstance(found, str) or not found:
        raise NoPython("the Python interpreter is not known: sys.executable is empty")
    # To start another program would start an application again, which may read the file again.
    if getattr(sys, "frozen", False) or not re.search(
        "python|pypy|graalpy", Path(found).name, re.I
    ):
        raise NoPython(f"the application {found} is no Python interpreter")
    return found


@cache  # once
def warn_unlimited() -> None:
    """Warn that the memory of a child is not limited on this system."""
    warnings.warn(
        "this system can neither limit nor show how much memory the process takes that reads a "
        f"file: only its time is limited ({SECONDS}). pip install psutil, and the limit holds.",
        UnlimitedMemoryWarning,
        stacklevel=2,
    )


class Process:
    """A child that runs a script until it is done, or time is up.

    Leaving the context ends it, whatever it does.
    """

    def __init__(self, script: Path, seconds: float) -> None:
        self._executable = interpreter()
        try:
            self._child = subprocess.Popen(
                [self._executable, "-I", "-W", "ignore", os.fspath(script)],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                # Each thread of OpenBLAS would reserve address space.
                env=os.environ | _THREADS | {MARK: "1"},
                # To end also what a script around the interpreter started.
                **processes.APART,
            )
        except OSError as error:
            raise NoPython(f"{self._executable} cannot be started: {error.strerror}") from error
        self._late, self._too_much, self._done = (threading.Event() for _ in range(3))
        # In a thread, since pipes cannot be polled everywhere.
        self._watch = threading.Timer(seconds, self._time_is_up)
        self._watch.daemon = True

    def __enter__(self) -> Process:
        self._watch.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._watch.cancel()
        self._done.set()
        self._kill()
        for pipe in (self._child.stdin, self._child.stdout):
            assert pipe is not None
            pipe.close()
        self._child.wait()

    def _time_is_up(self) -> None:
        self._late.set()
        self._kill()

    def watch_memory(self, number: int, max_bytes: int) -> None:
        """End the child if it takes so much more memory than now; warn if that cannot be seen.

        Parameters
        ----------
        number : int
            Process number of the interpreter: a script or a launcher may be around it.
        max_bytes : int
            More than it takes now.
        """
        taken = memory.meter(number)
        if taken is None:
            if memory.meter(os.getpid()) is None:
                warn_unlimited()
            return  # else it is done already
        watch = threading.Thread(target=self._measure, args=(taken, taken() + max_bytes))
        watch.daemon = True
        watch.start()

    def _measure(self, taken: Callable[[], int], limit: int) -> None:
        while not self._done.wait(memory.INTERVAL):
            if taken() > limit:
                self._too_much.set()
                self._kill()
                return

    def _kill(self) -> None:
        processes.kill(self._child)

    def greet(self) -> None:
        """Check that the script runs in a Python of this version; NoPython if not."""
        try:
            told = bytes(self.take(len(HELLO)))
        except Ended as error:
            raise NoPython(f"{self._executable} is no Python interpreter: it {error}") from None
        except TimeoutError:
            raise NoPython(f"{self._executable} does not answer in time ({SECONDS})") from None
        if told[:-2] != HELLO[:-2]:
            raise NoPython(f"{self._executable} is no Python interpreter: it answers otherwise")
        if told != HELLO:
            raise NoPython(f"{self._executable} is Python {told[-2]}.{told[-1]}, not this version")

    def send(self, task: bytes) -> None:
        """Hand over the task, of any length."""
        pipe, rest = self._child.stdin, memoryview(task)
        assert pipe is not None
        with contextlib.suppress(OSError):  # a broken pipe: `take` says how it ended
            while rest:
                rest = rest[pipe.write(rest) :]
        pipe.close()

    def take(self, size: int) -> NDArray[np.uint8]:
        """Read exactly `size` bytes; TimeoutError, MemoryError or Ended if they do not come."""
        pipe = self._child.stdout
        assert pipe is not None
        content = np.empty(size, np.uint8)  # takes no memory until it is filled
        done = 0
        while done < size:
            n = pipe.readinto(content.data[done:])  # type: ignore[attr-defined]
            if n == 0:
                raise self._end()
            done += n
        return content

    def _end(self) -> Exception:
        """Say how a child ended that closed its output early."""
        code = self._child.wait()  # at the latest when time is up
        if self._too_much.is_set():
            return MemoryError()
        too_long = self._late.is_set() or code == -getattr(signal, "SIGXCPU", 0) != 0
        return TimeoutError() if too_long else Ended(code)
