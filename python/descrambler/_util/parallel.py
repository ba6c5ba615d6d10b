"""Work on many items at once: in threads of this process, or by an executor elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from .threads import alone, blas_threads, check_threads, default_threads

Map: TypeAlias = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]


class Executor(Protocol):
    """What this package needs of an executor: the `map` of :class:`concurrent.futures.Executor`."""

    def map(self, fn: Callable[..., Any], /, *iterables: Any) -> Iterator[Any]:
        """Apply a function to each item; yield the results in the order of the items."""


def check_executor(executor: Executor | None) -> None:
    """Check that an executor has a `map`."""
    if executor is not None and not callable(getattr(executor, "map", None)):
        raise TypeError(
            "executor must have the interface of concurrent.futures.Executor (a Dask client's is "
            f"client.get_executor()), got {type(executor).__name__}"
        )


@dataclass(frozen=True)
class Alone:
    """A function that computes on one thread, wherever it is called: its result is the same everywhere."""

    function: Callable[[Any], Any]

    def __call__(self, item: Any) -> Any:
        """Call the function."""
        with alone():
            return self.function(item)


@contextmanager
def mapping(
    threads: int | None, executor: Executor | None = None, *, foreign: bool = False
) -> Iterator[Map]:
    """Yield a function like the built-in `map`, its results in the order of the items.

    Each item is worked on by one thread: what it calls starts no others.

    Parameters
    ----------
    threads : int or None
        Threads of this process; None for one thread per processor.
    executor : Executor or None
        Does the work instead of threads.
    foreign : bool
        Whether the work is a function of the user's, who knows how many threads it should start.

    Raises
    ------
    TypeError, ValueError
        If there is no such number of threads, or the executor is none.
    """
    check_threads(threads)
    check_executor(executor)

    def owned(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return function if foreign else Alone(function)

    if executor is not None:
        place = executor
        yield lambda function, items: place.map(owned(function), items)
    elif threads == 1:
        yield lambda function, items: map(owned(function), items)
    else:
        pool = ThreadPoolExecutor(threads or default_threads(apart=True))
        try:
            # Threads of ours and of a BLAS together wait for each other most of the time.
            with blas_threads(1):
                yield lambda function, items: pool.map(owned(function), items)
        finally:
            # After Ctrl-C or an error, only what has begun is finished.
            pool.shutdown(cancel_futures=True)
