"""Time and memory of an interpretation: the null draws take nearly all of it."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator

import descrambler as ds

from .measure import Case, Row, Scale

TITLE = "Interpreting a DEERNet 256-80-256 with its nulls"
ABOUT = """\
Draws of every null kind, in as many threads as there are: 200 of one kind are to take at most 30 s on two; all of
them, with 10 000 inputs (nulls share 2000), 180 s and 1 GiB beyond what the imports take."""
ONE_KIND, ALL, GIB = 30.0, 180.0, 1.0


def cases(scale: Scale) -> Iterator[Case]:
    """Yield one interpretation."""
    yield Interpreting(*scale.choose(tiny=(20, 300), quick=(20, 2000), full=(200, 10_000)))


class Interpreting:
    """The shipped network on simulated traces."""

    def __init__(self, nulls: int, inputs: int) -> None:
        self.case = f"{inputs} inputs, {nulls} draws of each kind"
        self.nulls = nulls
        self.network = ds.deer.pretrained()
        self.inputs = ds.deer.simulate(inputs, random_state=1).traces
        self.threads = 1
        self.finished: dict[str, float] = {}

    def ours(self) -> ds.Interpretation:
        """Interpret, and note when the last draw of each kind was done."""

        def done(step: ds.Step) -> None:
            self.finished[step.label] = time.perf_counter()

        return ds.interpret(
            self.network, self.inputs, nulls=self.nulls, threads=self.threads, progress=done
        )

    def check(self) -> None:
        """Assert that there are verdicts by every null kind."""
        self._checked(self.ours())

    def _checked(self, result: ds.Interpretation) -> None:
        assert len(result.kinds) == len(self.finished) == 8
        assert sum(finding.verdict == "present" for finding in result.findings) >= 3

    def rows(self, scale: Scale) -> Iterator[Row]:
        """Interpret once."""
        self.threads = scale.threads
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = time.perf_counter()
        result = self.ours()
        seconds = time.perf_counter() - start
        peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20
        self._checked(result)
        ends = [start, *self.finished.values()]
        slowest = max(b - a for a, b in zip(ends, ends[1:], strict=False))
        judged = scale.threads > 1
        yield Row(
            f"{self.case}: slowest kind, s", "interpret", ours_seconds=slowest, value=slowest,
            limit=ONE_KIND if judged else None,
        )  # fmt: skip
        yield Row(
            f"{self.case}: all of it, s", "interpret", ours_seconds=seconds, value=seconds,
            limit=ALL if judged else None,
        )  # fmt: skip
        yield Row(f"{self.case}: memory, GiB", "interpret", value=peak, limit=GIB)
