"""Values compared with the draws of one kind, and the smallest values that would be detected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from .._util.tables import brief
from .._util.validate import Array
from ._claims import Claim, reached, strengths
from ._significance import found_with_power, step_down_max_t, student_t
from ._verdicts import LEVEL, KindSummary, Verdict, beyond_initial, decide


class Judgement(NamedTuple):
    """One value with its nulls and controls; the verdict is None if it cannot be tested."""

    nulls: dict[str, KindSummary]
    controls: dict[str, KindSummary]
    verdict: Verdict | None


@brief
@dataclass(frozen=True, eq=False)
class Evidence:
    """Nulls and controls that a family of claims is compared with.

    Attributes
    ----------
    family : sequence of Claim
    nulls, controls : mapping of str to ndarray, shape (n, d)
        Values by kind: a row per network, a column per claim, NaN where there is none.
    shown : list of bool or None
        Whether networks trained on the true targets by the controls' recipe show each claim.
    recipe : str
        A difference between the recipes of the controls and of the network; empty if none is known.
    initial : ndarray, shape (d,), or None
        Values of the network before training.
    doubt : str
        Why the network does not seem to do its task; empty if nothing speaks against it.
    """

    family: Sequence[Claim]
    nulls: Mapping[str, Array]
    controls: Mapping[str, Array]
    shown: Sequence[bool] | None
    recipe: str
    initial: Array | None = None
    doubt: str = ""

    def judge(self, observed: Array) -> list[Judgement]:
        """Judge the values of all claims."""
        by_null = {name: compared(self.family, observed, v) for name, v in self.nulls.items()}
        by_control = {kind: compared(self.family, observed, v) for kind, v in self.controls.items()}
        judged = []
        for j, claim in enumerate(self.family):
            nulls = {name: found[j] for name, found in by_null.items() if j in found}
            controls = {kind: found[j] for kind, found in by_control.items() if j in found}
            verdict = None
            if np.isfinite(observed[j]) and (nulls or controls):
                shown = None if self.shown is None else self.shown[j]
                told = claim.detector, float(observed[j]), claim.floor, nulls, controls
                verdict = decide(*told, shown, self.recipe)
                if self.initial is not None:
                    before = float(self.initial[j])
                    verdict = beyond_initial(claim.detector, float(observed[j]), before, verdict)
                verdict = verdict.doubted(self.doubt)
            judged.append(Judgement(nulls, controls, verdict))
        return judged

    def resampled(self, rng: np.random.Generator) -> Evidence:
        """Return the same with the draws of each null kind drawn again, with replacement."""
        nulls = {k: v[rng.integers(len(v), size=len(v))] for k, v in self.nulls.items()}
        return replace(self, nulls=nulls)


def compared(family: Sequence[Claim], observed: Array, draws: Array) -> dict[int, KindSummary]:
    """Compare values with draws of one kind by the max-T test with floors; by column.

    Claims without a value in any of the networks leave the family.
    """
    pooled = np.vstack([observed, draws])
    columns = _with_values(draws)
    if not columns:
        return {}
    part = [family[j] for j in columns]
    values = strengths(part, pooled[:, columns])
    p = step_down_max_t(values[0], values[1:], reached(part, pooled[:, columns]))
    t = student_t(values[0], values[1:])
    sizes = np.stack([family[j].detector.size(draws[:, j]) for j in columns], axis=1)
    numbers = np.stack([np.nanmean(sizes, axis=0), np.nanstd(sizes, axis=0), t, p], axis=1)
    drawn = draws.T.tolist()
    return {
        j: KindSummary(mean, sd, effect, corrected, len(draws), tuple(drawn[j]))
        for j, (mean, sd, effect, corrected) in zip(columns, numbers.tolist(), strict=True)
    }


def _with_values(draws: Array) -> list[int]:
    """Columns in which at least one draw has a value."""
    return [int(j) for j in np.flatnonzero(np.isfinite(draws).any(axis=0))]


def shown_by(family: Sequence[Claim], true: Array, controls: Mapping[str, Array]) -> list[bool]:
    """Return which claims most networks trained on the true targets show, against every kind of controls."""
    beyond = reached(family, true)
    for values in controls.values():
        for i, row in enumerate(true):
            found = compared(family, row, values)
            allowed = max(LEVEL, 1 / (1 + len(values)) + 1e-9)
            beyond[i] &= [j in found and found[j].p <= allowed for j in range(len(family))]
    return [bool(x) for x in beyond.mean(axis=0) > 0.5]


def detectable_values(family: Sequence[Claim], kinds: Sequence[Array]) -> list[float]:
    """Return the value of each claim that the tests of all kinds would detect with a power of 80 %."""
    values = np.array([claim.floor for claim in family])
    strongest = strengths(family, values[None])[0] if family else values
    for draws in kinds:
        columns = _with_values(draws)
        if not columns:
            continue
        part = [family[j] for j in columns]
        scaled = strengths(part, draws[:, columns])
        level = max(LEVEL, 1 / (1 + len(draws)) + 1e-9)
        needed = found_with_power(scaled, reached(part, draws[:, columns]), level)
        strongest[columns] = np.maximum(strongest[columns], needed)
    return [
        float(claim.detector.from_strength(s)) for claim, s in zip(family, strongest, strict=True)
    ]
