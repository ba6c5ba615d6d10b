"""The number of processors that this process may use."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath

_OWN = Path("/proc/self/cgroup")
_CGROUPS = Path("/sys/fs/cgroup")


def processors() -> int:
    """Return the number of processors that this process may use, at least 1.

    From Python 3.13 on `os.process_cpu_count`, which knows of the affinity and of
    ``PYTHON_CPU_COUNT``; before, the affinity (Linux and some BSD), or all processors (macOS,
    Windows). The CPU quota of a Linux container (cgroup v1 or v2), rounded up, limits it further.
    """
    quota = _own_quota()
    usable = _usable()
    return usable if quota is None else max(1, min(usable, math.ceil(quota)))


@cache
def _own_quota() -> float | None:
    """Read the quota once: it takes as long as a small solve, and every call asks."""
    return cgroup_quota(_OWN, _CGROUPS)


def _usable() -> int:
    if hasattr(os, "process_cpu_count"):
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cgroup_quota(own: Path, root: Path) -> float | None:
    """Return how many processors' time the control groups of this process grant; None: no limit.

    Parameters
    ----------
    own : Path
        Lists the groups of this process: ``/proc/self/cgroup``.
    root : Path
        Where they are mounted: ``/sys/fs/cgroup``.
    """
    try:
        lines = own.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None  # no Linux
    quotas = [quota for line in lines for quota in _quotas(line, root)]
    return min(quotas, default=None)


def _quotas(line: str, root: Path) -> Iterator[float]:
    """Yield the quotas that one line ``number:controllers:path`` leads to."""
    _, _, rest = line.partition(":")
    controllers, _, path = rest.partition(":")
    if not controllers:  # v2, alone or beside v1
        mounts, read = [root, root / "unified"], _quota_v2
    elif "cpu" in controllers.split(","):
        mounts, read = [root / "cpu", root / controllers], _quota_v1
    else:
        return
    for mount in mounts:
        # A group has no more than those around it. Inside a container the path is often that of
        # the host, and only the mount itself is there.
        for part in (PurePosixPath(path), *PurePosixPath(path).parents):
            quota = read(mount / str(part).lstrip("/"))
            if quota is not None:
                yield quota


def _quota_v2(folder: Path) -> float | None:
    return _ratio(*_words(folder / "cpu.max")[:2])


def _quota_v1(folder: Path) -> float | None:
    return _ratio(*_words(folder / "cpu.cfs_quota_us"), *_words(folder / "cpu.cfs_period_us"))


def _words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return []


def _ratio(*numbers: str) -> float | None:
    """Return quota / period; None for no limit ("max" or -1), or what is no pair of numbers."""
    try:
        quota, period = map(int, numbers)
    except ValueError:
        return None
    return quota / period if quota > 0 and period > 0 else None
