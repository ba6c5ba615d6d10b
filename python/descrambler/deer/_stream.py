"""The batches that a DEERNet learns from: simulated while it trains, with true or permuted targets."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count, islice
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ._simulate import simulate

Array = NDArray[np.float32]
Pair = tuple[Array, Array]
Pairs = Generator[Pair, None, None]
Shuffle = Literal["once", "anew"]
SHUFFLES: tuple[Shuffle, ...] = ("once", "anew")

BATCH = 128
BLOCK = 16_384  # traces simulated together while the block before is learnt from
PASS = BLOCK // BATCH  # steps in a pass over a block
_PASSES = 2  # passes over a block: simulating takes as long as training
# Random numbers: the start of a training has key 0, block k has (1, k).
_TARGETS, _ORDER = 2, 3


def generator(seed: int, *key: int) -> np.random.Generator:
    """Return one of the independent generators of a training."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def batches(
    torch: Any, n_points: int, seed: int, shuffle: Shuffle | None, first_step: int
) -> Generator[tuple[Any, Any], None, None]:
    """Yield endless inputs and targets, from the batch of step `first_step` (counted from 0)."""
    first, skipped = divmod(first_step, PASS)
    passes = _fixed if shuffle == "once" else _anew if shuffle == "anew" else _streamed
    with closing(passes(n_points, seed, first)) as turns:
        for turn in turns:
            inputs, targets = (torch.from_numpy(array).split(BATCH) for array in turn)
            yield from islice(zip(inputs, targets, strict=True), skipped, None)
            skipped = 0


def _streamed(n_points: int, seed: int, first: int) -> Pairs:
    """Yield what each pass learns from; each block is simulated while the last is in use."""
    first_block, done = divmod(first, _PASSES)
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(block, n_points, seed, first_block)
        for index in count(first_block + 1):
            pair = pending.result()
            pending = pool.submit(block, n_points, seed, index)
            for _ in range(done, _PASSES):
                yield pair
            done = 0


def _anew(n_points: int, seed: int, first: int) -> Pairs:
    """Yield the same blocks, their targets permuted again at every pass."""
    with closing(_streamed(n_points, seed, first)) as turns:
        for turn, (traces, targets) in enumerate(turns, first):
            yield traces, targets[new_targets(seed, turn)]


def _fixed(n_points: int, seed: int, first: int) -> Pairs:
    """Yield the first block, its targets permuted once, in a new order at every pass."""
    traces, targets = shuffled_once(n_points, seed)
    for turn in count(first):
        order = new_order(seed, turn)
        yield traces[order], targets[order]


def block(n_points: int, seed: int, index: int) -> Pair:
    """Simulate the traces and targets of one block, each of shape (BLOCK, n_points)."""
    data = simulate(BLOCK, generator(seed, 1, index), n_points, dtype=np.float32)
    return np.asarray(data.traces), np.asarray(data.targets)


def shuffled_once(n_points: int, seed: int) -> Pair:
    """Return the fixed set of ``shuffle="once"``: the first block with its targets permuted."""
    traces, targets = block(n_points, seed, 0)
    return traces, targets[new_targets(seed, 0)]


def new_targets(seed: int, turn: int) -> NDArray[np.intp]:
    """Return which target each trace of a block gets: in pass `turn`, or for good if it is 0."""
    return generator(seed, _TARGETS, turn).permutation(BLOCK)


def new_order(seed: int, turn: int) -> NDArray[np.intp]:
    """Return the order in which pass `turn` goes through the fixed set."""
    return generator(seed, _ORDER, turn).permutation(BLOCK)
