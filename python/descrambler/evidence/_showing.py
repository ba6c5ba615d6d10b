"""How an interpretation shows itself: a table, sentences, a data frame, pictures."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any, cast

from .._util.platform.console import shown
from .._util.tables import html_table, text_table
from .._util.validate import choice
from ._findings import Finding, ordered
from ._table import rows
from ._telling import ABSENT, COLUMNS, absent, frame, headline, summary
from ._verdicts import kind_of

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

    from ._interpretation import Interpretation


class Showing:
    """The part of an interpretation that a reader looks at."""

    @property
    def _whole(self) -> Interpretation:
        return cast("Interpretation", self)

    def table(self) -> list[tuple[str, ...]]:
        """Return the findings as rows of text, the first of them the header."""
        return rows(ordered(self._whole.findings))

    def __str__(self) -> str:
        return "\n".join([shown(headline(self._whole)), *text_table(self._whole.table())])

    def _repr_html_(self) -> str:
        there = [f for f in ordered(self._whole.findings) if kind_of(f.verdict) not in ABSENT]
        rest = "".join(f"<p>{html.escape(line)}</p>" for line in absent(self._whole))
        return html_table(rows(there), headline(self._whole)) + rest

    def summary(self) -> str:
        """Return what the network takes and gives, and what is learnt, present or explained.

        Plain sentences, one per line; what was not found and what could not be tested comes last.
        """
        return shown(summary(self._whole))

    def finding(self, what: str, where: str | None = None) -> Finding:
        """Return the finding of this name, as in the table.

        Parameters
        ----------
        what : str
            Such as "low-pass".
        where : str, optional
            Such as "layer 1" or "network", where a claim is measured at several places.

        Raises
        ------
        ValueError
            If there is no such finding, or there are several.
        """
        choice("what", what, tuple(dict.fromkeys(finding.what for finding in self._whole.findings)))
        found = [finding for finding in self._whole.findings if finding.what == what]
        places = tuple(finding.where for finding in found)
        if where is None and len(found) > 1:
            raise ValueError(f"where must be one of {', '.join(map(repr, places))}, got None")
        place = places[0] if where is None else choice("where", where, places)
        return found[places.index(place)]

    def to_dataframe(self) -> pandas.DataFrame:
        """Return the findings as a pandas DataFrame, in the order of the table.

        Raises
        ------
        MissingExtraError
            Without pandas, the extra "pandas".
        """
        return frame(ordered(self._whole.findings), COLUMNS)

    def plot(self, what: str | None = None, *, ax: Any = None) -> Figure:
        """Draw one picture, the trained network beside a null.

        Parameters
        ----------
        what : str, optional
            "response" (the frequencies that the network passes), "jacobian" (which input moves which
            output), "layer1", ..., or the last layer's "layer3_structure", say. By default the response,
            or the Jacobian where the inputs have no order.
        ax : Figure, SubFigure or Axes, optional
            Where to; a new pyplot figure otherwise.

        Returns
        -------
        Figure

        Raises
        ------
        ValueError
            If there is no such picture; the message has their names.
        """
        from ..report import plot_interpretation  # a facade, as `report`

        return plot_interpretation(self._whole, what, ax=ax)
