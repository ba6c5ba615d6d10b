"""Take away from a Python what another system lacks, before descrambler is imported.

Children import this as a plug-in (`python -c "import without; without.windows(); ..."`). Only
names are removed: paths and consoles stay those of this system.
"""

from __future__ import annotations

import builtins
import contextlib
import multiprocessing
import os
import select
import signal
import sys

WINDOWS = {
    os: (
        *("sched_getaffinity", "process_cpu_count", "getloadavg", "fork", "forkpty", "killpg"),
        *("readv", "preadv", "writev", "setsid", "getuid", "geteuid", "fchmod", "nice"),
        *("O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_DIRECTORY"),
    ),
    select: ("poll", "epoll"),
    signal: ("SIGALRM", "setitimer", "getitimer", "alarm", "SIGXCPU", "pause", "sigwait"),
}


def _remove(names) -> None:
    for module, those in names.items():
        for name in those:
            with contextlib.suppress(AttributeError):
                delattr(module, name)


def _no_module(*refused: str) -> None:
    real = builtins.__import__

    def load(name, *rest, **more):
        if name.partition(".")[0] in refused:
            raise ImportError(f"No module named {name!r}")
        return real(name, *rest, **more)

    builtins.__import__ = load
    for name in refused:
        sys.modules.pop(name, None)


def windows() -> None:
    """Have none of the names that Windows lacks, and start processes by spawn alone."""
    _remove(WINDOWS)
    _no_module("resource", "fcntl", "pwd", "grp")
    spawn_only()


def macos() -> None:
    """Have no affinity, and a limit of the address space that is refused."""
    _remove({os: ("sched_getaffinity", "process_cpu_count", "preadv")})
    refuse_address_space()
    spawn_only()


def refuse_address_space() -> None:
    """Refuse RLIMIT_AS as macOS does."""
    import resource

    real = resource.setrlimit

    def setrlimit(kind, limits):
        if kind == resource.RLIMIT_AS:
            raise ValueError("current limit exceeds maximum limit")
        real(kind, limits)

    resource.setrlimit = setrlimit


def no_meter() -> None:
    """Have neither psutil nor /proc nor ps to ask for the memory of a process."""
    from descrambler._util.platform import memory

    memory._psutil = memory._proc = memory._ps = lambda pid: None


def spawn_only() -> None:
    """Have no way to start a process of multiprocessing but spawn."""
    multiprocessing.set_start_method("spawn", force=True)
    multiprocessing.get_all_start_methods = lambda: ["spawn"]
