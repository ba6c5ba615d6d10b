"""Picture of an alignment: R^2 per mode, beside shuffled rows and the untrained pair."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._layout import new_axes, root

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..evidence._alignment import Alignment

LOWEST = -0.6


def alignment_figure(alignment: Alignment, *, ax: Axes | None = None) -> Figure:
    """Draw held-out R^2 per mode of a, with shuffled rows and, if given, the untrained pair.

    Parameters
    ----------
    alignment : Alignment
        What :func:`descrambler.align` returned.
    ax : Axes, optional
        Axes to draw into; a new figure otherwise.
    """
    panel = new_axes(6.4, 3.8) if ax is None else ax
    order = np.arange(1, alignment.n_a + 1)
    if len(alignment.null_modes):
        low, high = np.quantile(alignment.null_modes, [0, 1], axis=0)
        panel.fill_between(
            order, np.maximum(low, LOWEST), np.maximum(high, LOWEST), color="0.8", lw=0,
            label="shuffled rows (range of draws)",
        )  # fmt: skip
    if alignment.untrained_modes is not None:
        panel.plot(
            order, alignment.untrained_modes, color="#db6d00", lw=1.2, label="untrained pair"
        )
    shared = alignment.shared
    panel.plot(order, alignment.modes, color="0.4", lw=0.8)
    for mask, face, name in (
        (shared, "#15529b", "shared (p ≤ 0.05)"),
        (np.logical_not(shared), "white", "not shared"),
    ):
        panel.plot(
            order[mask], alignment.modes[mask], "o", ms=4, mec="#15529b", mfc=face, label=name
        )
    panel.axhline(0, color="black", lw=0.6)
    panel.set_ylim(LOWEST, 1.05)
    panel.set_xscale("log")
    panel.set(xlabel="principal axis of a, by falling variance", ylabel="held-out R²")
    panel.set_title(
        f"{alignment.group}: R² {alignment.r2:.3f}, chance {alignment.chance:.3f}, "
        f"{alignment.verdict}",
        fontsize=10,
    )
    panel.legend(fontsize=8, loc="best")
    return root(panel)
