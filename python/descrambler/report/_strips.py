"""Values of several networks, claim by claim, with their verdicts counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..evidence._panel import Panel, PanelFinding
from ..evidence._verdicts import ORDER, kind_of
from ..evidence.detectors import DETECTORS
from ._layout import finished, panel_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ._layout import Place

DOTS: dict[str, dict[str, Any]] = {
    "learnt": {"marker": "o", "mfc": "#15529b", "mec": "#15529b"},
    "present": {"marker": "o", "mfc": "#cfe2f7", "mec": "#15529b"},
    "explained by": {"marker": "s", "mfc": "#f5b24b", "mec": "#a86a08"},
    "not found": {"marker": "x", "mec": "0.35"},
    "not testable": {"marker": ".", "mec": "0.6"},
}
"""Shape and color of each kind of verdict: shapes tell them apart without color."""

TWO_SIDED = {detector.name for detector in DETECTORS if detector.tail == "both"}
"""Claims of which both signs count; nulls and thresholds are without sign."""


def panel_figure(panel: Panel, *, ax: Place = None) -> Figure:
    """Values of every claim over several networks as strips, the verdicts counted beside them.

    Parameters
    ----------
    panel : Panel
        What `interpret` returns for several networks.
    ax : Figure, SubFigure or Axes, optional
        Where to draw: one axes per claim that has a value; a new figure otherwise.

    Raises
    ------
    ValueError
        If no claim has a value in any of the networks.
    """
    rows = [row for row in panel.findings if np.isfinite(row.values).any()]
    if not rows:
        raise ValueError("panel must hold a claim with a value, and none has one")
    figure, axes = panel_axes(ax, (len(rows), 1), (9.6, 0.62 * len(rows) + 1.3))
    for row, strip in zip(rows, axes[:, 0], strict=True):
        _strip(strip, row, panel)
    kinds = [k for k in ORDER if any(row.count(k) for row in rows)]
    handles = [axes[0, 0].plot([], [], ls="none", ms=5, label=k, **DOTS[k])[0] for k in kinds]
    axes[0, 0].legend(
        handles=handles, ncols=len(kinds), frameon=False, fontsize=8, loc="lower left",
        bbox_to_anchor=(0, 1.0),
    )  # fmt: skip
    return finished(
        ax,
        figure,
        f"Values of {len(panel.interpretations)} networks, one mark per network, for every claim with a value. Dashed: "
        "what counts as the feature. Grey: mean ± one standard deviation of the null or the controls that decided, "
        "over all networks. On the right: the most favorable verdict, in how many networks, and the 95 % interval of "
        "that share (Clopper and Pearson).",
    )


def _strip(ax: Axes, row: PanelFinding, panel: Panel) -> None:
    """Draw one claim: networks spread a little up and down, in their order."""
    n = len(row.values)
    height = np.linspace(0.25, -0.25, n) if n > 1 else np.zeros(1)
    for value, place, verdict in zip(row.values, height, row.verdicts, strict=True):
        if np.isfinite(value):
            ax.plot(value, place, ls="none", ms=4.5, mew=1, **DOTS[kind_of(verdict)])
    own = [
        finding
        for result in panel.interpretations
        for finding in result.findings
        if (finding.what, finding.where) == (row.what, row.where)
    ]
    signed = any(value < 0 for value in row.values)
    for threshold in {f.threshold for f in own if np.isfinite(f.threshold)}:
        for side in (1, -1) if row.what in TWO_SIDED and signed else (1,):
            ax.axvline(side * threshold, color="0.3", lw=0.8, ls="--")
    spans = [
        (f.decisive.mean - f.decisive.sd, f.decisive.mean + f.decisive.sd)
        for f in own
        if f.decisive
    ]
    if spans:
        low, high = min(s[0] for s in spans), max(s[1] for s in spans)
        ax.axvspan(low, high, color="0.88", lw=0)
        if row.what in TWO_SIDED and signed:
            ax.axvspan(-high, -low, color="0.88", lw=0)
    kind = next(word for word in ORDER if row.count(word))
    least, most = row.interval(kind)
    unit = f" ({row.unit})" if row.unit else ""
    ax.set(ylim=(-0.5, 0.5), yticks=[])
    ax.tick_params(labelsize=7)
    ax.set_ylabel(
        f"{row.what}{unit},\n{row.where}", rotation=0, ha="right", va="center", fontsize=8
    )
    ax.annotate(
        f"{kind} in {row.count(kind)} of {n}\n({least:.0%} to {most:.0%})",
        (1.01, 0.5), xycoords="axes fraction", va="center", fontsize=8,
    )  # fmt: skip
    ax.spines[["top", "left", "right"]].set_visible(False)
