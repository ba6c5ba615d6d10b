"""The layout of figures: one panel per column, the trained network above the one to compare with."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._util.tables import brief
from .._util.validate import Array
from ..evidence._study import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.image import AxesImage

    Canvas: TypeAlias = Figure | SubFigure
    Place: TypeAlias = Figure | SubFigure | Sequence[Axes] | NDArray[Any] | None

SIGNED_QUANTILE = 0.995
MAGNITUDE_QUANTILE = 0.9995
MOST_TICKS = 6


@brief
@dataclass(frozen=True)
class Pair:
    """A trained network and the one to compare it with.

    Attributes
    ----------
    studies : pair of Study
    names : pair of str
    note : str
        A sentence on the second, for the caption.
    """

    studies: tuple[Study, Study]
    names: tuple[str, str]
    note: str = ""

    def weights(self, layer: int) -> tuple[Array, Array]:
        """Raw weights of a layer, in units of their r.m.s.: training makes them larger."""
        first, second = (study.network.linear(layer).weight for study in self.studies)
        return first / rms(first), second / rms(second)

    def biases(self, layer: int) -> tuple[Array, Array] | None:
        """Biases of a layer in the same units, zeros where only one network has them; None without."""
        linears = [study.network.linear(layer) for study in self.studies]
        if all(linear.bias is None for linear in linears):
            return None
        first, second = (
            (np.zeros(x.n_out) if x.bias is None else x.bias) / rms(x.weight) for x in linears
        )
        return first, second

    def bias_note(self, layer: int) -> str:
        """Sentence on the biases in the picture, empty without."""
        if self.biases(layer) is None:
            return ""
        return (
            "The strip beside each matrix is the bias, an extra input line of the layer; the colors of a strip "
            "end at its largest entry, if this is above those of the weights."
        )

    def scale(self, layer: int) -> str:
        """Sentence that gives these units."""
        values = [rms(study.network.linear(layer).weight) for study in self.studies]
        named = [f"{name} {value:.3g}" for name, value in zip(self.names, values, strict=True)]
        return f"Weights in units of the layer's own r.m.s. weight ({', '.join(named)})."


class Panel(NamedTuple):
    """One column: a picture of each network, on one scale.

    `draw` is given the row, the axes and the top of the color scale. Neighbors with one `color`
    label share a scale and its bar; an empty label means that there is none.
    """

    title: str
    draw: Callable[[int, Axes, float], AxesImage | None]
    values: tuple[Array, Array]
    color: str = ""
    notes: tuple[str, str] = ("", "")
    magnitude: bool = False


def grid(pair: Pair, panels: Sequence[Panel], caption: str, ax: Place = None) -> Figure:
    """Draw the panels, lettered, and the caption under them."""
    size = 2.9 * len(panels) + 0.4, 7.6
    figure, axes = panel_axes(ax, (2, len(panels)), size, sharex="col")
    columns = iter(enumerate(panels))
    for (color, magnitude), group in groupby(columns, lambda c: (c[1].color, c[1].magnitude)):
        members = list(group)
        limit = _limit([panel for _, panel in members], magnitude)
        for column, panel in members:
            image = _draw_column(axes[:, column], panel, limit)
            axes[0, column].set_title(f"{'ABCDEFGH'[column]}  {panel.title}", fontsize=10, y=1)
            if axes[0, column].get_shared_x_axes().joined(*axes[:, column]):
                axes[0, column].set_xlabel("")
        if image is not None:
            figure.colorbar(
                image,
                ax=axes[:, [column for column, _ in members]],
                label=color,
                location="bottom",
                aspect=30 * len(members),
                extendfrac=0.02,
                extend="max" if magnitude else "both",
            )
    for first, name in zip(axes[:, 0], pair.names, strict=True):
        first.annotate(
            name, (-0.36, 0.5), xycoords="axes fraction", rotation=90, va="center", ha="right",
            fontsize=12, fontweight="bold",
        )  # fmt: skip
    return finished(ax, figure, " ".join(filter(None, [caption, pair.note])))


def _draw_column(axes: Any, panel: Panel, limit: float) -> AxesImage | None:
    for row, ax in enumerate(axes):
        image = panel.draw(row, ax, limit)
        if panel.notes[row]:
            ax.annotate(
                panel.notes[row],
                (0.97, 0.97),
                xycoords="axes fraction",
                ha="right",
                va="top",
                fontsize=8,
                bbox={"boxstyle": "round", "facecolor": "white", "alpha": 0.85, "linewidth": 0},
            )
    return image


def _limit(panels: Sequence[Panel], magnitude: bool) -> float:
    """One scale for both networks; the few entries beyond it saturate."""
    quantile = MAGNITUDE_QUANTILE if magnitude else SIGNED_QUANTILE
    tops = [float(np.quantile(np.abs(v), quantile)) for panel in panels for v in panel.values]
    return max(tops) or 1.0


def panel_axes(
    ax: Place, shape: tuple[int, int], size: tuple[float, float], **subplots: Any
) -> tuple[Canvas, NDArray[Any]]:
    """Return what panels are laid out in, and their axes as an array of this shape.

    Parameters
    ----------
    ax : Figure, SubFigure, or Axes in reading order, or None
        None stands for a new figure.
    shape : pair of int
        Rows and columns.
    size : pair of float
        Width and height of a new figure in inches.
    **subplots
        For ``Figure.subplots``.
    """
    from matplotlib.figure import Figure, FigureBase

    if ax is None:
        ax = Figure(figsize=size, layout="constrained")
    if isinstance(ax, FigureBase):
        axes = ax.subplots(*shape, squeeze=False, **subplots)
        for panel in axes.flat:
            # As many at every size: a layout that moves panels need not measure their labels again.
            panel.locator_params(nbins=MOST_TICKS)
        return ax, axes
    axes = np.array(ax, dtype=object)
    if axes.size != shape[0] * shape[1]:
        raise ValueError(
            f"ax must be a Figure, a SubFigure or {shape[0]} x {shape[1]} Axes, got {axes.size} Axes"
        )
    return axes.flat[0].get_figure(root=False), axes.reshape(shape)


def finished(ax: Place, canvas: Canvas, caption: str) -> Figure:
    """Put a caption under the panels, unless they were given one by one; return the whole figure."""
    from matplotlib.figure import FigureBase

    if ax is None or isinstance(ax, FigureBase):
        lines = textwrap.wrap(caption, int(canvas.bbox.width / canvas.dpi * 13.5))
        canvas.supxlabel("\n".join(lines), fontsize=9, ha="left", x=0.01)
    return root(canvas)


def new_axes(width: float, height: float) -> Axes:
    """Axes of a new figure of this size in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained").subplots()


def root(part: Axes | Canvas) -> Figure:
    """Return the figure, not a part of one, that this lies in."""
    figure = part.get_figure(root=True)
    assert figure is not None
    return figure


def rms(values: Array) -> float:
    """Root mean square, 1 for zeros."""
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64)))) or 1.0
