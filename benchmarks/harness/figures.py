"""Figures of benchmarks: gap against time, cost against size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from descrambler.report._layout import panel_axes, root

from .measure import cost_exponent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from descrambler.report._layout import Place

    from .critical_path import Machine, Work

Points = Sequence[tuple[float, float]]

# Told apart in grey by dashes and markers.
_LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)))
_COLOURS = ("#15529b", "#da9259", "#444444", "#3f6ea4", "#a04010", "#868686", "#0e214e", "#b08020")
_MARKERS = "osD^v<>P*X"


def gap_figure(traces: Mapping[str, Mapping[str, Points]], *, ax: Place = None) -> Figure:
    """Draw the relative gap against seconds, a panel for each problem.

    Parameters
    ----------
    traces : mapping of str to mapping of str to points
        By problem and by method: seconds, and the gap from then on. One point is a direct solution.
    ax : Figure, SubFigure or Axes, optional
        Where to: one axes for each problem; a new figure otherwise.
    """
    size = 5.2 * len(traces) + 0.4, 5.2
    figure, (panels,) = panel_axes(ax, (1, len(traces)), size, sharey=True)
    for panel, (problem, methods) in zip(panels, traces.items(), strict=True):
        for index, (name, points) in enumerate(methods.items()):
            _draw_trace(panel, name, points, index)
        panel.set(xscale="log", yscale="log", title=problem, xlabel="time (s)")
        panel.grid(lw=0.3)
    panels[0].set_ylabel("relative gap to the optimum")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return root(figure)


def _draw_trace(ax: Axes, name: str, points: Points, index: int) -> None:
    seconds, gap = np.array(points).T
    color = _COLOURS[index % len(_COLOURS)]
    if len(seconds) == 1:
        ax.plot(seconds, gap, "*", color="black", ms=14, label=name)
        return
    style = _LINES[index % len(_LINES)]
    ax.plot(seconds, gap, drawstyle="steps-post", ls=style, color=color, lw=1.4, label=name)


def cost_figure(costs: Mapping[str, Mapping[str, Points]], *, ax: Place = None) -> Figure:
    """Draw time against size with the fitted powers of n, a panel for each kind of work.

    Parameters
    ----------
    costs : mapping of str to mapping of str to points
        By kind and by curve: n, and seconds.
    ax : Figure, SubFigure or Axes, optional
        Where to: one axes for each kind; a new figure otherwise.
    """
    figure, (panels,) = panel_axes(ax, (1, len(costs)), (4.6 * len(costs) + 0.4, 6.4))
    for panel, (kind, curves) in zip(panels, costs.items(), strict=True):
        for index, (name, points) in enumerate(curves.items()):
            _draw_cost(panel, name, points, index)
        sizes = sorted({int(n) for points in curves.values() for n, _ in points})
        panel.set(xscale="log", yscale="log", xlabel="number of units n")
        panel.set_title(kind, fontsize=10)
        panel.set_xticks(sizes, [str(n) for n in sizes])
        panel.minorticks_off()
        panel.grid(lw=0.3)
        panel.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), frameon=False, fontsize=8)
    panels[0].set_ylabel("time (s)")
    return root(figure)


def _draw_cost(ax: Axes, name: str, points: Points, index: int) -> None:
    n, seconds = np.array(points).T
    exponent, offset = cost_exponent(points)
    color, marker = _COLOURS[index % len(_COLOURS)], _MARKERS[index % len(_MARKERS)]
    style = _LINES[index % len(_LINES)]
    ax.plot(n, np.exp(offset) * n**exponent, color=color, lw=1, ls=style)
    ax.plot(n, seconds, marker, color=color, ms=5, label=rf"{name}: $n^{{{exponent:.2f}}}$")


def roofline_figure(rates: Machine, works: Sequence[Work], *, ax: Place = None) -> Figure:
    """Draw the rate of one core against operations per byte, below the roof that bandwidth and products set.

    Parameters
    ----------
    rates : Machine
    works : sequence of Work
        Those whose operations are counted are drawn.
    ax : Figure, SubFigure or Axes, optional
        Where to: one axes for each precision; a new figure otherwise.
    """
    figure, (panels,) = panel_axes(ax, (1, len(rates.peak)), (4.6 * len(rates.peak) + 0.4, 5.2))
    for panel, (precision, peak) in zip(panels, rates.peak.items(), strict=True):
        intensity = np.geomspace(0.5, 500, 200)
        panel.plot(intensity, np.minimum(peak, rates.bandwidth * intensity) / 1e9, "k-", lw=1)
        drawn = [w for w in works if w.precision == precision and np.isfinite(w.operations)]
        for index, name in enumerate(dict.fromkeys(work.work for work in drawn)):
            points = [work for work in drawn if work.work == name]
            x = [work.operations / work.traffic for work in points]
            y = [work.operations / work.seconds / 1e9 for work in points]
            panel.plot(x, y, _MARKERS[index], color=_COLOURS[index], ms=6, label=name)
            for work, *at in zip(points, x, y, strict=True):
                panel.annotate(
                    f"{work.n}",
                    at,
                    (0, 6 if index else -6),
                    textcoords="offset points",
                    fontsize=7,
                    va="bottom" if index else "top",
                    ha="center",
                )
        panel.set(xscale="log", yscale="log", xlabel="operations per byte")
        panel.yaxis.set_minor_formatter("{x:g}")
        panel.yaxis.set_major_formatter("{x:g}")
        panel.xaxis.set_major_formatter("{x:g}")
        panel.set_title(precision, fontsize=10)
        panel.grid(lw=0.3)
        panel.legend(loc="lower right", frameon=False, fontsize=8)
    panels[0].set_ylabel("operations per second (1e9)")
    return root(figure)
