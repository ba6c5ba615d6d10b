"""The learning curve of a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..deer import TrainState
from .layout import new_axes, root

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def learning_curve(
    states: Sequence[TrainState], rivals: Mapping[str, float], *, ax: Axes | None = None
) -> Figure:
    """Draw the error against the steps, and the errors that the network has to beat.

    Parameters
    ----------
    states : sequence of TrainState
        What the callback of `train` was told.
    rivals : mapping of str to float
        Validation errors of predictions without a network, by name.
    ax : matplotlib Axes, optional
        Made, with its figure, where none is given.
    """
    ax = ax or new_axes(6.4, 4.0)
    step, loss, validation = np.array([(s.step, s.loss, s.validation) for s in states]).T
    validated = np.isfinite(validation)
    ax.semilogy(step, loss, color="0.65", lw=0.7, label="training, 128 steps each")
    ax.semilogy(step[validated], validation[validated], color="#15529b", lw=1.6, label="validation")
    for name, error in rivals.items():
        ax.axhline(error, color="black", lw=0.8, ls="--")
        ax.annotate(
            f"{name} {error:.3g}", (0.99, error), xycoords=("axes fraction", "data"),
            ha="right", va="bottom", fontsize=8,
        )  # fmt: skip
    ax.set(xlabel="step", ylabel="mean squared error", xlim=(0, step[-1]))
    ax.set_title(f"validation error at the end {validation[validated][-1]:.4g}", fontsize=10)
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_formatter("{x:g}")
    ax.tick_params(axis="y", which="minor", labelsize=7)
    ax.legend(frameon=False, loc="upper right", bbox_to_anchor=(1, 0.86))
    return root(ax)
