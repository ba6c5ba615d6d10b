"""Files: flags to open them with, long names, modes, and a replacement in one step."""

from __future__ import annotations

import ntpath
import os
import stat
import sys
import time
from pathlib import Path

_WINDOWS = sys.platform == "win32"
_ATTEMPTS = 10
_PAUSE = 0.05  # seconds
_MAX_PATH = 240  # Windows: 260 without a registry entry, less what a temporary name adds

READ = os.O_RDONLY | sum(
    getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOCTTY", "O_BINARY", "O_CLOEXEC")
)
"""Flags to read with: bytes as they are, no wait for the writer of a pipe, no terminal in control."""


def usable(path: str | os.PathLike[str]) -> str:
    r"""Return the path to open: on Windows, long ones get the prefix ``\\?\`` that allows them."""
    return extended(os.fspath(path)) if _WINDOWS else os.fspath(path)


def extended(path: str) -> str:
    r"""Return a Windows path, with the prefix ``\\?\`` if it is long."""
    full = ntpath.abspath(path) if _WINDOWS else path
    if len(full) < _MAX_PATH or full.startswith("\\\\?\\") or full.startswith("\\\\.\\"):
        return path
    full = full.replace("/", "\\")  # with the prefix a slash is no separator
    return f"\\\\?\\UNC\\{full[2:]}" if full.startswith("\\\\") else f"\\\\?\\{full}"


def keep_mode(path: Path, mode: int) -> None:
    """Give a file the permissions of another; on Windows, where they come from the folder, nothing."""
    if not _WINDOWS:
        path.chmod(stat.S_IMODE(mode))


def replace(source: Path, target: Path) -> None:
    """Put a file in the place of another in one step.

    Windows refuses this while another process has the target open, such as a virus scanner: it
    is tried again for half a second.
    """
    for _ in range(_ATTEMPTS if _WINDOWS else 0):
        try:
            source.replace(target)
        except PermissionError:
            time.sleep(_PAUSE)
        else:
            return
    source.replace(target)
