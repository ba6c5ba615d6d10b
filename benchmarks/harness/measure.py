"""One line of the table, and the side-by-side timing behind it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np

Value = TypeVar("Value")
Work = Callable[[], object]
# Seconds of a pair from which on three are enough.
LONG = 10
# Seconds after which no thread of a BLAS looks for work any more.
SETTLED = 0.1


@dataclass(frozen=True)
class Scale:
    """How much to measure.

    Attributes
    ----------
    name : {"tiny", "quick", "full"}
        For tests, for a first look, for the record.
    cap : float
        Seconds that an optimizer is given to reach its target.
    seconds : float
        Time spent on a side-by-side timing, at least seven pairs, three of long ones.
    threads : int
        What the process was given.
    largest : int
        Largest number of units of the page on speed.
    """

    name: str
    cap: float
    seconds: float
    threads: int = 1
    largest: int = 2048

    def choose(self, *, tiny: Value, quick: Value, full: Value) -> Value:
        """Return what belongs to this scale."""
        return {"tiny": tiny, "quick": quick, "full": full}[self.name]


SCALES = {
    "tiny": Scale("tiny", 1, 0),
    "quick": Scale("quick", 2, 0.2),
    "full": Scale("full", 60, 2),
}


@dataclass(frozen=True)
class Row:
    """A line of the table: ours against theirs.

    Attributes
    ----------
    case : str
    ours, theirs : str
        What is timed.
    ours_seconds, theirs_seconds : float or None
        Medians; None where nothing is timed.
    ours_arrived, theirs_arrived : bool
        False where the seconds are those after which an optimizer was stopped short of its goal.
    value : float or None
        What the target limits: the median of ours / theirs, unless the case names another quantity.
    limit : float or None
        Largest value that meets the target.
    good : bool
        Whether the answer is what the target asks for.
    arrival_counts : bool
        Whether the target is met, too, if ours arrived and theirs did not.
    note : str
    n : int
        Size.
    curve : str
        Name of the curve on which `ours_seconds` against `n` is a point; empty where it is none.
    trace : list of (float, float)
        Of an optimizer ("theirs"): seconds, and relative gap to the optimum from then on.
    """

    case: str
    ours: str = ""
    theirs: str = ""
    ours_seconds: float | None = None
    theirs_seconds: float | None = None
    value: float | None = None
    limit: float | None = None
    good: bool = True
    ours_arrived: bool = True
    theirs_arrived: bool = True
    arrival_counts: bool = False
    note: str = ""
    n: int = 0
    curve: str = ""
    trace: list[tuple[float, float]] = field(default_factory=list)

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none, or nothing was measured."""
        if self.limit is None or self.value is None:
            return None
        if not (self.good and self.ours_arrived):
            return False
        return self.value <= self.limit or (self.arrival_counts and not self.theirs_arrived)


class Case(Protocol):
    """Something to measure: ours, the check of its answer, and what it is held against."""

    @property
    def case(self) -> str:
        """Name, with the size."""

    @property
    def ours(self) -> Work:
        """The work that is timed."""

    @property
    def check(self) -> Callable[[], None]:
        """Assert the answer of ours."""

    def rows(self, scale: Scale) -> Iterator[Row]:
        """Assert the answer, then measure."""


@dataclass(frozen=True)
class SideBySide:
    """Two candidates for the same work."""

    case: str
    ours_name: str
    ours: Work
    theirs_name: str
    theirs: Work
    check: Callable[[], None]
    limit: float | None = None
    note: str = ""
    n: int = 0
    curve: str = ""

    def rows(self, scale: Scale) -> Iterator[Row]:
        """Assert the answer, then time both."""
        self.check()
        pause = SETTLED if scale.threads > 1 else 0.0
        ours, theirs, ratio = side_by_side(self.ours, self.theirs, scale.seconds, pause)
        yield Row(
            self.case,
            self.ours_name,
            self.theirs_name,
            ours,
            theirs,
            ratio,
            self.limit,
            note=self.note,
            n=self.n,
            curve=self.curve,
        )


def side_by_side(
    ours: Work, theirs: Work, seconds: float, pause: float = 0.0
) -> tuple[float, float, float]:
    """Time both in turn, at least seven times, long ones three times; once, if no time is to be spent.

    So many seconds of `pause` pass before each call.

    Returns
    -------
    ours, theirs, ratio : float
        Median seconds of both, and the median of the ratios of neighbors.
    """
    start = time.perf_counter()
    ours(), theirs()
    least = 1 if not seconds else 7 if time.perf_counter() - start < LONG else 3
    times: list[tuple[float, float]] = []
    start = time.perf_counter()
    while len(times) < least or (time.perf_counter() - start < seconds and len(times) < 200):
        times.append((seconds_of(ours, pause=pause), seconds_of(theirs, pause=pause)))
    a, b = np.array(times).T
    return float(np.median(a)), float(np.median(b)), float(np.median(a / b))


def seconds_of(
    work: Work, clock: Callable[[], float] = time.perf_counter, *, pause: float = 0.0
) -> float:
    """Time one call."""
    time.sleep(pause)
    start = clock()
    work()
    return clock() - start


def median_seconds(work: Work, repeats: int) -> float:
    """Return the median time of several calls."""
    return float(np.median([seconds_of(work) for _ in range(repeats)]))


def cost_exponent(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Fit ``log seconds = exponent log n + offset`` to pairs of n and seconds; returns both."""
    n, seconds = np.log(np.array(points, np.float64)).T
    exponent, offset = np.polyfit(n, seconds, 1)
    return float(exponent), float(offset)
