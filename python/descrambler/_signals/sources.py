"""Signals in memory, in a file, in an iterator or on a cluster, read in blocks of rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, Protocol, TypeAlias, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._util.validate import Array, check_real, check_unmasked, matrix
from .ahead import read_ahead
from .plain import batch_array, check_function, plain_array

# Entries of a block, whose float64 copy stays in the cache, unless the rows are so long that BLAS is given
# too few of them. A slab holds the whole chunks of a chunked file.
BLOCK, FEWEST, SLAB = 2**20, 256, 2**25


class Dataset(Protocol):
    """The common part of zarr, HDF5 and memory-mapped arrays."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""

    @property
    def dtype(self) -> Any:
        """Dtype of the entries."""

    def __getitem__(self, rows: slice, /) -> Any:
        """Return a slab of rows, as an array."""


# In quotes: where NumPy's ArrayLike is a plain union, it cannot be joined to a name that is yet to come.
Signals: TypeAlias = (
    "ArrayLike | Dataset | Iterator[ArrayLike] | Callable[[], Iterator[ArrayLike]] | Source"
)


class Accumulator(Protocol):
    """A sum over signals: blocks of rows are added, partial sums merged."""

    def add(self, rows: Array) -> None:
        """Add a block of rows."""

    def merge(self, other: Any) -> None:
        """Add another such sum."""


A = TypeVar("A", bound=Accumulator)


class Source(ABC):
    """Signals, one sample per row.

    Attributes
    ----------
    name : str
        How messages call them.
    n : int
        Units: columns.
    dtype : dtype
    m : int or None
        Number of rows, where it is known before they are read.
    rereadable : bool
        Whether they may be read more than once.
    sequential : bool
        Whether they are read here, one block after the other.
    """

    name: str
    n: int
    m: int | None = None
    dtype: np.dtype[Any]
    rereadable = True
    sequential = True

    @abstractmethod
    def head(self) -> NDArray[Any]:
        """Return the first row, shape (1, n)."""

    @abstractmethod
    def blocks(self) -> Iterator[Array]:
        """Yield blocks of rows, float32 or float64."""

    def whole(self) -> Array:
        """Return all rows at once."""
        return np.concatenate(list(self.blocks()))

    def gather(self, make: Callable[[], A]) -> A:
        """Add all rows to what `make` returns."""
        total = make()
        for rows in self.blocks():
            total.add(rows)
        return total


def as_source(name: str, signals: Signals) -> Source:
    """Return signals as a :class:`Source`.

    Raises
    ------
    TypeError, ValueError
        If they are not real and two-dimensional, or there are none.
    """
    if isinstance(signals, Source):
        return signals
    if isinstance(signals, Iterator):
        return Batches(name, signals)
    check_unmasked(name, signals)
    if type(signals).__module__.startswith("dask."):
        from .dask import DaskRows

        return DaskRows(name, signals)
    if _is_dataset(signals):
        return Rows(name, cast(Dataset, signals))
    if callable(signals):
        return Repeated(name, signals)
    return Rows(name, plain_array(name, signals))


def batches(name: str, signals: Signals) -> Iterator[Array]:
    """Yield the blocks of signals of any kind."""
    return as_source(name, signals).blocks()


