"""Findings: measured values, those of nulls and controls, and a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .._util.tables import brief
from .._util.validate import Array
from ._claims import Claim
from ._comparing import Evidence, Judgement, detectable_values, shown_by
from ._stability import STABLE, stability
from ._study import Study
from ._verdicts import (
    NOT_FOUND,
    NOT_TESTABLE,
    ORDER,
    TRUE,
    KindSummary,
    Verdict,
    kind_of,
    label,
    p_text,
    t_text,
)
from .detectors import Axes
from .nulls import Null


@brief
@dataclass(frozen=True, eq=False)
class Finding:
    """One claim, its value and its verdict.

    Attributes
    ----------
    what : str
        Name of the detector.
    where : str
        "network" (its mean Jacobian) or "layer k".
    value : float
        Value in `unit`; NaN if it cannot be measured.
    uncertainty : float
        Standard error due to the choice of the inputs: the r.m.s. change of the value on random halves.
    unit : str
    rotation_matters : bool
        Whether the value depends on the descrambling rotation P.
    threshold : float
        What the value must reach for the feature to count at all.
    margin : float
        Smallest distance from the mean of every null that counts.
    nulls : mapping of str to KindSummary
        By null kind.
    controls : mapping of str to KindSummary
        By kind of trained controls: "once", "anew", or your own names.
    strongest : str
        The null or the controls that decided the verdict: as a rule those with the largest p and, among
        equal p, the smallest effect. Empty if none applies.
    effect, p : float
        Effect size and p against that null. Each p is corrected for the whole family of claims.
    p_floor : float
        Smallest p that so many draws can give.
    n_draws : int
        Number of draws of that null.
    stability : float
        Share of resamplings (of the draws, and of the value within its uncertainty) that give the same
        kind of verdict. Below 0.9 `sentence` calls the verdict unstable.
    verdict : str
        "learnt", "present", "explained by ..." (what decided), "not found" or "not testable".
    detectable : float
        Value that would be detected with 80 % power if it scatters as the draws do.
    sentence : str
    statement : str
        The observation without the verdict: the first part of `sentence`.
    used : str
        Change of the loss without the feature, and without random parts of the same size. Empty if no
        targets were given or the feature cannot be removed.
    """

    what: str
    where: str
    value: float
    uncertainty: float
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
    stability: float
    verdict: str
    detectable: float
    sentence: str
    statement: str = ""
    used: str = ""

    @property
    def decisive(self) -> KindSummary | None:
        """The comparison that decided the verdict."""
        named = {**self.nulls, **{label(kind): c for kind, c in self.controls.items()}}
        return named.get(self.strongest)

    @property
    def p_text(self) -> str:
        """The p value as text: with ``<=`` if more draws might make it smaller."""
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
    places: Sequence[tuple[Study, Axes]],
    family: Sequence[Claim],
    observed: Array,
    draws: Mapping[Null, Array],
    controls: Mapping[str, Array],
    uncertainty: Array,
    rng: np.random.Generator,
    recipe: str = "",
    initial: Array | None = None,
    doubt: str = "",
) -> tuple[Finding, ...]:
    """Turn values, their null draws and their controls into findings.

    Rows of values are networks, columns are claims; NaN if a claim has no value or a null does not
    apply. The controls of the kind "true" were trained on the true targets; `recipe` is a difference
    between the recipes of the controls and of the network; `initial` holds the values of the network before
    training, shape (d,); `doubt` says why it does not seem to do its task. `uncertainty` is that of the values, shape
    (d,). `places` holds the study and the axes of each claim, for the sentence.
    """
    true = controls.get(TRUE)
    kinds = {kind: values for kind, values in controls.items() if kind != TRUE}
    shown = None if true is None else shown_by(family, true, kinds)
    by_name = {null.name: values for null, values in draws.items()}
    evidence = Evidence(family, by_name, kinds, shown, recipe, initial, doubt)
    judged = evidence.judge(observed)
    stable = stability(evidence, observed, uncertainty, judged, rng)
    needed = detectable_values(family, [*draws.values(), *kinds.values()])
    numbers = np.stack([observed, uncertainty, stable, needed], axis=1).tolist()
    return tuple(
        _finding(*place, claim, judgement, Numbers(*row))
        for place, claim, judgement, row in zip(places, family, judged, numbers, strict=True)
    )


class Numbers(NamedTuple):
    """The numbers of one claim; see `Finding`."""

    value: float
    uncertainty: float
    stability: float
    detectable: float


def _finding(
    study: Study, axes: Axes, claim: Claim, judgement: Judgement, numbers: Numbers
) -> Finding:
    detector = claim.detector
    text = f"{detector.name[0].upper()}{detector.name[1:]}, {claim.where}"
    word, strongest, decisive = NOT_TESTABLE, "", None
    ending = claim.barred or detector.missing
    verdict, known = judgement.verdict, np.isfinite(numbers.value)
    if known and verdict is None:
        ending = "no null was drawn that applies"
    elif known and verdict is not None:
        word, strongest = verdict.word, verdict.decided_by
        named = {label(kind): c for kind, c in judgement.controls.items()}
        decisive = (judgement.nulls | named)[strongest]
        text = detector.sentence(study, claim.layer, axes)
        ending = "; ".join(
            [
                _ending(claim, verdict, decisive, numbers.detectable),
                *_rests_on(study, claim, numbers),
            ]
        )
    return Finding(
        what=detector.name,
        where=claim.where,
        value=numbers.value,
        uncertainty=numbers.uncertainty,
        unit=detector.unit,
        rotation_matters=detector.rotation_matters,
        threshold=claim.floor,
        margin=detector.margin,
        nulls=judgement.nulls,
        controls=judgement.controls,
        strongest=strongest,
        effect=float("nan") if decisive is None else decisive.effect,
        p=float("nan") if decisive is None else decisive.p,
        p_floor=float("nan") if decisive is None else decisive.p_floor,
        n_draws=0 if decisive is None else decisive.n,
        stability=numbers.stability,
        verdict=word,
        detectable=float("nan") if decisive is None else numbers.detectable,
        sentence=f"{text}: {word} ({ending}).",
        statement=text,
    )


def _ending(claim: Claim, verdict: Verdict, decisive: KindSummary, detectable: float) -> str:
    unit = f" {claim.detector.unit}" if claim.detector.unit else ""
    against = f"{verdict.decided_by} {decisive.mean:.3g} ± {decisive.sd:.2g}{unit}"
    if verdict.word == NOT_FOUND:
        bound = "at most" if claim.detector.tail == "lower" else "at least"
        return (
            f"{bound} {claim.floor:.3g}{unit} would count, and {detectable:.3g}{unit} would be found with a "
            f"power of 80 %; {against}"
        )
    parts = [verdict.note] if verdict.note else []
    t = f"t = {t_text(decisive.effect)}"
    return "; ".join([*parts, f"closest: {against}, {t}", f"p {_equal(decisive)}"])


def _rests_on(study: Study, claim: Claim, numbers: Numbers) -> list[str]:
    """Return how many link modes a claim rests on, how certain its value is, and whether its verdict is stable."""
    unit = f" {claim.detector.unit}" if claim.detector.unit else ""
    said = [
        f"rests on {result.rotation.n} link modes, {result.resolved.sum()} of them resolved"
        for result in claim.detector.link_modes(study, claim.layer)
    ]
    if numbers.uncertainty > 0:
        said.append(f"other inputs may change the value by ± {numbers.uncertainty:.2g}{unit}")
    if numbers.stability < STABLE:
        said.append(
            f"unstable: {numbers.stability:.0%} of resampled nulls and inputs give this verdict"
        )
    return said


def _equal(decisive: KindSummary) -> str:
    text = p_text(decisive.p, decisive.p_floor)
    return text if text.startswith("<") else f"= {text}"


def ordered(findings: Sequence[Finding]) -> list[Finding]:
    """Sort findings: learnt first, then present, explained, not found, not testable.

    The inverse of a reference map leads the table, where a map was given.
    """
    ranks = {word: rank for rank, word in enumerate(ORDER)}
    return sorted(
        findings,
        key=lambda finding: (
            finding.what != "inverse of the reference" or finding.verdict == NOT_TESTABLE,
            ranks[kind_of(finding.verdict)],
        ),
    )


def counts(findings: Sequence[Finding]) -> dict[str, int]:
    """Return the number of findings of each kind of verdict, in the order of `ORDER`."""
    kinds = [kind_of(finding.verdict) for finding in findings]
    return {word: kinds.count(word) for word in ORDER}
