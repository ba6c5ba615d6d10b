"""The verdict on an alignment: its R^2 beside shuffled rows, random P and the untrained pair."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from .._geometry.rotation import Rotation
from .._util.validate import Array
from ._align_scores import Scores
from ._alignment import SHUFFLED, UNTRAINED, Alignment
from ._significance import step_down_max_t, student_t
from ._verdicts import (
    EXPLAINED,
    LEAST_CONTROLS,
    LEVEL,
    NOT_FOUND,
    NOT_TESTABLE,
    PRESENT,
    KindSummary,
)

MARGIN = 0.05
"""By which R^2 must exceed every null and the untrained pair."""

NullScores: TypeAlias = Mapping[str, list[Scores]]


def judged(
    *,
    scores: Scores,
    draws: NullScores,
    untrained: Scores | None,
    variances: Array,
    distances: tuple[float, float | None],
    rotation: Rotation,
    scale: float,
    shift: Array,
    group: str,
    n_a: int,
    n_b: int,
    count: int,
    center: bool,
    objective: float,
    bound: float,
    ceiling: float,
    unaligned: float | None,
) -> Alignment:
    """Return the alignment with the verdict on its scores."""
    nulls = {name: _compared(scores.total, found) for name, found in draws.items() if found}
    null_modes = np.array([draw.modes for draw in draws[SHUFFLED]]).reshape(-1, n_a)
    before = None if untrained is None else untrained.total
    verdict, note = _verdict(scores.total, nulls, before)
    return Alignment(
        rotation=rotation,
        scale=scale,
        shift=shift,
        group=group,
        n_a=n_a,
        n_b=n_b,
        count=count,
        center=center,
        objective=objective,
        bound=bound,
        r2=scores.total,
        unaligned=unaligned,
        ceiling=ceiling,
        modes=scores.modes,
        share=variances / variances.sum(),
        modes_p=_modes_p(scores.modes, null_modes),
        distance=distances[0],
        distance_before=distances[1],
        nulls=MappingProxyType(nulls),
        null_modes=null_modes,
        untrained=before,
        untrained_modes=None if untrained is None else untrained.modes,
        verdict=verdict,
        note=note,
    )


def _compared(value: float, found: list[Scores]) -> KindSummary:
    draws = np.array([[draw.total] for draw in found])
    observed = np.array([value])
    p = float(step_down_max_t(observed, draws)[0])
    effect = float(student_t(observed, draws)[0])
    values = tuple(draws[:, 0].tolist())
    return KindSummary(float(draws.mean()), float(draws.std()), effect, p, len(draws), values)


def _modes_p(modes: Array, draws: Array) -> Array:
    p = np.ones(len(modes))
    known = np.isfinite(modes)
    if len(draws) and known.any():
        pooled = np.vstack([modes, draws])[:, known]
        p[known] = step_down_max_t(pooled[0], pooled[1:], pooled > 0)
    return p


def _verdict(
    value: float, nulls: Mapping[str, KindSummary], untrained: float | None
) -> tuple[str, str]:
    if value <= 0:
        return NOT_FOUND, "no better than the mean of a"
    for name, null in nulls.items():
        if null.n >= LEAST_CONTROLS and (null.p > LEVEL or value - null.mean < MARGIN):
            return EXPLAINED + name, ""
    if untrained is not None and value - untrained < MARGIN:
        return EXPLAINED + UNTRAINED, ""
    if any(null.n < LEAST_CONTROLS for null in nulls.values()) or not nulls:
        return NOT_TESTABLE, f"at least {LEAST_CONTROLS} nulls are needed"
    if untrained is None:
        return PRESENT, "beyond the nulls; no untrained pair was given"
    return PRESENT, "beyond the nulls and the untrained pair"
