"""Dask: sums over signals formed where the blocks lie, and a map over layers or networks.

Both are lazy graphs that Dask's scheduler runs: threads of this process, or the workers of the
``dask.distributed.Client`` that is active. What a lost worker had done, the scheduler does again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from .._signals.dask import DaskRows
from .._util.validate import require_extra

__all__ = ["DaskRows", "parallel_map"]

T = TypeVar("T")
R = TypeVar("R")


def parallel_map(function: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Apply a function to each item, by Dask: what ``workers=`` takes.

    Parameters
    ----------
    function : callable
    items : iterable

    Returns
    -------
    list
        Results in the order of the items.
    """
    dask = require_extra("dask", "dask", "parallel_map")
    shared = dask.delayed(function, pure=False, traverse=False)
    call = dask.delayed(_call)
    return list(dask.compute(*(call(shared, item) for item in items)))


def _call(function: Callable[[T], R], item: T) -> R:
    return function(item)
