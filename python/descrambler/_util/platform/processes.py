"""Processes and signals: how another process is started apart and ended, and Ctrl-C raised later."""

from __future__ import annotations

import _thread
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

_WINDOWS = sys.platform == "win32"

APART: dict[str, Any] = (
    {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
    if _WINDOWS
    else {"start_new_session": True}
)
"""Arguments of `subprocess.Popen`: Ctrl-C on the terminal is not for this process."""

INTERRUPTS: tuple[int, ...] = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGBREAK", "SIGALRM") if hasattr(signal, name)
)
"""Signals to handle as Ctrl-C: to end a process (SIGBREAK on Windows), and the timer's."""


def end(process: subprocess.Popen[Any]) -> None:
    """Ask a process that was started with `APART` to end: it keeps its checkpoint."""
    with contextlib.suppress(OSError):  # it has ended
        if _WINDOWS:  # SIGTERM would end it at once there
            process.send_signal(signal.CTRL_BREAK_EVENT)  # type: ignore[attr-defined,unused-ignore]
        else:
            process.terminate()


def kill(process: subprocess.Popen[Any]) -> None:
    """End a process that was started with `APART` at once, and where there are sessions, its own."""
    with contextlib.suppress(OSError):  # it has ended
        if hasattr(os, "killpg") and not _WINDOWS:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def is_gone(parent: int) -> bool:
    """Tell whether the process that started this one, of this id, has ended."""
    if not _WINDOWS:
        return os.getppid() != parent
    # There an orphan keeps its parent's id, and in a virtual environment another process is between.
    system = ctypes.WinDLL("kernel32")  # type: ignore[attr-defined,unused-ignore]
    system.OpenProcess.restype = ctypes.c_void_p
    handle = ctypes.c_void_p(system.OpenProcess(0x100000, False, parent))  # SYNCHRONIZE
    if not handle:
        return True
    try:
        return bool(system.WaitForSingleObject(handle, 0) == 0)
    finally:
        system.CloseHandle(handle)


class Later:
    """Interrupts the main thread, as Ctrl-C does, some time after it is asked to.

    By a timer of the system (SIGALRM, which also ends a wait); on Windows, which has no such
    timer, by a thread.
    """

    def __init__(self) -> None:
        self._timer: threading.Timer | None = None

    def interrupt(self, seconds: float) -> None:
        """Interrupt once, so many seconds from now."""
        if hasattr(signal, "setitimer") and hasattr(signal, "SIGALRM"):
            signal.setitimer(signal.ITIMER_REAL, seconds)
            return
        self._timer = threading.Timer(seconds, _thread.interrupt_main)
        self._timer.daemon = True
        self._timer.start()

    def cancel(self) -> None:
        """Interrupt no more."""
        if hasattr(signal, "setitimer") and hasattr(signal, "SIGALRM"):
            signal.setitimer(signal.ITIMER_REAL, 0)
        if self._timer is not None:
            self._timer.cancel()


@contextlib.contextmanager
def interrupted() -> Iterator[None]:
    """Turn `INTERRUPTS` into KeyboardInterrupt, in the main thread."""
    before = [(number, signal.signal(number, signal.default_int_handler)) for number in INTERRUPTS]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
