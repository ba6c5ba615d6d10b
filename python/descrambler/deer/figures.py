"""Figures of DEER traces, of training, and of the rational replica."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy  # its submodules load at first use

from .._util.validate import Array
from ..report._colors import signed
from ..report._layout import SIGNED_QUANTILE, finished, new_axes, panel_axes, root
from ._calibration import LEVEL
from ._checkpoint import TrainState
from ._coverage import HIGHEST, LOWEST, Coverage
from ._distances import DistanceDistribution
from ._modulation import Modulation
from ._replica import Replica
from ._simulate import DeerData
from ._traces import Trace

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..report._layout import Place

__all__ = [
    "band_text",
    "coverage_figure",
    "distance_figure",
    "learning_curve",
    "replica_figure",
    "unmodulated_figure",
]

MODEL = "#db6d00"
SPREAD = "#c4d5ea"
MEMBER = "#15529b"


def distance_figure(trace: Trace, result: DistanceDistribution, *, ax: Place = None) -> Figure:
    """Draw the trace with its model, and the distribution with its members and its 95 % band.

    Without a calibration, the standard deviation takes the place of the band.

    Parameters
    ----------
    trace : Trace
    result : DistanceDistribution
    ax : Figure, SubFigure or two Axes, optional
        Where to; a new figure otherwise.
    """
    _, ((left, right),) = panel_axes(ax, (1, 2), (8.4, 3.6))
    fit = result.fit
    _show_trace(left, trace, fit.scale)
    left.plot(trace.time, fit.model / fit.scale, color=MODEL, lw=1.3, label="from the distribution")
    pedestal = (1 - fit.depth) * fit.background
    left.plot(trace.time, pedestal, color="black", lw=0.9, ls="--", label="background")
    left.legend(frameon=False, fontsize=8)
    spread = f" ± {result.depth_spread:.2g}" if np.isfinite(result.depth_spread) else ""
    left.set_title(
        f"modulation depth {fit.depth:.2f}{spread}, residual {fit.rms:.3f} r.m.s.", fontsize=9
    )

    low, high = result.density - result.spread, result.density + result.spread
    label = "± standard deviation"
    if result.lower is not None and result.upper is not None:
        low, high, label = result.lower, result.upper, "95 % band"
    right.fill_between(result.distance, np.maximum(low, 0), high, color=SPREAD, lw=0, label=label)
    for k, member in enumerate(result.members):
        right.plot(result.distance, member, color=MEMBER, lw=0.6, label="" if k else "networks")
    right.plot(result.distance, result.density, color="black", lw=1.2, label="mean")
    for peak in result.peaks:
        height = float(np.interp(peak.position, result.distance, high))
        right.annotate(
            f"{peak.position:.1f}", (peak.position, height), (0, 3), textcoords="offset points",
            ha="center", fontsize=8,
        )  # fmt: skip
    right.set(
        xlabel="distance (Å)",
        ylabel="probability density (1/Å)",
        xlim=(result.distance[0], result.distance[-1]),
        ylim=(0, 1.15 * float(high.max())),
    )
    right.legend(frameon=False, fontsize=8)
    right.set_title(band_text(result), fontsize=9)
    return root(right)


def band_text(result: DistanceDistribution) -> str:
    """Say how many networks there are, and what the band rests on."""
    count = len(result.members)
    networks = f"{count} networks" if count > 1 else "one network"
    if result.calibration is None:
        return f"{networks}; no 95 % band"
    return f"{networks}; band calibrated on {result.calibration.n_traces} simulated traces"


def coverage_figure(found: Coverage, *, ax: Axes | None = None) -> Figure:
    """Draw how often the truth lies in the 95 % band, against the distance, for each noise stratum.

    Parameters
    ----------
    found : Coverage
    ax : matplotlib Axes, optional
        Made, with its figure, where none is given.
    """
    ax = ax or new_axes(5.6, 3.8)
    ax.axhspan(LOWEST, HIGHEST, color="0.9", lw=0, label=f"{LOWEST:g} to {HIGHEST:g}")
    ax.axhline(LEVEL, color="black", lw=0.8, ls="--")
    middles = (found.distance[:-1] + found.distance[1:]) / 2
    import matplotlib

    shades = matplotlib.colormaps["viridis"](np.linspace(0, 0.85, len(found.inside)))
    for low, high, share, shade in zip(
        found.noise[:-1], found.noise[1:], found.inside, shades, strict=True
    ):
        ax.plot(middles, share, "o-", ms=4, lw=1, color=shade, label=f"noise {low:g} to {high:g}")
    ax.set(
        xlabel="distance (Å), for 2 µs",
        ylabel="truth inside the band",
        ylim=(min(0.8, float(found.inside.min()) - 0.02), 1),
    )
    ax.set_title(f"nominal {LEVEL:g}, all strata {found.overall:.3f}", fontsize=10)
    ax.legend(frameon=False, fontsize=7, ncols=2, loc="lower left")
    return root(ax)


def unmodulated_figure(trace: Trace, found: Modulation, *, ax: Axes | None = None) -> Figure:
    """Draw a trace without modulation, and its background, into `ax` where it is given."""
    ax = ax or new_axes(5.2, 3.6)
    _show_trace(ax, trace, found.fit.scale)
    ax.plot(trace.time, found.fit.background, color=MODEL, lw=1.3, label="background alone")
    ax.legend(frameon=False, fontsize=8)
    ax.set_title(f"no dipolar modulation (p = {found.p:.2g})", fontsize=9)
    return root(ax)


def _show_trace(ax: Axes, trace: Trace, scale: float) -> None:
    ax.plot(trace.time, trace.signal / scale, color="0.55", lw=0.8, label="trace")
    ax.set(xlabel="time (µs)", ylabel="signal (at time zero 1)", xlim=(0, trace.time[-1]))


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
    from . import overlap

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
        ylim=(0, 1.02),
    )
    axes[0, 2].set_title("C  cumulative share", fontsize=10, loc="left", y=1)
    axes[0, 2].legend(frameon=False, fontsize=8, loc="best")
    order = np.argsort(overlaps["replica"])
    for letter, panel, part in zip("DEF", axes[1], (0.25, 0.5, 0.75), strict=True):
        k = int(order[int(part * len(order))])
        _draw_example(panel, data, {name: p[k] for name, p in predictions.items()}, k)
        scores = " / ".join(f"{values[k]:.2f}" for values in overlaps.values())
        panel.set_title(f"{letter}  overlaps {scores}", fontsize=10, loc="left", y=1)
    axes[1, 0].legend(frameon=False, fontsize=8)
    means = ", ".join(f"{name} {values.mean():.2f}" for name, values in overlaps.items())
    return finished(
        ax,
        figure,
        "Rational replica (paper's Figs 5, 6): two filters and a regularized transform in place of the network. "
        f"Mean overlap with the truth over {len(data.traces)} fresh traces: {means} (the transform alone). D to F: the traces "
        "at the quartiles of the replica's overlap, densities of unit area; titles give the overlaps of network, replica and no filters.",
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
    ax.set_title("A  filters", fontsize=10, loc="left", y=1)
    ax.legend(frameon=False, fontsize=8, loc="lower center")


def _draw_transform(ax: Axes, replica: Replica, data: DeerData) -> None:
    limit = float(np.quantile(np.abs(replica.transform), SIGNED_QUANTILE))
    extent = (data.time[0], data.time[-1], data.distance[0], data.distance[-1])
    image = ax.imshow(
        replica.transform, cmap=signed(), vmin=-limit, vmax=limit, extent=extent,
        origin="lower", aspect="auto", interpolation="nearest",
    )  # fmt: skip
    ax.set(xlabel="time (µs)", ylabel="distance (Å)")
    ax.set_title("B  transform T", fontsize=10, loc="left", y=1)
    # Inside: a bar beside this panel would push the columns apart.
    bar = ax.inset_axes((0.55, 0.9, 0.38, 0.04))
    ax.figure.colorbar(image, cax=bar, extend="both", orientation="horizontal")
    bar.tick_params(labelsize=7)
    bar.set_title("T", fontsize=8, pad=2)


def _draw_example(ax: Axes, data: DeerData, predictions: Mapping[str, Array], k: int) -> None:
    step = float(data.distance[1] - data.distance[0])
    for name, values in {"truth": data.distributions[k], **predictions}.items():
        positive = np.maximum(values, 0)
        ax.plot(data.distance, positive / (positive.sum() * step), label=name, **STYLES[name])
    ax.set(
        xlabel="distance (Å)", ylabel="density (1/Å)", xlim=(data.distance[0], data.distance[-1])
    )
