"""Time and memory of an interpretation: the null draws take nearly all of it."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

import descrambler as ds
from descrambler._util.threads import alone
from descrambler._util.validate import Array
from descrambler.analysis._ridge import exponent_and_evidence
from descrambler.evidence._claims import claims, measure
from descrambler.evidence.detectors import DETECTORS, Axes
from descrambler.evidence.nulls import KINDS, Null, Setting, draw

from .measure import Case, Row, Scale, seconds_of

TITLE = "Interpreting with nulls"
ABOUT = """\
Draws of every null kind of a DEERNet 256-80-256, in as many threads as there are: 200 of one kind are to take at most 30 s on two; all
of them, with 10 000 inputs (nulls share 2000), 180 s and 1 GiB beyond what the imports take. A draw, all detectors included, is to cost at
most as much as three forward passes of the same 2000 inputs: processor time, the least of several, mean over the kinds."""
ONE_KIND, ALL, GIB, PASSES = 30.0, 180.0, 1.0, 3.0
DRAW_INPUTS = 2000


def cases(scale: Scale) -> Iterator[Case]:
    """Yield one interpretation, and the draws of two networks."""
    yield Interpreting(*scale.choose(tiny=(20, 100), quick=(20, 2000), full=(200, 10_000)))
    number, inputs = scale.choose(tiny=(1, 100), quick=(5, DRAW_INPUTS), full=(20, DRAW_INPUTS))
    yield Drawing("256-80-256", ds.deer.pretrained(), number, inputs)
    yield Drawing("200-64-64-4", deep_network(), number, inputs)


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


def deep_network() -> ds.Network:
    """Return a network with two link dimensions and few outputs, of random weights."""
    rng = np.random.default_rng(0)
    layers: list[ds.Linear | ds.Activation] = []
    for n_in, n_out in ((200, 64), (64, 64), (64, 4)):
        layers += [ds.Linear(rng.standard_normal((n_out, n_in)) / np.sqrt(n_in))]
        layers += [ds.Activation("tanh")]
    return ds.Network(layers[:-1])


class Drawing:
    """What a draw costs, beside a forward pass."""

    def __init__(self, name: str, network: ds.Network, number: int, inputs: int) -> None:
        self.case = f"{name}, {inputs} inputs: a draw"
        self.network, self.number = network, number
        steps = np.random.default_rng(1).standard_normal((inputs, network.n_in))
        self.inputs = np.cumsum(steps, axis=1) / np.sqrt(network.n_in)
        axes = Axes(*(ds.Axis(name, "", 0, 1) for name in ("input", "output")))
        self.family = claims(network, DETECTORS, axes, inputs)
        # As in an interpretation, the draws share the singular values and the color of the inputs.
        self.setting = Setting(network, self.inputs, network.initial)

    def ours(self) -> Array:
        """Measure everything on one draw."""
        return self._measured(KINDS[1])

    def check(self) -> None:
        """Assert that a draw has a value for most claims."""
        values = self.ours()
        assert np.isfinite(values).sum() >= len(values) / 2

    def _measured(self, kind: Null) -> Array:
        return measure(draw(self.setting, kind, 0, 0), self.family, kind)

    def rows(self, scale: Scale) -> Iterator[Row]:
        """Time draws of every kind, and forward passes, in turn."""
        kinds = [kind for kind in KINDS if kind.name != "untrained" or self.network.initial]
        passes: list[float] = []
        draws: dict[str, list[float]] = {kind.name: [] for kind in kinds}
        forward = partial(self.network, self.inputs)
        # On one thread each, as in an interpretation.
        with alone():
            for _ in range(self.number):
                for kind in kinds:
                    passes.append(seconds_of(forward, time.process_time))
                    drawn = partial(self._measured, kind)
                    draws[kind.name].append(seconds_of(drawn, time.process_time))
        one, cost = min(passes), float(np.mean([min(times) for times in draws.values()]))
        yield Row(
            f"{self.case}, forward passes", "interpret", ours_seconds=cost, theirs_seconds=one,
            value=cost / one, limit=PASSES,
        )  # fmt: skip
        for name, part in self._parts().items():
            with alone():
                least = min(seconds_of(part, time.process_time) for _ in range(self.number))
            yield Row(
                f"{self.case}, {name}, forward passes", "interpret", ours_seconds=least,
                theirs_seconds=one, value=least / one,
            )  # fmt: skip

    def _parts(self) -> dict[str, Callable[[], object]]:
        """Return the dearest parts of a draw."""
        study = draw(self.setting, KINDS[1], 0, 0)
        sides = [signals for link in study.links for signals in link.signals]
        weights = study.weights(1)
        return {
            "its descramblings": lambda: [ds.descramble(signals) for signals in sides],
            "its ridge": lambda: exponent_and_evidence(weights),
        }
