"""The memory of another process, where the system cannot limit it by itself.

Linux limits the address space of a process (RLIMIT_AS), and this module is not used. macOS
refuses that limit and Windows has none: there the parent asks how much memory the child takes,
again and again, and ends it if it takes too much.
"""

from __future__ import annotations

import ctypes
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

INTERVAL = 0.1
"""Seconds between two questions: what a process takes in that time goes unseen."""


def meter(pid: int) -> Callable[[], int] | None:
    """Return a function for the bytes that a process takes; None if this system has no answer.

    In this order: psutil, if it is installed; on Linux /proc; on Windows kernel32; elsewhere the
    command ``ps`` (resident memory). The function returns 0 once the process is gone.
    """
    for make in (_psutil, _proc, _kernel32 if sys.platform == "win32" else _ps):
        measure = make(pid)
        if measure is not None and measure() > 0:
            return measure
    return None


def _psutil(pid: int) -> Callable[[], int] | None:
    try:
        import psutil
    except ImportError:
        return None

    def measure() -> int:
        try:
            info = psutil.Process(pid).memory_info()
        except psutil.Error:
            return 0
        # On Windows also what is committed, but not in use yet.
        return int(max(info.rss, getattr(info, "private", 0)))

    return measure


def _proc(pid: int) -> Callable[[], int] | None:
    def measure() -> int:
        try:
            text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return 0
        found = re.search(r"^VmRSS:\s*(\d+) kB", text, re.MULTILINE)
        return int(found[1]) * 1024 if found else 0

    return measure


def _ps(pid: int) -> Callable[[], int] | None:
    def measure() -> int:
        try:
            told = subprocess.run(
                ["ps", "-o", "rss=", "-p", str(pid)],
                capture_output=True,
                stdin=subprocess.DEVNULL,
                timeout=5,
                check=False,
            ).stdout.strip()
        except (OSError, subprocess.SubprocessError):
            return 0
        return int(told) * 1024 if told.isdigit() else 0

    return measure


class _Counters(ctypes.Structure):
    """PROCESS_MEMORY_COUNTERS_EX of the Windows API."""

    _fields_ = (
        ("cb", ctypes.c_uint32),
        ("PageFaultCount", ctypes.c_uint32),
        ("PeakWorkingSetSize", ctypes.c_size_t),
        ("WorkingSetSize", ctypes.c_size_t),
        ("QuotaPeakPagedPoolUsage", ctypes.c_size_t),
        ("QuotaPagedPoolUsage", ctypes.c_size_t),
        ("QuotaPeakNonPagedPoolUsage", ctypes.c_size_t),
        ("QuotaNonPagedPoolUsage", ctypes.c_size_t),
        ("PagefileUsage", ctypes.c_size_t),
        ("PeakPagefileUsage", ctypes.c_size_t),
        ("PrivateUsage", ctypes.c_size_t),
    )


def _kernel32(pid: int) -> Callable[[], int] | None:
    try:
        system = ctypes.WinDLL("kernel32")  # type: ignore[attr-defined,unused-ignore]
    except (AttributeError, OSError):
        return None
    system.OpenProcess.restype = ctypes.c_void_p

    def measure() -> int:
        counters = _Counters(cb=ctypes.sizeof(_Counters))
        # PROCESS_QUERY_LIMITED_INFORMATION
        handle = ctypes.c_void_p(system.OpenProcess(0x1000, False, pid))
        if not handle:
            return 0
        try:
            told = system.K32GetProcessMemoryInfo(handle, ctypes.byref(counters), counters.cb)
        finally:
            system.CloseHandle(handle)
        return int(counters.PrivateUsage) if told else 0

    return measure
