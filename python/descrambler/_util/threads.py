"""The threads of BLAS libraries, limited for a while by any number of callers at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import threadpoolctl

_lock = threading.Lock()
# Limits in force, and the threads of each library before the first of them.
_limits: list[int] = []
_before: dict[str, int] = {}


@contextmanager
def blas_threads(limit: int | None) -> Iterator[None]:
    """Let BLAS use at most `limit` threads in this block; None: as many as it does.

    Limits of blocks that overlap, in one thread or several, are counted: the least holds, and after the
    last of them BLAS has its threads back, whichever began first. Most BLAS libraries have one limit for the
    process; where a library has one for each thread, that of the calling thread is set.
    """
    if limit is None:
        yield
        return
    with _lock:
        _limits.append(limit)
        _apply()
    try:
        yield
    finally:
        with _lock:
            _limits.remove(limit)
            _apply()


def _apply() -> None:
    """Set every library to the least limit, or back to its own number."""
    for library in threadpoolctl.ThreadpoolController().lib_controllers:
        current = library.num_threads
        if library.user_api != "blas" or current is None:
            continue
        own = _before.setdefault(library.filepath, current)
        wanted = min([own, *_limits])
        if wanted != current:
            library.set_num_threads(wanted)
    if not _limits:
        _before.clear()
    _release()


def _release() -> None:
    """Let other threads set limits: from version 3.8 on, the first one that did keeps them from it."""
    openblas: Any = getattr(threadpoolctl, "OpenBLASController", None)
    clear = getattr(openblas, "clear_controlling_thread", None)
    if clear is not None:
        clear()
