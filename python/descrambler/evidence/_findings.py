"""Findings: measured values, what nulls make of them, and a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .._util.tables import brief
from .._util.validate import Array
from ..network._network import Network
from ._significance import step_down_max_t
from ._study import Study
from .detectors import Axes, Detector
from .nulls import Null

LEVEL = 0.05
"""Family-wise error at which a finding is supported."""

SUPPORTED = "supported"
NOT_FOUND = "not found"
NOT_TESTABLE = "not testable"
EXPLAINED = "explained by "


class Claim(NamedTuple):
    """A detector at one place of a network: layer k, or 0 for the network as a whole.

    `barred` says why it is not to be measured there, empty where it is.
    """

    detector: Detector
    layer: int
    barred: str = ""

    @property
    def where(self) -> str:
        """Name of the place."""
        return f"layer {self.layer}" if self.layer else "network"


class NullSummary(NamedTuple):
    """What one kind of null made of one statistic.

    Attributes
    ----------
    mean, sd : float
        Of the draws.
    effect : float
        Distance of the value from the mean, in the direction that counts, in units of sd.
    p : float
        Corrected for the whole family.
    """

    mean: float
    sd: float
    effect: float
    p: float


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
    nulls : mapping of str to NullSummary
        By null kind.
    strongest : str
        Null kind with the largest p and, among equals, the smallest effect; empty where none applies.
    effect, p : float
        Of the strongest null. Each p is corrected for the whole family of claims.
    verdict : str
        "supported", "explained by ..." (the null that comes closest), "not found" or "not testable".
    sentence : str
    """

    what: str
    where: str
    value: float
    unit: str
    rotation_matters: bool
    nulls: Mapping[str, NullSummary]
    strongest: str
    effect: float
    p: float
    verdict: str
    sentence: str


def claims(network: Network, detectors: Sequence[Detector], axes: Axes) -> tuple[Claim, ...]:
    """Return every detector at every place of the network that it applies to."""
    return tuple(
        Claim(d, layer, d.barred_by(axes)) for d in detectors for layer in d.places(network)
    )


def measure(study: Study, family: Sequence[Claim], null: Null | None = None) -> Array:
    """Values of the claims, NaN where there is none or the null does not apply, shape (d,)."""
    values = np.full(len(family), np.nan)
    for index, (detector, layer, barred) in enumerate(family):
        if barred or (layer and not study.raw(layer).any()):
            continue  # nothing can be said of zeros
        if null is None or not detector.reason_against(null):
            values[index] = detector.statistic(study, layer)
    return values


def judge(
    study: Study,
    family: Sequence[Claim],
    observed: Array,
    draws: Mapping[Null, Array],
    axes: Axes,
) -> tuple[Finding, ...]:
    """Turn values and their null draws into findings.

    Parameters
    ----------
    study : Study
        What the values were measured on.
    family : sequence of Claim
    observed : ndarray, shape (d,)
    draws : mapping of Null to ndarray, shape (n, d)
        NaN in the columns of claims to which the null does not apply.
    axes : Axes
    """
    summaries: list[dict[str, NullSummary]] = [{} for _ in family]
    for null, values in draws.items():
        columns = [
            j
            for j, claim in enumerate(family)
            if np.isfinite(observed[j]) and not claim.detector.reason_against(null)
        ]
        if columns:
            for j, summary in zip(
                columns, _summaries(family, observed, values, columns), strict=True
            ):
                summaries[j][null.name] = summary
    return tuple(
        _finding(study, claim, float(value), nulls, axes)
        for claim, value, nulls in zip(family, observed, summaries, strict=True)
    )


def _summaries(
    family: Sequence[Claim], observed: Array, draws: Array, columns: list[int]
) -> list[NullSummary]:
    sign = np.array([family[j].detector.sign for j in columns])
    value, null = sign * observed[columns], sign * draws[:, columns]
    # A draw without a value cannot be told from an extreme one.
    null = np.where(
        np.isfinite(null), null, np.maximum(value, np.nanmax(null, axis=0, initial=-np.inf))
    )
    p = step_down_max_t(value, null)
    mean, sd = null.mean(axis=0), null.std(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        effect = np.where(value == mean, 0.0, (value - mean) / sd)
    return [
        NullSummary(float(s * m), float(d), float(e), float(q))
        for s, m, d, e, q in zip(sign, mean, sd, effect, p, strict=True)
    ]


def _finding(
    study: Study, claim: Claim, value: float, nulls: dict[str, NullSummary], axes: Axes
) -> Finding:
    detector = claim.detector
    strongest, effect, p = "", float("nan"), float("nan")
    text = f"{detector.name[0].upper()}{detector.name[1:]}, {claim.where}"
    verdict, ending = NOT_TESTABLE, claim.barred or detector.missing
    if nulls:
        strongest = max(nulls, key=lambda name: (nulls[name].p, -nulls[name].effect))
        effect, p = nulls[strongest].effect, nulls[strongest].p
        verdict = _verdict(detector, value, strongest, nulls)
        ending = f"{_ending(detector, verdict, nulls[strongest], strongest)}; p = {p:.2g}"
        text = detector.sentence(study, claim.layer, axes)
    return Finding(
        what=detector.name,
        where=claim.where,
        value=value,
        unit=detector.unit,
        rotation_matters=detector.rotation_matters,
        nulls=nulls,
        strongest=strongest,
        effect=effect,
        p=p,
        verdict=verdict,
        sentence=f"{text}: {verdict} ({ending}).",
    )


def _verdict(
    detector: Detector, value: float, strongest: str, nulls: Mapping[str, NullSummary]
) -> str:
    sign = detector.sign
    if sign * value < sign * detector.floor:
        return NOT_FOUND
    nearest = max(nulls, key=lambda name: sign * nulls[name].mean)
    if sign * (value - nulls[nearest].mean) < detector.margin:
        return EXPLAINED + nearest
    return SUPPORTED if nulls[strongest].p <= LEVEL else EXPLAINED + strongest


def _ending(detector: Detector, verdict: str, null: NullSummary, name: str) -> str:
    unit = f" {detector.unit}" if detector.unit else ""
    against = f"{name} {null.mean:.3g} ± {null.sd:.2g}{unit}"
    if verdict == NOT_FOUND:
        bound = "at least" if detector.tail == "upper" else "at most"
        return f"{bound} {detector.floor:g}{unit} would count; {against}"
    return f"strongest null: {against}"


def ordered(findings: Sequence[Finding]) -> list[Finding]:
    """Sort findings: supported first, then explained, not found, not testable."""
    ranks = {SUPPORTED: 0, NOT_FOUND: 2, NOT_TESTABLE: 3}
    return sorted(findings, key=lambda finding: ranks.get(finding.verdict, 1))
