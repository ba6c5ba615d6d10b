"""An interpretation in plain sentences, and as columns for a data frame."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from .._util.validate import require_extra
from ..axis import Axis
from ._findings import Finding, counts
from ._verdicts import LEARNT, NOT_FOUND, NOT_TESTABLE, ORDER, PRESENT, kind_of, label

if TYPE_CHECKING:
    import pandas

    from ._interpretation import Interpretation

ABSENT = (NOT_FOUND, NOT_TESTABLE)

COLUMNS = (
    *("what", "where", "verdict", "value", "unit", "threshold", "margin", "strongest", "effect"),
    *("p", "p_floor", "n_draws", "rotation_matters", "detectable", "used", "sentence"),
)
"""Columns of a data frame of findings."""


def headline(result: Interpretation) -> str:
    """Return how many claims have which verdict, and against what, in a sentence."""
    words = ", ".join(
        f"{n} {word.removesuffix(' by')}" for word, n in counts(result.findings).items() if n
    )
    doubt = f". Nothing is called learnt: {result.doubt}" if result.doubt else ""
    return (
        f"{len(result.findings)} claims: {words or 'none'}. Up to {result.n_nulls} draws of each of "
        f"{len(result.kinds)} null kinds, {_controls(result)}, all on the same {result.n_null_inputs} inputs; p "
        f"corrected for the family{doubt}"
    )


def _controls(result: Interpretation) -> str:
    if not result.n_controls:
        return "no trained controls"
    return ", ".join(f"{n} controls ({label(kind)})" for kind, n in result.n_controls.items())


def description(result: Interpretation) -> str:
    """Return what the network takes and gives, and its layers, in a sentence."""
    network, axes = result.study.network, result.axes
    widths = [network.n_in, *(linear.n_out for linear in network.linears)]
    return (
        f"The network takes {network.n_in} values{_along(axes.inputs, network.n_in)} and gives "
        f"{network.n_out}{_along(axes.outputs, network.n_out)}; its {network.n_linear} linear layers are "
        f"{'-'.join(map(str, widths))}."
    )


def _along(axis: Axis, n: int) -> str:
    if axis.name in ("input index", "output index"):
        return ""
    if axis.stop is None or n < 2:
        return f" ({axis.name})"
    unit = f" {axis.unit}" if axis.unit else ""
    ends = [f"{float(f'{end:.4g}'):g}" for end in (axis.start, axis.stop)]
    return f" ({axis.name}, {ends[0]} to {ends[1]}{unit})"


def told(finding: Finding) -> str:
    """Return a finding that is there as one plain sentence: the verdict, then what was seen."""
    if finding.verdict == LEARNT:
        start = "Learnt"
    elif finding.verdict == PRESENT:
        known = " and controls" if finding.controls else "; no trained controls were given"
        start = f"Present, beyond every null{known}"
    else:
        start = f"There, but {finding.verdict}"
    return f"{start}: {finding.statement}."


def sentences(result: Interpretation) -> list[str]:
    """Return the claims that are there as sentences: learnt, present, explained."""
    there = [f for f in result.findings if kind_of(f.verdict) not in ABSENT]
    return [told(finding) for finding in sorted(there, key=_rank)]


def _rank(finding: Finding) -> int:
    return ORDER.index(kind_of(finding.verdict))


def absent(result: Interpretation) -> list[str]:
    """Return a sentence each on what was not found, and on what could not be tested."""
    lines = []
    for word in ABSENT:
        names = [f"{f.what} ({f.where})" for f in result.findings if f.verdict == word]
        if names:
            lines.append(f"{word.capitalize()}: {', '.join(names)}.")
    return lines


def summary(result: Interpretation) -> str:
    """Return the interpretation in plain sentences, one per line."""
    found = sentences(result) or ["Nothing is learnt, present or explained by a null."]
    return "\n".join([description(result), *found, *absent(result), f"{headline(result)}."])


def frame(rows: Iterable[Any], columns: Sequence[str]) -> pandas.DataFrame:
    """Return a row for each object, with its attributes in the columns.

    Raises
    ------
    MissingExtraError
        Without pandas.
    """
    pd = require_extra("pandas", "pandas", "to_dataframe")
    table: pandas.DataFrame = pd.DataFrame(
        [{name: getattr(row, name) for name in columns} for row in rows], columns=list(columns)
    )
    return table
