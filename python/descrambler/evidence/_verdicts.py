"""Verdicts: the words, their order, and the rule that leads to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .detectors import Detector

LEVEL = 0.05
"""Family-wise error of each null kind and each kind of controls."""

LEARNT = "learnt"
PRESENT = "present"
EXPLAINED = "explained by "
NOT_FOUND = "not found"
NOT_TESTABLE = "not testable"
ORDER = (LEARNT, PRESENT, EXPLAINED.strip(), NOT_FOUND, NOT_TESTABLE)
"""The kinds of verdict, in the order of tables and counts."""

REQUIRED = ("once", "anew")
"""The kinds of trained controls that `learnt` asks for: targets permuted once, and at every step."""
LEAST_CONTROLS = 19
"""Controls of a kind from which on its test can reach p = 0.05."""
TRUE = "true"
"""Networks trained on the true targets by the recipe of the controls."""

LABELS = {"once": "shuffled once", "anew": "shuffled anew"}
CULPRITS = {"once": "shuffled targets", "anew": "shuffled targets"}
RECIPE = "the recipe"
INITIAL = "the initial weights"


class KindSummary(NamedTuple):
    """One statistic among the draws of a null kind, or among the controls of a kind.

    Attributes
    ----------
    mean, sd : float
        Mean and standard deviation of the draws, in the unit of the value (absolute where both signs count).
    effect : float
        Student's t of the value among the draws, on the statistic's natural scale, in the direction that
        counts: an effect size.
    p : float
        Corrected for the whole family.
    n : int
        Number of draws.
    values : tuple of float
        Values of the n draws; NaN where a draw has none.
    """

    mean: float
    sd: float
    effect: float
    p: float
    n: int
    values: tuple[float, ...]

    @property
    def p_floor(self) -> float:
        """Smallest p that so many draws can give."""
        return 1 / (1 + self.n)


def t_text(t: float) -> str:
    """Return Student's t as text; beyond 9999 the draws hardly scatter, and its size means nothing."""
    return f"{t:.1f}" if not abs(t) >= 1e4 else "> 9999" if t > 0 else "< -9999"


def label(kind: str) -> str:
    """Return the name of a kind of controls in tables."""
    return LABELS.get(kind, kind)


class Verdict(NamedTuple):
    """A verdict, the null or the controls that decided it, and a note."""

    word: str
    decided_by: str
    note: str = ""

    def doubted(self, doubt: str) -> Verdict:
        """Return what is left of a verdict where there is doubt that the network does its task."""
        if not doubt or self.word not in (LEARNT, PRESENT):
            return self
        note = "; ".join(part for part in (self.note, doubt) if part)
        return Verdict(PRESENT, self.decided_by, note)


def kind_of(verdict: str) -> str:
    """Return the kind of a verdict, one of `ORDER`."""
    return ORDER[2] if verdict.startswith(ORDER[2]) else verdict


def p_text(p: float, p_floor: float) -> str:
    """Return p for a reader: ``<= 0.02`` where more draws might make it smaller."""
    return f"<= {p_floor:.2g}" if p <= p_floor * (1 + 1e-9) else f"{p:.2g}"


def decide(
    detector: Detector,
    value: float,
    floor: float,
    nulls: Mapping[str, KindSummary],
    controls: Mapping[str, KindSummary],
    shown_by_true: bool | None,
    recipe: str = "",
) -> Verdict:
    """Judge one value.

    Parameters
    ----------
    detector : Detector
    value, floor : float
    nulls : mapping of str to KindSummary
        The null kinds that apply.
    controls : mapping of str to KindSummary
        By the name of the kind.
    shown_by_true : bool or None
        Whether networks trained on the true targets by the controls' recipe show it; None without such
        networks.
    recipe : str
        A difference between the recipes of the controls and of the network; empty if none is known.
    """
    named = {label(kind): comparison for kind, comparison in controls.items()}
    strongest = _largest_p(nulls)
    if not detector.reaches(value, floor):
        return Verdict(NOT_FOUND, _largest_p({**nulls, **named}))
    counted = _counted(detector, nulls, controls)
    if counted:
        nearest = max(counted, key=lambda name: detector.sign * counted[name].mean)
        if detector.sign * (detector.size(value) - counted[nearest].mean) < detector.margin:
            return Verdict(EXPLAINED + nearest, nearest)
        strongest = _largest_p(counted)
        if counted[strongest].p > LEVEL:
            return Verdict(EXPLAINED + strongest, strongest)
    for kind, comparison in sorted(controls.items(), key=lambda item: -item[1].p):
        if comparison.p > max(LEVEL, comparison.p_floor * (1 + 1e-9)):
            return Verdict(EXPLAINED + CULPRITS.get(kind, kind), label(kind))
    if shown_by_true is False:
        return Verdict(EXPLAINED + RECIPE, _largest_p(counted | named))
    missing = [*_missing(controls), *([recipe] if recipe and controls else [])]
    if missing:
        return Verdict(PRESENT, _largest_p(counted | named), _beyond(controls, missing))
    return Verdict(LEARNT, _largest_p(counted | named))


def beyond_initial(detector: Detector, value: float, initial: float, verdict: Verdict) -> Verdict:
    """Take back a verdict where the network nearly had the value before training; NaN if that is not known.

    Null draws keep the singular values of the initial weights, but not the order of units in an identity, for one.
    """
    gained = detector.sign * (detector.size(value) - detector.size(initial))
    if verdict.word not in (LEARNT, PRESENT) or not gained < detector.margin:
        return verdict
    unit = f" {detector.unit}" if detector.unit else ""
    note = f"it was {initial:.3g}{unit} before training"
    return Verdict(EXPLAINED + INITIAL, verdict.decided_by, note)


def _counted(
    detector: Detector, nulls: Mapping[str, KindSummary], controls: Mapping[str, KindSummary]
) -> dict[str, KindSummary]:
    """Leave out the nulls that the controls stand in for."""
    if _missing(controls):
        return dict(nulls)
    return {name: null for name, null in nulls.items() if name not in detector.stand_in}


def _largest_p(comparisons: Mapping[str, KindSummary]) -> str:
    return max(
        comparisons,
        key=lambda name: (comparisons[name].p, -comparisons[name].effect),
        default="",
    )


def _missing(controls: Mapping[str, KindSummary]) -> list[str]:
    missing = []
    for kind in REQUIRED:
        if kind not in controls:
            missing.append(f"{kind} not given")
        elif controls[kind].n < LEAST_CONTROLS:
            missing.append(f"only {controls[kind].n} of {kind}, {LEAST_CONTROLS} needed")
    return missing


def _beyond(controls: Mapping[str, KindSummary], missing: Sequence[str]) -> str:
    passed = [label(kind) for kind in controls]
    if not passed:
        return "beyond the nulls; no controls were given"
    return "; ".join([f"beyond {' and '.join(passed)}", *missing])
