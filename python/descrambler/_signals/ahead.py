"""Reading ahead: the next block is read by a thread while this one is in work."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from .._util.threads import threads_here

B = TypeVar("B")


def read_ahead(blocks: Iterator[B]) -> Iterator[B]:
    """Yield the same blocks; where the call may use several threads, one of them reads the next block."""
    if threads_here() < 2:
        yield from blocks
        return
    with ThreadPoolExecutor(1) as reader:
        following = reader.submit(next, blocks, None)
        while (block := following.result()) is not None:
            following = reader.submit(next, blocks, None)
            yield block
