"""Findings as rows of a table, and as columns of arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ._findings import Finding
from ._verdicts import KindSummary, t_text

HEADER = (
    "finding",
    "where",
    "P matters",
    "value",
    "threshold",
    "closest null or controls",
    "t",
    "p",
)


def rows(findings: Sequence[Finding]) -> list[tuple[str, ...]]:
    """Return the findings as rows of text, the header first; with the losses where targets were given."""
    if not any(finding.used for finding in findings):
        return [(*HEADER, "verdict"), *((*_row(f), f.verdict) for f in findings)]
    header = (*HEADER, "used", "verdict")
    return [header, *((*_row(f), f.used or "-", f.verdict) for f in findings)]


def columns_of(name: str, comparisons: Sequence[KindSummary | None]) -> dict[str, ArrayLike]:
    """Arrays of one null kind or one kind of controls: a row for each finding."""
    arrays: dict[str, ArrayLike] = {}
    for key in ("mean", "sd", "effect", "p", "n"):
        arrays[f"{name}.{key}"] = np.array(
            [np.nan if c is None else getattr(c, key) for c in comparisons]
        )
    most = max((c.n for c in comparisons if c is not None), default=0)
    values = np.full((len(comparisons), most), np.nan)
    for row, comparison in zip(values, comparisons, strict=True):
        if comparison is not None:
            row[: comparison.n] = comparison.values
    return arrays | {f"{name}.values": values}


def _row(finding: Finding) -> tuple[str, ...]:
    unit = f" {finding.unit}" if finding.unit else ""
    sure = f" ± {finding.uncertainty:.2g}" if finding.uncertainty > 0 else ""
    start = (finding.what, finding.where, "yes" if finding.rotation_matters else "no")
    null = finding.decisive
    if null is None:
        return (*start, "-", "-", "-", "-", "-")
    return (
        *start,
        f"{finding.value + 0.0:.3g}{sure}{unit}",
        f"{finding.threshold:.3g}{unit}",
        f"{finding.strongest} {null.mean:.3g} ± {null.sd:.2g}",
        t_text(finding.effect),
        finding.p_text,
    )
