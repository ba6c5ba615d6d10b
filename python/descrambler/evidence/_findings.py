"""Findings: measured values, what nulls and controls make of them, and a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._util.tables import brief
from .._util.validate import Array
from ._claims import Claim, reached, strengths
from ._significance import found_with_power, step_down_max_t, student_t
from ._study import Study
from ._verdicts import (
    LEVEL,
    NOT_FOUND,
    NOT_TESTABLE,
    ORDER,
    TRUE,
    KindSummary,
    decide,
    kind_of,
    label,
    p_text,
)
from .detectors import Axes
from .nulls import Null


@brief
@dataclass(frozen=True, eq=False)
class Finding:
    """One claim, its value, and what became of it.

    Attributes
    ----------
    what : str
        Name of the detector.
    where : str
        "network" (its mean Jacobian) or "layer k".
    value : float
        In `unit`; NaN where there is none.
    unit : str
    rotation_matters : bool
        Whether the value depends on the descrambling rotation P.
    threshold : float
        What the value must reach for the feature to be there at all.
    margin : float
        How far it must be from the mean of every null.
    nulls : mapping of str to KindSummary
        By null kind.
    controls : mapping of str to KindSummary
        By kind of trained controls: "once", "anew", or your own names.
    strongest : str
        The null or the controls that decided the verdict: the one that comes closest, by p and among equals
        by effect. Empty where none applies.
    effect, p : float
        Of the strongest. Each p is corrected for the whole family of claims.
    p_floor : float
        Smallest p that so many draws can give.
    n_draws : int
        Draws of the strongest.
    verdict : str
        "learnt", "present", "explained by ..." (what decided), "not found" or "not testable".
    detectable : float
        Value that would be found with a power of 80 %, were the scatter that of the draws.
    sentence : str
    used : str
        What the loss does when the feature is removed, and when as much is removed at random; empty
        where no targets were given or the feature cannot be removed.
    """

    what: str
    where: str
    value: float
    unit: str
    rotation_matters: bool
    threshold: float
    margin: float
    nulls: Mapping[str, KindSummary]
    controls: Mapping[str, KindSummary]
    strongest: str
    effect: float
    p: float
    p_floor: float
    n_draws: int
    verdict: str
    detectable: float
    sentence: str
    used: str = ""

    @property
    def decisive(self) -> KindSummary | None:
        """The comparison that decided the verdict."""
        named = {**self.nulls, **{label(kind): c for kind, c in self.controls.items()}}
        return named.get(self.strongest)

    @property
    def p_text(self) -> str:
        """P as a reader should see it: with ``<=`` where more draws might make it smaller."""
        return "-" if np.isnan(self.p) else p_text(self.p, self.p_floor)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain lists, numbers and strings, for JSON; NaN stays."""
        plain: dict[str, Any] = {name: getattr(self, name) for name in self.__dataclass_fields__}
        for name in ("nulls", "controls"):
            plain[name] = {
                kind: {**c._asdict(), "values": list(c.values)} for kind, c in plain[name].items()
            }
        return plain


def judge(
    study: Study,
    family: Sequence[Claim],
    observed: Array,
    draws: Mapping[Null, Array],
    controls: Mapping[str, Array],
    axes: Axes,
    recipe: str = "",
) -> tuple[Finding, ...]:
    """Turn values, their null draws and their controls into findings.

    A row of values is a network, a column a claim; NaN where a claim has no value or a null does not
    apply. The controls of the kind "true" were trained on the true targets; `recipe` says in what the
    recipe of the controls differs from the network's.
    """
    true = controls.get(TRUE)
    kinds = {kind: values for kind, values in controls.items() if kind != TRUE}
    by_null = {null.name: compared(family, observed, v) for null, v in draws.items()}
    by_control = {kind: compared(family, observed, v) for kind, v in kinds.items()}
    shown = None if true is None else _shown(family, true, kinds)
    needed = _detectable(family, [*draws.values(), *kinds.values()])
    return tuple(
        _finding(
            study,
            claim,
            float(observed[j]),
            {name: found[j] for name, found in by_null.items() if j in found},
            {name: found[j] for name, found in by_control.items() if j in found},
            None if shown is None else shown[j],
            recipe,
            needed[j],
            axes,
        )
        for j, claim in enumerate(family)
    )


