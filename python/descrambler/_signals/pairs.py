"""Moments of two sets of signals on the same inputs, in one pass: for two halves, and with rows shuffled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from .._util.validate import Array, matrix
from .dask import DaskRows, gather_pairs
from .gram import Gram
from .sources import Source, block_rows
from .sums import CenteredSum

# Samples of a block among which the null shuffles, at least.
FEWEST_SAMPLES = 128


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums over the samples of one half; `gram` is of both signals side by side, about their means.

    `shuffled`, shape (n_shuffles, n_a, n_b), holds cross moments with the samples of b in another order.
    """

    n_a: int
    gram: Gram
    shuffled: Array

    @property
    def count(self) -> int:
        """Number of rows."""
        assert self.gram.count is not None
        return self.gram.count

    @property
    def a(self) -> Array:
        """Second moments of a about its mean, shape (n_a, n_a)."""
        return self.gram.matrix[: self.n_a, : self.n_a]

    @property
    def b(self) -> Array:
        """Second moments of b about its mean, shape (n_b, n_b)."""
        return self.gram.matrix[self.n_a :, self.n_a :]

    @property
    def cross(self) -> Array:
        """Cross moments about the means, shape (n_a, n_b)."""
        return self.gram.matrix[: self.n_a, self.n_a :]

    @property
    def means(self) -> tuple[Array, Array]:
        """Mean signals of a and b."""
        assert self.gram.mean is not None
        return self.gram.mean[: self.n_a], self.gram.mean[self.n_a :]

    def draw(self, index: int) -> Moments:
        """Return the same moments with the cross moments of one shuffle."""
        joint = self.gram.matrix.copy()
        joint[: self.n_a, self.n_a :] = self.shuffled[index]
        joint[self.n_a :, : self.n_a] = self.shuffled[index].T
        return Moments(self.n_a, Gram(joint, self.gram.mean, self.count, True), self.shuffled[:0])

    def plus(self, other: Moments) -> Moments:
        """Moments of both halves together, without shuffles."""
        return Moments(self.n_a, self.gram + other.gram, self.shuffled[:0])


class PairSum:
    """Running sums over pairs of rows.

    Samples count from 0; the even ones make up one half, the odd ones the other. Shuffles exchange samples
    of one block and one half: what differs between blocks or halves is kept.
    """

    def __init__(
        self, n_a: int, n_b: int, rows_per_sample: int, n_shuffles: int, seed: int
    ) -> None:
        self.n_a, self.rows, self.seed = n_a, rows_per_sample, seed
        self.joint = [CenteredSum(n_a + n_b) for _ in range(2)]
        self.within = np.zeros((2, n_a, n_b))
        self.shuffled = np.zeros((2, n_shuffles, n_a, n_b))

    def add(self, rows_a: Array, rows_b: Array, number: int) -> None:
        """Add a block, the `number` of which seeds its shuffles; it begins with a sample of even number."""
        if len(rows_a) % self.rows:
            raise ValueError(
                f"signals must have a multiple of rows_per_sample={self.rows} rows, but the last sample "
                f"has {len(rows_a) % self.rows}"
            )
        generator = np.random.default_rng([self.seed, number])
        for half in range(2):
            a, b = self._half(rows_a, half), self._half(rows_b, half)
            if not len(a):
                continue
            self.joint[half].add(np.hstack([a, b]))
            with np.errstate(over="ignore", invalid="ignore"):  # judged once, by the joint sum
                a -= a.mean(axis=0)
                b -= b.mean(axis=0)
                self.within[half] += a.T @ b
                samples = b.reshape(len(b) // self.rows, -1)
                for total in self.shuffled[half]:
                    total += a.T @ generator.permutation(samples).reshape(b.shape)

    def _half(self, rows: Array, half: int) -> Array:
        samples = rows.reshape(len(rows) // self.rows, self.rows, -1)[half::2]
        return samples.reshape(-1, rows.shape[1]).astype(np.float64)

    def merge(self, other: PairSum) -> None:
        """Add another sum."""
        for mine, theirs in zip(self.joint, other.joint, strict=True):
            mine.merge(theirs)
        self.within += other.within
        self.shuffled += other.shuffled

    def finish(self) -> tuple[Moments, Moments]:
        """Hand the sums over; they end here."""
        if min(total.count for total in self.joint) < 2 * self.rows:
            rows = sum(total.count for total in self.joint)
            raise ValueError(
                f"signals must have at least 4 samples, two per half, got {rows} rows with "
                f"rows_per_sample={self.rows}"
            )
        first, second = map(self._moments, range(2))
        return first, second

    def _moments(self, half: int) -> Moments:
        joint = self.joint[half].finish()
        # Between the means of blocks nothing was shuffled.
        self.shuffled[half] += joint.matrix[: self.n_a, self.n_a :] - self.within[half]
        return Moments(self.n_a, joint, self.shuffled[half])


def pair_moments(
    a: Source, b: Source, rows_per_sample: int = 1, n_shuffles: int = 0, seed: int = 0
) -> tuple[Moments, Moments]:
    """Return the moments of the two halves of the samples, in one pass over both signals.

    Raises
    ------
    ValueError
        If the two do not have the same number of rows, there are too few, or they are not finite.
    """
    make = partial(PairSum, a.n, b.n, rows_per_sample, n_shuffles, seed)
    pair = 2 * rows_per_sample
    size = max(block_rows(a.n + b.n), FEWEST_SAMPLES * rows_per_sample)
    size += -size % pair
    if isinstance(a, DaskRows) and isinstance(b, DaskRows):
        return gather_pairs(a, b, make, size, pair).finish()
    total = make()
    for number, (rows_a, rows_b) in enumerate(_paired_blocks(a, b, size)):
        total.add(rows_a, rows_b, number)
    return total.finish()


class _Reader:
    """Rows of one source, taken in any number."""

    def __init__(self, source: Source) -> None:
        self.name, self._blocks, self._waiting = source.name, source.blocks(), [np.empty((0, 0))]
        self.ready, self.read = 0, 0

    def fill(self, wanted: int) -> None:
        while self.ready < wanted:
            block = next(self._blocks, None)
            if block is None:
                return
            # A copy: some loaders give one buffer again and again.
            self._waiting.append(np.array(matrix(self.name, block)))
            self.ready += len(block)
            self.read += len(block)

    def take(self, count: int) -> Array:
        rows = np.concatenate([block for block in self._waiting if len(block)])
        self._waiting, self.ready = [rows[count:]], self.ready - count
        taken: Array = rows[:count]
        return taken


def _paired_blocks(a: Source, b: Source, size: int) -> Iterator[tuple[Array, Array]]:
    """Yield blocks of `size` rows of both; the last has up to twice as many."""
    readers = first, second = _Reader(a), _Reader(b)
    while True:
        for reader in readers:
            reader.fill(2 * size)
        if min(first.ready, second.ready) < 2 * size:
            break
        yield first.take(size), second.take(size)
    for reader in readers:
        reader.fill(max(first.ready, second.ready) + 1)
    if first.read != second.read:
        raise ValueError(
            f"{a.name} and {b.name} must have the same number of rows, one per input and in the same "
            f"order, got {_so_far(first, second)} and {_so_far(second, first)}"
        )
    yield first.take(first.ready), second.take(second.ready)


def _so_far(reader: _Reader, other: _Reader) -> str:
    return f"{reader.read}" if reader.read < other.read else f"{reader.read} or more"
