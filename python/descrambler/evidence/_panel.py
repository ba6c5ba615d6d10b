"""Several networks interpreted in the same way: how many of them have which verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy  # its submodules load at first use

from .._util.tables import html_table, text_table
from .._util.validate import Array
from ..network._network import Network
from ._interpretation import Interpretation
from ._telling import frame
from ._verdicts import ORDER, kind_of

if TYPE_CHECKING:
    import pandas


class PanelFinding(NamedTuple):
    """One claim in several networks.

    Attributes
    ----------
    what, where, unit : str
        As in a `Finding`.
    values : ndarray, shape (n,)
        Value per network; NaN where there is none.
    verdicts : tuple of str
        By network.
    """

    what: str
    where: str
    unit: str
    values: Array
    verdicts: tuple[str, ...]

    def count(self, kind: str) -> int:
        """Return in how many networks the claim is "learnt", "present", "explained by", ..."""
        return sum(kind_of(verdict) == kind for verdict in self.verdicts)

    def interval(self, kind: str) -> tuple[float, float]:
        """Return the 95 % confidence interval of the share of networks (Clopper and Pearson)."""
        test = scipy.stats.binomtest(self.count(kind), len(self.verdicts))
        found = test.proportion_ci()
        return float(found.low), float(found.high)

    @property
    def best(self) -> str:
        """The most favorable kind of verdict in any of the networks."""
        return next(word for word in ORDER if self.count(word))

    @property
    def interval_text(self) -> str:
        """The interval of the share of networks with the most favorable verdict, as text."""
        return "{:.0%} to {:.0%}".format(*self.interval(self.best))

    @property
    def sentence(self) -> str:
        """The most favorable verdict, and in how many networks it holds."""
        kind = self.best
        found = self.values[np.isfinite(self.values)]
        unit = f" {self.unit}" if self.unit else ""
        span = f"; values {found.min():.3g} to {found.max():.3g}{unit}" if found.size else ""
        return (
            f"{self.what}, {self.where}: {kind} in {self.count(kind)} of {len(self.verdicts)} "
            f"(95 %: {self.interval_text}){span}"
        )


@dataclass(frozen=True, eq=False)
class Panel:
    """Interpretations of several networks, on the same inputs.

    Attributes
    ----------
    interpretations : tuple of Interpretation
        In the order of the networks.
    """

    interpretations: tuple[Interpretation, ...]

    @property
    def findings(self) -> tuple[PanelFinding, ...]:
        """Every claim over the networks, those that are learnt most often first."""
        rows = [
            PanelFinding(
                first.what,
                first.where,
                first.unit,
                np.array([finding.value for finding in column]),
                tuple(finding.verdict for finding in column),
            )
            for column in zip(*(i.findings for i in self.interpretations), strict=True)
            for first in column[:1]
        ]
        return tuple(sorted(rows, key=lambda row: [-row.count(word) for word in ORDER]))

    def table(self) -> list[tuple[str, ...]]:
        """Return the counts as rows of text, the first of them the header.

        The last column is the 95 % interval of the share of networks with the most favorable verdict.
        """
        header = ("finding", "where", "values", *ORDER, "95 % of the most favorable")
        rows: list[tuple[str, ...]] = [header]
        for finding in self.findings:
            found = finding.values[np.isfinite(finding.values)]
            span = f"{found.min():.3g} to {found.max():.3g} {finding.unit}" if found.size else "-"
            counts = (str(finding.count(word)) for word in ORDER)
            rows.append(
                (
                    finding.what,
                    finding.where,
                    span.strip(),
                    *counts,
                    f"{finding.best}: {finding.interval_text}",
                )
            )
        return rows

    def _headline(self) -> str:
        doubted = sum(bool(each.doubt) for each in self.interpretations)
        note = f"; {doubted} of them do not seem to do the task of the targets" if doubted else ""
        return f"{len(self.interpretations)} networks{note}; number of networks by verdict, for each claim"

    def summary(self) -> str:
        """Return in how many networks each claim is learnt, present or explained: a sentence per line."""
        there = [f.sentence for f in self.findings if any(map(f.count, ORDER[:3]))]
        return "\n".join([f"{self._headline()}.", *(f"{sentence}." for sentence in there)])

    def to_dataframe(self) -> pandas.DataFrame:
        """Return the counts as a pandas DataFrame: a row for each claim, a column for each verdict.

        Raises
        ------
        MissingExtraError
            Without pandas, the extra "pandas".
        """
        table = frame(self.findings, ("what", "where", "unit", "values", "verdicts"))
        for word in ORDER:
            table[word] = [finding.count(word) for finding in self.findings]
        return table

    def __str__(self) -> str:
        return "\n".join([self._headline(), *text_table(self.table())])

    def __repr__(self) -> str:
        return f"Panel of {len(self.interpretations)} interpretations"

    def _repr_html_(self) -> str:
        return html_table(self.table(), self._headline())


def interpret_each(
    interpret: Callable[..., Interpretation],
    networks: Sequence[Network],
    initial: Any,
    controls: Any,
    options: Mapping[str, Any],
) -> Panel:
    """Interpret every network; `initial` and `controls` are shared, or sequences with one for each.

    Raises
    ------
    TypeError, ValueError
        If there is no network, the networks differ in shape, or a sequence has another length.
    """
    given = tuple(networks)
    if not given:
        raise ValueError("network must not be an empty list")
    for network in given:
        if not isinstance(network, Network):
            raise TypeError(
                f"network must be a Network or a list of them, got {type(network).__name__}"
            )
    shapes = {tuple(x.weight.shape for x in network.linears) for network in given}
    if len(shapes) > 1:
        raise ValueError(f"networks must have layers of the same shapes, got {sorted(shapes)}")
    starts = _one_each("initial", initial, len(given))
    controls_of = _one_each("controls", controls, len(given))
    return Panel(
        tuple(
            interpret(network, initial=start, controls=own, **options)
            for network, start, own in zip(given, starts, controls_of, strict=True)
        )
    )


def _one_each(name: str, value: Any, count: int) -> list[Any]:
    if not isinstance(value, list | tuple):
        return [value] * count
    if len(value) != count:
        raise ValueError(
            f"{name} must be shared, or one for each of {count} networks, got {len(value)}"
        )
    return list(value)
