"""Work on many items at once: in threads of this process, or by an executor elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Protocol, TypeAlias

from .platform.cpus import processors
from .threads import blas_threads

Map: TypeAlias = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]


class Executor(Protocol):
    """What this package needs of an executor: the `map` of :class:`concurrent.futures.Executor`."""

    def map(self, fn: Callable[..., Any], /, *iterables: Any) -> Iterator[Any]:
        """Apply a function to each item; yield the results in the order of the items."""


def check_threads(threads: int | None) -> None:
    """Check that a number of threads is None or at least 1."""
    if threads is not None and (isinstance(threads, bool) or threads < 1):
        raise ValueError(f"threads must be None or at least 1, got {threads!r}")


def check_executor(executor: Executor | None) -> None:
    """Check that an executor has a `map`."""
    if executor is not None and not callable(getattr(executor, "map", None)):
        raise TypeError(
            "executor must have the interface of concurrent.futures.Executor (a Dask client's is "
            f"client.get_executor()), got {type(executor).__name__}"
        )


@contextmanager
def mapping(threads: int | None, executor: Executor | None = None) -> Iterator[Map]:
    """Yield a function like the built-in `map`, its results in the order of the items.

    Parameters
    ----------
    threads : int or None
        Threads of this process; None for one thread per processor.
    executor : Executor or None
        Does the work instead of threads.

    Raises
    ------
    TypeError, ValueError
        If there is no such number of threads, or the executor is none.
    """
    check_threads(threads)
    check_executor(executor)
    if executor is not None:
        yield executor.map
    elif threads == 1:
        yield map
    else:
        pool = ThreadPoolExecutor(threads or processors())
        try:
            # Threads of ours and of a BLAS together wait for each other most of the time.
            with blas_threads(1):
                yield pool.map
        finally:
            # After Ctrl-C or an error, only what has begun is finished.
            pool.shutdown(cancel_futures=True)
