"""How many threads a call computes with: of its own, and of the BLAS libraries, limited while it runs."""

from __future__ import annotations

import math
import multiprocessing
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import threadpoolctl

from .. import _core as core
from .platform.cpus import processors
from .validate import Array, integer

VARIABLE = "DESCRAMBLER_THREADS"
"""Environment variable: threads that a call uses where its `threads` is None."""

# Up to this size of a problem (units; the shorter side of a matrix), this many threads of a BLAS: in small
# products they wait for each other most of the time. `python -m benchmarks threads` measures it.
BLAS_TABLE = ((1023, 1), (2047, 4), (math.inf, 16))

# No BLAS shares smaller products between threads, of matrices and with a vector (multiplications). A limit, which
# takes some 15 us, would take as long as they do.
SMALL, SMALL_VECTOR = 2**18, 2**13

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

_lock = threading.Lock()
# Limits in force, and the threads of each library before the first of them.
_limits: list[int] = []
_before: dict[str, int] = {}
# The libraries, and how many modules there were when they were looked for, which takes milliseconds.
_libraries: list[Any] = []
_modules_then = 0


class _Here(threading.local):
    """What holds in this thread: threads of the call that runs, 0 outside of calls; the limit of BLAS, 0 without."""

    threads = 0
    blas = 0


_here = _Here()


def check_threads(threads: int | None) -> None:
    """Check that a number of threads is None or at least 1."""
    if threads is not None:
        integer("threads", threads, 1, ", or None")


def default_threads(*, apart: bool = False) -> int:
    """Return how many threads share work where nobody says.

    ``DESCRAMBLER_THREADS``, else ``OMP_NUM_THREADS`` up to the number of processors, which joblib sets in its
    workers. Else one in a worker of a pool of processes, whose other workers have the other processors; else as
    many as processors.

    Parameters
    ----------
    apart : bool
        Whether the threads work apart from each other. Others wait for each other all the time: one processor
        is left to the rest of the machine, since all of them wait for one that is kept from its processor.
    """
    for variable in (VARIABLE, "OMP_NUM_THREADS"):
        text = os.environ.get(variable, "")
        if re.fullmatch("[1-9][0-9]{0,5}", text):
            return int(text) if variable == VARIABLE else min(int(text), processors())
        if text and variable == VARIABLE:
            raise ValueError(f"{VARIABLE} must be a whole number from 1 to 999999, got {text!r}")
    if multiprocessing.parent_process() is not None:
        return 1
    return processors() if apart else max(1, processors() - 1)


def blas_limit(n: int) -> int:
    """Return how many threads a BLAS may use for a problem of this size: whatever `threads` is.

    The last bits of an eigendecomposition depend on it, so that it must depend on the size alone.
    """
    count = next(count for most, count in BLAS_TABLE if n <= most)
    return 1 if count == 1 else min(count, default_threads())


def threads_here() -> int:
    """Return how many threads the call that runs in this thread may use."""
    return _here.threads or default_threads()


@contextmanager
def computing(n: int, threads: int | None = None) -> Iterator[None]:
    """Compute on a problem of size n in this block, with `threads` threads of ours (None: as many as is best).

    Within another such block no more than it has.

    Raises
    ------
    ValueError
        If there is no such number of threads.
    """
    check_threads(threads)
    outer = _here.threads
    wanted = threads or outer or default_threads()
    with _as_many(min(outer, wanted) if outer else wanted), blas_threads(blas_limit(n)):
        yield


@contextmanager
def alone() -> Iterator[None]:
    """Compute on this thread alone in this block: others share the work above."""
    with _as_many(1), blas_threads(1):
        yield


@contextmanager
def _as_many(threads: int) -> Iterator[None]:
    outer = _here.threads
    _here.threads = threads
    core.set_threads(threads)
    try:
        yield
    finally:
        _here.threads = outer
        core.set_threads(outer or 1)


def computes(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Let a function compute on a problem of the size of its largest argument."""

    @wraps(function)
    def limited(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        with computing(max(map(_size, (*args, *kwargs.values())), default=0)):
            return function(*args, **kwargs)

    return limited


def _size(argument: object) -> int:
    """Shorter side of a matrix, width of a layer, a network or a study of one, units of a result."""
    shape = getattr(argument, "shape", ())
    if isinstance(shape, tuple) and len(shape) > 1:
        return int(min(shape[-2:]))
    layers = getattr(getattr(argument, "network", argument), "linears", (argument,))
    widths = [max(layer.weight.shape) for layer in layers if hasattr(layer, "weight")]
    units = getattr(getattr(argument, "rotation", argument), "n", 0)
    return max(widths, default=units if isinstance(units, int) else 0)


def product(left: Array, right: Array, n: int) -> Array:
    """Return ``left @ right`` with the limit of a problem of size n: for calls that may take microseconds."""
    columns = right.shape[-1] if right.ndim > 1 else 1
    vector = columns == 1 or left.size == left.shape[-1]
    if left.size * columns < (SMALL_VECTOR if vector else SMALL):
        return left @ right
    with blas_threads(blas_limit(n)):
        return left @ right


@contextmanager
def blas_threads(limit: int | None) -> Iterator[None]:
    """Let BLAS use at most `limit` threads in this block; None: as many as it does.

    Limits of blocks that overlap, in one thread or several, are counted: the least holds, and after the
    last of them BLAS has its threads back, whichever began first. Most BLAS libraries have one limit for the
    process; where a library has one for each thread, that of the calling thread is set.
    """
    outer = _here.blas
    if limit is None or (0 < outer <= limit and len(sys.modules) == _modules_then):
        # The block around it in this thread sees to it: asking every library takes long, thousands of times.
        yield
        return
    with _lock:
        _limits.append(limit)
        _apply()
    _here.blas = min(outer, limit) if outer else limit
    try:
        yield
    finally:
        _here.blas = outer
        with _lock:
            _limits.remove(limit)
            _apply()


def _apply() -> None:
    """Set every library to the least limit, or back to its own number."""
    for library in blas_libraries():
        current = library.num_threads
        if current is None:
            continue
        own = _before.setdefault(library.filepath, current)
        wanted = min([own, *_limits])
        if wanted != current:
            library.set_num_threads(wanted)
    if not _limits:
        _before.clear()
    _release()


@contextmanager
def torch_threads(torch: Any, threads: int) -> Iterator[None]:
    """Let PyTorch compute with as many threads in this block."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def blas_libraries() -> list[Any]:
    """Return the controllers of the BLAS libraries that are loaded, as of the last import of a module."""
    global _libraries, _modules_then
    if len(sys.modules) != _modules_then:
        _modules_then = len(sys.modules)
        found = threadpoolctl.ThreadpoolController().lib_controllers
        _libraries = [library for library in found if library.user_api == "blas"]
    return _libraries


def _release() -> None:
    """Let other threads set limits: from version 3.8 on, the first one that did keeps them from it."""
    openblas: Any = getattr(threadpoolctl, "OpenBLASController", None)
    clear = getattr(openblas, "clear_controlling_thread", None)
    if clear is not None:
        clear()
