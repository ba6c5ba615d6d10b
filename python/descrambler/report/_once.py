"""Figures for files are laid out once, and their texts measured once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.backend_bases import RendererBase
    from matplotlib.figure import Figure
    from matplotlib.transforms import BboxBase

    Ticks: TypeAlias = tuple[tuple[float, ...], ...]
    Box: TypeAlias = BboxBase | None


def lay_out(figure: Figure, dpi: float) -> None:
    """Lay a figure out for good: a figure with a layout engine is otherwise drawn twice per file."""
    engine = figure.get_layout_engine()
    if engine is None:
        return
    figure.set_dpi(dpi)
    panels = figure.axes
    for ax in panels:
        for spine in ax.spines.values():
            spine.set_in_layout(False)  # as large as the axes; making sure makes all ticks anew
        vars(ax)["get_tightbbox"] = _Measure(ax)
    engine.execute(figure)
    for ax in panels:
        del vars(ax)["get_tightbbox"]
    figure.set_layout_engine(None)


class _Measure:
    """What stands around axes, measured once per place, or once per set of ticks if they fill their place.

    The engine of constrained layouts asks for a color bar once per panel, and for all again once everything
    is near its place.
    """

    def __init__(self, ax: Axes) -> None:
        self.ax, self.measure = ax, ax.get_tightbbox
        self.at: dict[Any, Box] = {}
        self.around: dict[Ticks, Any] = {}

    def __call__(self, renderer: RendererBase, **options: Any) -> Box:
        place = self.ax.get_position(original=True).bounds
        if place not in self.at:
            self.at[place] = self._new(renderer, **options)
        return self.at[place]

    def _new(self, renderer: RendererBase, **options: Any) -> Box:
        from matplotlib.transforms import Bbox

        ax = self.ax
        shaped = ax.get_aspect() != "auto" or ax.get_box_aspect() or ax.get_axes_locator()
        if shaped or ax.child_axes:
            return self.measure(renderer, **options)
        ticks = _ticks(ax)
        texts = [text for text in ax.texts if text.get_visible() and text.get_in_layout()]
        if ticks not in self.around:
            for text in texts:
                text.set_in_layout(False)
            box = self.measure(renderer, **options)
            for text in texts:
                text.set_in_layout(True)
            if box is None:
                return None
            self.around[ticks] = box.extents - ax.bbox.extents
        # Texts may be placed by the width of the axes.
        own = Bbox.from_extents(*(ax.bbox.extents + self.around[ticks]))
        return Bbox.union([own, *(text.get_tightbbox(renderer) for text in texts)])


def _ticks(ax: Axes) -> Ticks:
    """Return the places of the ticks in view, which make the labels."""
    seen = []
    for axis in (ax.xaxis, ax.yaxis):
        low, high = sorted(axis.get_view_interval())
        ticks = np.asarray(axis.get_majorticklocs())
        seen.append(tuple(ticks[(ticks >= low) & (ticks <= high)]))
    return tuple(seen)