class Rows(Source):
    """An array, in memory or in a file; only a slab of its rows is in memory at a time."""

    m: int

    def __init__(self, name: str, rows: Dataset) -> None:
        dtype = np.dtype(rows.dtype)
        check_real(name, dtype)
        check_unmasked(name, rows)
        if len(rows.shape) != 2:
            raise ValueError(f"{name} must have 2 dimensions, got shape {rows.shape}")
        self.m, self.n = rows.shape
        if self.m * self.n == 0:
            raise ValueError(f"{name} must not be empty, got shape {rows.shape}")
        self.name, self.dtype, self._rows = name, dtype, rows

    def head(self) -> NDArray[Any]:
        """Return the first row."""
        return np.asarray(self._rows[0:1])

    def blocks(self) -> Iterator[Array]:
        """Yield blocks of rows."""
        in_memory = isinstance(self._rows, np.ndarray)
        for slab in self._slabs() if in_memory else read_ahead(self._slabs()):
            yield from _split(self.name, slab)

    def whole(self) -> Array:
        """Return all rows at once: an array that is in memory, or mapped to it, as it is."""
        return matrix(self.name, np.asarray(self._rows), finite=False)

    def _slabs(self) -> Iterator[NDArray[Any]]:
        """Read whole chunks at once, where the file has chunks of a fair size."""
        rows = block_rows(self.n)
        tall = int((getattr(self._rows, "chunks", None) or [1])[0])
        whole = tall * max(1, rows // tall)
        step = whole if whole * self.n <= SLAB else rows
        for start in range(0, self.m, step):  # not beyond m: some refuse what a NumPy slice allows
            yield np.asarray(self._rows[start : min(start + step, self.m)])


class Batches(Source):
    """An iterator of batches, which can be read once."""

    rereadable = False

    def __init__(self, name: str, parts: Iterator[ArrayLike]) -> None:
        first = [batch_array(name, 0, part) for _, part in zip(range(1), parts, strict=False)]
        if not first:
            raise ValueError(f"{name} must hold at least one batch, got an empty iterator")
        source = Rows(name, first[0])
        self.name, self.n, self.dtype = name, source.n, source.dtype
        self._first = first[0][:1]
        self._parts = chain(first, parts)

    def head(self) -> NDArray[Any]:
        """Return the first row."""
        return self._first

    def blocks(self) -> Iterator[Array]:
        """Yield blocks of rows."""
        for index, part in enumerate(self._parts):
            rows = batch_array(self.name, index, part)
            label = f"{self.name} (batch {index})" if index else self.name
            source = Rows(label, rows)
            if source.n != self.n:
                raise ValueError(
                    f"batch {index} of {self.name} has {source.n} columns, not {self.n}"
                )
            yield from source.blocks()


class Watched(Source):
    """Signals of which each block is reported once it is dealt with."""

    def __init__(self, source: Source, report: Callable[[int, str], None]) -> None:
        self.name, self.n, self.m, self.dtype = source.name, source.n, source.m, source.dtype
        self.rereadable = source.rereadable
        self._source, self._report = source, report

    def head(self) -> NDArray[Any]:
        """Return the first row."""
        return self._source.head()

    def blocks(self) -> Iterator[Array]:
        """Yield blocks of rows."""
        done = 0
        for rows in self._source.blocks():
            yield rows
            done += len(rows)
            self._report(done, f"{done} signals")


class Repeated(Source):
    """A function that returns the same batches each time it is called."""

    def __init__(self, name: str, parts: Callable[[], Iterator[ArrayLike]]) -> None:
        self._parts = parts
        first = self._batches(name)
        self.name, self.n, self.dtype = name, first.n, first.dtype

    def _batches(self, name: str) -> Batches:
        check_function(name, self._parts)
        parts = self._parts()
        if not isinstance(parts, Iterator):
            raise TypeError(
                f"{name}() must return an iterator of batches, got {type(parts).__name__}"
            )
        return Batches(name, parts)

    def head(self) -> NDArray[Any]:
        """Return the first row."""
        return self._batches(self.name).head()

    def blocks(self) -> Iterator[Array]:
        """Yield blocks of rows."""
        again = self._batches(self.name)
        if again.n != self.n:
            raise ValueError(f"{self.name} had {self.n} columns when first read, then {again.n}")
        return again.blocks()


def block_rows(n: int) -> int:
    """Rows of `n` entries that are worked on at once."""
    return int(min(4096, max(FEWEST, BLOCK // n)))


def blocks_of(
    rows: Array, dtype: type[np.floating[Any]], origin: Array | None = None
) -> Iterator[Array]:
    """Yield blocks of rows in a dtype, less an origin if there is one; each is valid until the next."""
    step = block_rows(rows.shape[1])
    as_they_are = rows.dtype == dtype and origin is None
    room = None if as_they_are else np.empty((min(step, len(rows)), rows.shape[1]), dtype)
    for start in range(0, len(rows), step):
        block = rows[start : start + step]
        if room is None:
            yield block
            continue
        # An infinity does not leave the sum unseen.
        with np.errstate(over="ignore", invalid="ignore"):
            if origin is None:
                np.copyto(room[: len(block)], block)
            else:
                # In float64, whatever the dtypes: the difference may be far smaller than both.
                into = room[: len(block)]
                np.subtract(block, origin, out=into, dtype=np.float64, casting="same_kind")
        yield room[: len(block)]


def first_origin(source: Source) -> Array:
    """Return a point near the first signals, exactly on them where they do not vary."""
    block = next(iter(source.blocks())).astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        origin: Array = block[0] + (block - block[0]).mean(axis=0)
    return origin


def _split(name: str, rows: NDArray[Any]) -> Iterator[Array]:
    step = block_rows(rows.shape[1])
    for start in range(0, len(rows), step):
        yield matrix(name, rows[start : start + step], finite=False)


def _is_dataset(signals: object) -> bool:
    if hasattr(signals, "__array_namespace__"):
        return False
    try:
        np.dtype(signals.dtype)  # type: ignore[attr-defined]
    except (AttributeError, TypeError):
        return False
    return hasattr(signals, "shape") and hasattr(signals, "__getitem__")
