"""Statistics of the coordinates, layer by layer, beside random rotations of the same signals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ._layout import finished, panel_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..evidence._privileged import PrivilegedBasis
    from ._layout import Place

LABELS = ("kurtosis of the coordinates", "share of the largest coordinate")
LEVEL = 0.05


def privileged_basis_figure(found: PrivilegedBasis, *, ax: Place = None) -> Figure:
    """Draw kurtosis and largest share by place, with the range over random rotations.

    Parameters
    ----------
    found : PrivilegedBasis
        What :func:`descrambler.evidence.privileged_basis` returned.
    ax : Figure, SubFigure or Axes, optional
        Where to draw: 1 x 2 axes; a new figure otherwise.
    """
    figure, axes = panel_axes(ax, (1, 2), (9, 3.6))
    order = np.arange(len(found.places))
    for j, panel in enumerate(axes[0]):
        shown = np.vstack([found.values[None, :, j], found.draws[:, :, j]])
        if len(found.draws):
            low, high = found.draws[:, :, j].min(axis=0), found.draws[:, :, j].max(axis=0)
            panel.fill_between(order, low, high, color="0.75", label="random rotations (range)")
        panel.plot(order, found.values[:, j], color="0.4", lw=0.8)
        for mask, face, name in (
            (found.p[:, j] <= LEVEL, "#15529b", "p ≤ 0.05"),
            (found.p[:, j] > LEVEL, "white", "p > 0.05"),
        ):
            panel.plot(order[mask], found.values[mask, j], "o", mec="#15529b", mfc=face, label=name)
        panel.set_xticks(order, found.places, rotation=45, ha="right", fontsize=8)
        panel.set_ylabel(LABELS[j])
        if shown.max() > 10 * shown.min():
            panel.set_yscale("log")
    # Above the panel: within, it would cover points or their range.
    axes[0, 0].legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, fontsize=8, frameon=False)
    caption = f"{found.n} coordinates, {len(found.draws)} random rotations of the same signals; p over all places."
    return finished(ax, figure, caption)
