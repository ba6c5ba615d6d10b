"""The rational replica of DEERNet beside the network: the counterparts of the paper's Figs 5 and 6."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy  # its submodules load at first use

from .._validate import Array
from .colours import signed
from .layout import SIGNED_QUANTILE, finished, panel_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..deer import DeerData, Replica
    from .layout import Place

Predictor = Callable[[Array], Array]

STYLES: dict[str, Any] = {
    "truth": {"color": "black", "ls": "-", "lw": 1.6},
    "network": {"color": "#15529b", "ls": "-", "lw": 1.2},
    "replica": {"color": "#db6d00", "ls": "--", "lw": 1.2},
    "no filters": {"color": "0.55", "ls": ":", "lw": 1.2},
}
OTHER_DASHES = ((0, (5, 1, 1, 1, 1, 1)), (0, (8, 3)), "-.")


def replica_figure(
    data: DeerData,
    network: Predictor,
    replica: Replica,
    unfiltered: Replica,
    others: Mapping[str, Predictor] | None = None,
    *,
    ax: Place = None,
) -> Figure:
    """Draw filters, transform and overlaps, and the traces at the quartiles of the replica's overlap.

    Parameters
    ----------
    data : DeerData
        Traces that none of them has seen, and the truth.
    network : callable
        From traces in rows to distributions in rows.
    replica, unfiltered : Replica
        With filters and, as what to hold it against, without.
    others : mapping of str to callable, optional
        More predictors for the panel of overlaps.
    ax : Figure, SubFigure or Axes, optional
        Where to: 2 x 3 axes in reading order; a new figure otherwise.
    """
    from ..deer import overlap

    drawn: dict[str, Predictor] = {"network": network, "replica": replica, "no filters": unfiltered}
    predictions = {name: predict(data.traces) for name, predict in drawn.items()}
    overlaps = {name: overlap(p, data.distributions) for name, p in predictions.items()}
    figure, axes = panel_axes(ax, (2, 3), (11, 6.8))
    _draw_filters(axes[0, 0], replica, float(data.time[1] - data.time[0]))
    _draw_transform(axes[0, 1], replica, data)
    for name, values in overlaps.items():
        axes[0, 2].ecdf(values, label=name, **STYLES[name])
    for (name, predict), dashes in zip((others or {}).items(), OTHER_DASHES, strict=False):
        values = overlap(predict(data.traces), data.distributions)
        axes[0, 2].ecdf(values, label=name, color="black", lw=1.0, ls=dashes)
    axes[0, 2].set(
        xlabel="overlap with the truth",
        ylabel="share of traces",
        xlim=(0, 1),
        ylim=(0, 1.6),
        yticks=np.linspace(0, 1, 6),
    )
    axes[0, 2].set_title("C  cumulative share", fontsize=10, loc="left")
    axes[0, 2].legend(frameon=False, fontsize=8, loc="upper left")
    order = np.argsort(overlaps["replica"])
    for letter, panel, part in zip("DEF", axes[1], (0.25, 0.5, 0.75), strict=True):
        k = int(order[int(part * len(order))])
        _draw_example(panel, data, {name: p[k] for name, p in predictions.items()}, k)
        scores = " / ".join(f"{values[k]:.2f}" for values in overlaps.values())
        panel.set_title(f"{letter}  overlaps {scores}", fontsize=10, loc="left")
    axes[1, 0].legend(frameon=False, fontsize=8)
    means = ", ".join(f"{name} {values.mean():.2f}" for name, values in overlaps.items())
    return finished(
        ax,
        figure,
        "Rational replica (paper's Figs 5, 6): what the network is said to do, done by two filters and a regularised transform. "
        f"Mean overlap with the truth over {len(data.traces)} fresh traces: {means}; no filters: the transform alone. "
        "D to F: the traces at the quartiles of the replica's overlap, each density of unit area; above them the overlaps of network, replica and no filters.",
    )


def _draw_filters(ax: Axes, replica: Replica, step: float) -> None:
    nyquist = 0.5 / step
    frequency = np.geomspace(1e-4, 1, 2000)
    for kind, taps, style in (("high", replica.high_pass, "-"), ("low", replica.low_pass, "--")):
        if taps is not None:
            response = np.abs(scipy.signal.freqz(taps, worN=np.pi * frequency)[1])
            name = f"{kind}-pass, order {len(taps) - 1}"
            ax.loglog(nyquist * frequency, response, style, color="black", label=name)
    ax.set(xlabel="frequency (MHz)", ylabel="gain", ylim=(1e-4, 2))
    ax.set_title("A  filters", fontsize=10, loc="left")
    ax.legend(frameon=False, fontsize=8, loc="lower center")


def _draw_transform(ax: Axes, replica: Replica, data: DeerData) -> None:
    limit = float(np.quantile(np.abs(replica.transform), SIGNED_QUANTILE))
    extent = (data.time[0], data.time[-1], data.distance[0], data.distance[-1])
    image = ax.imshow(
        replica.transform, cmap=signed(), vmin=-limit, vmax=limit, extent=extent,
        origin="lower", aspect="auto", interpolation="nearest",
    )  # fmt: skip
    ax.set(xlabel="time (µs)", ylabel="distance (Å)")
    ax.set_title("B  transform T", fontsize=10, loc="left")
    ax.figure.colorbar(image, ax=ax, extend="both", label="T")


def _draw_example(ax: Axes, data: DeerData, predictions: Mapping[str, Array], k: int) -> None:
    step = float(data.distance[1] - data.distance[0])
    for name, values in {"truth": data.distributions[k], **predictions}.items():
        positive = np.maximum(values, 0)
        ax.plot(data.distance, positive / (positive.sum() * step), label=name, **STYLES[name])
    ax.set(
        xlabel="distance (Å)", ylabel="density (1/Å)", xlim=(data.distance[0], data.distance[-1])
    )
