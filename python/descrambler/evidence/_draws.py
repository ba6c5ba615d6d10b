"""Measured draws of every null kind, no more than the verdicts need, and measured controls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from .._util.parallel import Executor, Map, mapping
from .._util.progress import Progress, reporting
from .._util.validate import Array
from ..network._network import Network
from ._claims import Claim, measure, reached, strengths
from ._significance import Mask, settled
from ._study import Study
from ._verdicts import LEVEL
from .nulls import KINDS, Null, Setting, draw

FIRST, BATCH = 20, 10
"""Draws of each kind before the first look at the verdicts, and between two looks."""

Report = Callable[[int, str], None]


def generator(entropy: int, place: int) -> np.random.Generator:
    """Return numbers of their own, beside those of the draws of the null kinds."""
    key = (len(KINDS) + place,)
    return np.random.default_rng(np.random.SeedSequence(entropy, spawn_key=key))


def chosen_rows(available: int, count: int, entropy: int) -> NDArray[np.intp] | None:
    """Return the row numbers of the inputs that findings, nulls and controls share; None for all."""
    if available <= count:
        return None
    chosen = generator(entropy, 0).choice(available, count, replace=False)
    return np.sort(chosen)


def measured_controls(
    controls: Mapping[str, Sequence[Network]],
    setting: Setting,
    family: Sequence[Claim],
    threads: int | None,
    executor: Executor | None,
    progress: Progress,
) -> dict[str, Array]:
    """Return the values of every control network on the shared inputs, each descrambled by its own signals."""
    jobs = [(kind, network) for kind, networks in controls.items() for network in networks]
    one = partial(_control, inputs=setting.inputs, family=family)
    rows: dict[str, list[Array]] = {kind: [] for kind in controls}
    with (
        mapping(threads, executor) as apply,
        reporting(progress, len(jobs), "control") as report,
    ):
        values = apply(one, [network for _, network in jobs])
        for done, ((kind, _), row) in enumerate(zip(jobs, values, strict=True), 1):
            rows[kind].append(row)
            report(done, kind)
    return {kind: np.array(values) for kind, values in rows.items()}


def _control(network: Network, inputs: Array, family: Sequence[Claim]) -> Array:
    return measure(Study(network, inputs), family)


def measured_nulls(
    kinds: Sequence[Null],
    setting: Setting,
    family: Sequence[Claim],
    observed: Array,
    count: int,
    seed: int,
    threads: int | None,
    executor: Executor | None,
    progress: Progress,
) -> dict[Null, Array]:
    """Return the values of the draws of every kind, shape (n, d) each, n at most `count`.

    Drawing stops once no claim can exceed every null any more, whatever the remaining draws: see
    `settled`.
    """
    one = partial(_drawn, setting=setting, family=family, seed=seed)
    values: dict[Null, Array] = {kind: np.empty((0, len(family))) for kind in kinds}
    open_claims = _Open(family, observed, count)
    with (
        mapping(threads, executor) as apply,
        reporting(progress, len(kinds) * count, "draw") as report,
    ):
        start = 0
        while start < count:
            stop = min(count, start + (BATCH if start else FIRST))
            needed = kinds if not start else [kind for kind in kinds if open_claims.need(kind)]
            if not needed:
                break
            _batch(needed, range(start, stop), one, apply, values, report)
            for kind in needed:
                open_claims.see(kind, values[kind][start:])
            start = stop
    return values


def _batch(
    kinds: Sequence[Null],
    numbers: range,
    one: Callable[[tuple[Null, int]], Array],
    apply: Map,
    values: dict[Null, Array],
    report: Report,
) -> None:
    jobs = [(kind, number) for kind in kinds for number in numbers]
    rows: dict[Null, list[Array]] = {kind: [] for kind in kinds}
    before = sum(len(v) for v in values.values())
    for done, ((kind, _), row) in enumerate(zip(jobs, apply(one, jobs), strict=True), 1):
        rows[kind].append(row)
        report(before + done, kind.name)
    for kind in kinds:
        values[kind] = np.vstack([values[kind], *rows[kind]])


def _drawn(job: tuple[Null, int], setting: Setting, family: Sequence[Claim], seed: int) -> Array:
    """Values of all claims on one draw of a null kind, shape (d,)."""
    kind, number = job
    return measure(draw(setting, kind, seed, number), family, kind)


class _Open:
    """The claims that may still be found beyond every null."""

    def __init__(self, family: Sequence[Claim], observed: Array, count: int) -> None:
        self.family, self.count = family, count
        self.observed = strengths(family, observed[None])[0]
        self.open: Mask = reached(family, observed[None])[0]
        self.exceeded: dict[Null, Array] = {}

    def need(self, kind: Null) -> bool:
        """Whether a claim that the kind applies to is open."""
        applies = [not claim.detector.reason_against(kind) for claim in self.family]
        return bool((self.open & applies).any())

    def see(self, kind: Null, values: Array) -> None:
        """Take notice of further draws."""
        with np.errstate(invalid="ignore"):
            more = np.count_nonzero(strengths(self.family, values) >= self.observed, axis=0)
        self.exceeded[kind] = self.exceeded.get(kind, np.zeros(len(self.family))) + more
        self.open = self.open & ~settled(self.exceeded[kind], self.count, LEVEL)