def compared(family: Sequence[Claim], observed: Array, draws: Array) -> dict[int, KindSummary]:
    """Hold values against draws of one kind by the max-T test with floors; by column.

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
    found = {}
    for place, j in enumerate(columns):
        size = family[j].detector.size(draws[:, j])
        found[j] = KindSummary(
            float(np.nanmean(size)),
            float(np.nanstd(size)),
            float(t[place]),
            float(p[place]),
            len(draws),
            tuple(draws[:, j].tolist()),
        )
    return found


def _with_values(draws: Array) -> list[int]:
    """Columns in which at least one draw has a value."""
    return [int(j) for j in np.flatnonzero(np.isfinite(draws).any(axis=0))]


def _shown(family: Sequence[Claim], true: Array, controls: Mapping[str, Array]) -> list[bool]:
    """Which claims most networks trained on the true targets show, against every kind of controls."""
    beyond = reached(family, true)
    for values in controls.values():
        for i, row in enumerate(true):
            found = compared(family, row, values)
            allowed = max(LEVEL, 1 / (1 + len(values)) + 1e-9)
            beyond[i] &= [j in found and found[j].p <= allowed for j in range(len(family))]
    return [bool(x) for x in beyond.mean(axis=0) > 0.5]


def _detectable(family: Sequence[Claim], kinds: Sequence[Array]) -> list[float]:
    """Value of each claim that every kind's test would find with a power of 80 %."""
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


def _finding(
    study: Study,
    claim: Claim,
    value: float,
    nulls: dict[str, KindSummary],
    controls: dict[str, KindSummary],
    shown_by_true: bool | None,
    recipe: str,
    detectable: float,
    axes: Axes,
) -> Finding:
    detector = claim.detector
    text = f"{detector.name[0].upper()}{detector.name[1:]}, {claim.where}"
    word, strongest, decisive = NOT_TESTABLE, "", None
    ending = claim.barred or detector.missing
    if np.isfinite(value) and not (nulls or controls):
        ending = "no null was drawn that applies"
    elif np.isfinite(value):
        decision = decide(detector, value, claim.floor, nulls, controls, shown_by_true, recipe)
        word, strongest = decision.word, decision.decided_by
        decisive = (nulls | {label(kind): c for kind, c in controls.items()})[strongest]
        text = detector.sentence(study, claim.layer, axes)
        ending = _ending(claim, word, decision.note, decisive, strongest, detectable)
    return Finding(
        what=detector.name,
        where=claim.where,
        value=value,
        unit=detector.unit,
        rotation_matters=detector.rotation_matters,
        threshold=claim.floor,
        margin=detector.margin,
        nulls=nulls,
        controls=controls,
        strongest=strongest,
        effect=float("nan") if decisive is None else decisive.effect,
        p=float("nan") if decisive is None else decisive.p,
        p_floor=float("nan") if decisive is None else decisive.p_floor,
        n_draws=0 if decisive is None else decisive.n,
        verdict=word,
        detectable=float("nan") if decisive is None else detectable,
        sentence=f"{text}: {word} ({ending}).",
    )


def _ending(
    claim: Claim, word: str, note: str, decisive: KindSummary, name: str, detectable: float
) -> str:
    unit = f" {claim.detector.unit}" if claim.detector.unit else ""
    against = f"{name} {decisive.mean:.3g} ± {decisive.sd:.2g}{unit}"
    if word == NOT_FOUND:
        bound = "at most" if claim.detector.tail == "lower" else "at least"
        return (
            f"{bound} {claim.floor:.3g}{unit} would count, and {detectable:.3g}{unit} would be found with a "
            f"power of 80 %; {against}"
        )
    parts = [note] if note else []
    t = f"t = {decisive.effect:.1f}"
    return "; ".join([*parts, f"closest: {against}, {t}", f"p {_equal(decisive)}"])


def _equal(decisive: KindSummary) -> str:
    text = p_text(decisive.p, decisive.p_floor)
    return text if text.startswith("<") else f"= {text}"


def ordered(findings: Sequence[Finding]) -> list[Finding]:
    """Sort findings: learnt first, then present, explained, not found, not testable.

    The inverse of a reference map leads the table.
    """
    ranks = {word: rank for rank, word in enumerate(ORDER)}
    return sorted(
        findings,
        key=lambda finding: (
            finding.what != "inverse of the reference",
            ranks[kind_of(finding.verdict)],
        ),
    )


def counts(findings: Sequence[Finding]) -> dict[str, int]:
    """Return the number of findings of each kind of verdict, in the order of `ORDER`."""
    kinds = [kind_of(finding.verdict) for finding in findings]
    return {word: kinds.count(word) for word in ORDER}
