"""The shape of a value between layers: which axis counts samples, and what one sample is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from numpy.typing import NDArray

from ..network._affine import Affine
from ._chain import arithmetic

Sizes: TypeAlias = tuple[int | None, ...]


@dataclass(frozen=True)
class Signal:
    """Sizes of the axes of a value, None where not declared, and the axis of the samples.

    Most graphs have samples in rows, ``Signal((None, 6), 0)``. One sample as a vector has no such
    axis. Where weights are on the left, samples are columns, ``Signal((6, None), 1)``.
    """

    sizes: Sizes
    batch: int | None

    @property
    def sample(self) -> Sizes:
        """Sizes of one sample."""
        return tuple(size for axis, size in enumerate(self.sizes) if axis != self.batch)

    @property
    def width(self) -> int | None:
        """Number of entries of one sample."""
        return None if None in self.sample else math.prod(self.sample)  # type: ignore[arg-type]

    def holds_all(self, axis: int) -> bool:
        """Tell whether the whole sample lies along one axis."""
        axis = axis % len(self.sizes) if self.sizes else -1
        others = [n for k, n in enumerate(self.sizes) if k not in (axis, self.batch)]
        return axis >= 0 and axis != self.batch and all(n == 1 for n in others)

    def replaced(self, axis: int, size: int) -> Signal:
        """Return the shape with another size of one axis."""
        sizes = list(self.sizes)
        sizes[axis] = size
        return Signal(tuple(sizes), self.batch)

    def affine(
        self, operation: str, constant: NDArray[Any], *, swapped: bool
    ) -> tuple[Affine, Signal]:
        """Return an operation with a constant as a map of samples, and the shape of the result."""
        signal, rows = self, constant
        while rows.ndim > len(signal.sizes) and len(rows) == 1:
            if constant.size > 1 and signal.batch is None and rows.ndim == len(signal.sizes) + 1:
                signal = Signal((1, *signal.sizes), 0)  # one sample becomes the only row
                break
            rows = rows[0]
        at = None if signal.batch is None else signal.batch - len(signal.sizes)
        if at is not None and rows.ndim >= -at:
            if rows.shape[at] != 1 and constant.size > 1:
                raise ValueError(f"a constant of shape {constant.shape} differs between samples")
            rows = rows.reshape([n for k, n in enumerate(rows.shape) if k != rows.ndim + at])
        return arithmetic(operation, rows, signal.sample, swapped=swapped), signal

    def flatten(self, axis: int) -> Signal | None:
        """Return the shape after Flatten; None if samples do not stay apart."""
        if not -len(self.sizes) <= axis <= len(self.sizes):
            return None
        axis = axis + len(self.sizes) if axis < 0 else axis
        before, after = self.sizes[:axis], self.sizes[axis:]
        width = None if None in after else math.prod(after)  # type: ignore[arg-type]
        others = [n for k, n in enumerate(before) if k != self.batch]
        if all(n == 1 for n in others) and (self.batch in range(axis) or self._single()):
            return Signal((before[self.batch] if self.batch in range(axis) else 1, width), 0)  # type: ignore[index]
        if self.batch is None and len(self.sizes) == axis == 1:
            return Signal((self.sizes[0], 1), 1)
        return None

    def _single(self) -> bool:
        return self.batch is None or self.sizes[self.batch] == 1

    def reshape(self, sizes: Sequence[int]) -> Signal | None:
        """Return the shape after Reshape; None if samples do not stay apart."""
        if any(n < -1 for n in sizes) or sizes.count(-1) > 1 or len(sizes) > 8:
            return None
        copied = [self.sizes[k : k + 1] == (None,) and n == 0 for k, n in enumerate(sizes)]
        known = [
            self.sizes[k] if n == 0 and k < len(self.sizes) else n for k, n in enumerate(sizes)
        ]
        apart = self.batch in (0, None) and len(known) > 1 and self._keeps_batch(known, copied)
        if apart and (rest := _filled(known[1:], self.width)) is not None:
            return Signal((self.sizes[0] if self.batch == 0 else 1, *rest), 0)
        if self._single() and (rest := _filled(known, self.width)) is not None:
            return Signal(tuple(rest), None)
        return Signal((self.sizes[0],), 0) if known == [-1] and self.width == 1 else None

    def _keeps_batch(self, known: Sequence[int | None], copied: Sequence[bool]) -> bool:
        first, rest = known[0], known[1:]
        if self.batch is None:
            return first == 1
        if copied[0] or (first is not None and first == self.sizes[0]):
            return True
        # Whatever the number of samples, the other sizes leave as many rows.
        fixed = [n for n in rest if n is not None]
        return -1 not in rest and len(fixed) == len(rest) and self.width in (None, math.prod(fixed))

    def squeeze(self, axes: Sequence[int] | None) -> Signal | None:
        """Return the shape without axes of one entry."""
        rank = len(self.sizes)
        if axes is None:
            axes = [k for k, n in enumerate(self.sizes) if n == 1]
        gone = {axis % rank for axis in axes if -rank <= axis < rank}
        if len(gone) < len(axes) or any(self.sizes[axis] not in (1, None) for axis in gone):
            return None
        batch = None if self.batch is None or self.batch in gone else self.batch
        shift = 0 if batch is None else sum(axis < batch for axis in gone)
        left = tuple(n for k, n in enumerate(self.sizes) if k not in gone)
        return Signal(left, None if batch is None else batch - shift)

    def unsqueeze(self, axes: Sequence[int]) -> Signal | None:
        """Return the shape with axes of one entry inserted."""
        rank = len(self.sizes) + len(axes)
        new = {axis % rank for axis in axes if -rank <= axis < rank}
        if len(new) < len(axes) or rank > 8:
            return None
        places = [k for k in range(rank) if k not in new]
        sizes = [1 if k in new else self.sizes[places.index(k)] for k in range(rank)]
        if self.batch is not None:
            return Signal(tuple(sizes), places[self.batch])
        return Signal(tuple(sizes), min(new) if len(self.sizes) == 1 else None)

    def transpose(self, order: Sequence[int] | None) -> Signal | None:
        """Return the shape with its axes in another order; None if samples change theirs."""
        rank = len(self.sizes)
        order = list(range(rank))[::-1] if order is None else list(order)
        if sorted(order) != list(range(rank)):
            return None
        long = [axis for axis in order if axis != self.batch and self.sizes[axis] != 1]
        batch = None if self.batch is None else order.index(self.batch)
        sizes = tuple(self.sizes[axis] for axis in order)
        return Signal(sizes, batch) if long == sorted(long) else None


def of_input(shape: Sequence[int | None] | None, *, columns: bool) -> Signal:
    """Return the shape of the inputs; rows where it declares none."""
    if shape is None:
        return Signal((None, None), 0)
    if len(shape) < 2:
        return Signal(tuple(shape), None)
    return Signal(tuple(shape), 1 if columns and len(shape) == 2 and shape[0] else 0)


def _filled(sizes: Sequence[int | None], width: int | None) -> Sizes | None:
    """Return the sizes of a sample, -1 replaced; None if they do not give its entries."""
    fixed = [n for n in sizes if n != -1]
    if None in fixed:
        return tuple(sizes) if -1 not in sizes else None
    total = math.prod(fixed)  # type: ignore[arg-type]
    if -1 not in sizes:
        return tuple(sizes) if width in (None, total) else None
    if width is None:
        return tuple(None if n == -1 else n for n in sizes) if total == 1 else None
    if total == 0 or width % total:
        return None
    return tuple(width // total if n == -1 else n for n in sizes)
