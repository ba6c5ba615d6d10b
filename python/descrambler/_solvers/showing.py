"""How a result shows itself beside its table: pictures, a data frame, sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from .._util.validate import require_extra

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes

    from .result import Descrambling


class Showing:
    """The part of a result that a reader looks at."""

    @property
    def _whole(self) -> Descrambling:
        return cast("Descrambling", self)

    def plot(self, what: str | None = None, *, ax: Axes | None = None) -> Axes:
        """Draw the link modes of the signals, or the rotation.

        Parameters
        ----------
        what : {"modes", "rotation"}, optional
            "modes": the eigenvalues of the Gram matrix, resolved modes filled; "rotation": P. By default
            the modes where there are any.
        ax : matplotlib Axes, optional
            Where to; a new pyplot figure otherwise.

        Returns
        -------
        matplotlib Axes
        """
        from ..report import plot_result  # a facade: the picture is drawn by a room above

        return plot_result(self._whole, what, ax=ax)

    def to_dataframe(self) -> pandas.DataFrame:
        """Return the status table as a pandas DataFrame: names and values, as printed.

        Raises
        ------
        MissingExtraError
            Without pandas, the extra "pandas".
        """
        pd = require_extra("pandas", "pandas", "to_dataframe")
        table: pandas.DataFrame = pd.DataFrame(self._whole.table(), columns=["name", "value"])
        return table

    def summary(self) -> str:
        """Return in plain sentences how good the rotation is, and how much of it the inputs determine."""
        known = {
            "certified": "This is the optimum: the gap to a proven bound is rounding.",
            "local": "No small step improves it, but a better rotation may exist.",
            "unknown": "Nothing is proven about how good it is.",
        }
        n = self._whole.rotation.n
        lines = [
            f"{n} units were rotated for {self._whole.criterion}; method: {self._whole.method}.",
            known[self._whole.optimality],
        ]
        if self._whole.eigenvalues is not None:
            lines += [
                f"The inputs determine {int(self._whole.resolved.sum())} of {n} link modes; do not read the others."
            ]
        if not self._whole.converged:
            lines += [f"It stopped early: {self._whole.message}."]
        return "\n".join(lines)


def gap_text(result: Descrambling) -> str:
    """Return the gap; where it counts as zero, also by how much rounding moved the objective from the bound."""
    if result.gap:
        return f"{result.gap:.1e} ({result.optimality})"
    apart = abs(result.objective - result.bound)
    moved = f"; rounding: {apart / abs(result.bound):.1e}" if apart and result.bound else ""
    return f"0 ({result.optimality}{moved})"


def excess_text(result: Descrambling) -> str:
    """Return by how much P may miss the optimum over all modes, also as a part of the objective before."""
    text = f"{result.excess_bound:.3g} at most"
    before = result.initial_objective if result._knows("initial_objective") else 0.0
    return f"{text}, {result.excess_bound / abs(before):.1e} of that before" if before else text
