"""Single pictures for papers: each draws into the axes it is given, or into a column-wide figure."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._solvers.result import Descrambling
from .._util.files import write_bytes
from .._util.validate import choice
from ..analysis import two_sided_spectrum
from ..axis import Axis, index_axis
from ..evidence._study import Study
from ._axes import (
    link_axis,
    link_frequency_edges,
    link_frequency_label,
    resolved_end,
    show_bias,
    show_spectrum,
    show_weights,
    unit_axis,
)
from ._layout import MAGNITUDE_QUANTILE, SIGNED_QUANTILE, rms

if TYPE_CHECKING:
    import os

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

WIDTHS = {"single": 8.7 / 2.54, "middle": 11.4 / 2.54, "double": 17.8 / 2.54}
"""Inches: one column, one and a half, two, of PNAS; other journals differ by millimetres."""

STYLE: Any = {
    "axes.labelsize": 7,
    "axes.linewidth": 0.6,
    "font.size": 7,
    "legend.fontsize": 6,
    "xtick.labelsize": 6,
    "ytick.labelsize": 6,
}


def paper_figure(width: str = "single", aspect: float = 0.75, **subplots: Any) -> Figure:
    """Return a figure as wide as a column, with its axes, lettering of 6 and 7 points.

    Parameters
    ----------
    width : {"single", "middle", "double"}
    aspect : float
        Height over width.
    **subplots
        For ``Figure.subplots``, such as ``nrows=1, ncols=2``; the axes are ``figure.axes``.
    """
    import matplotlib
    from matplotlib.figure import Figure

    inches = WIDTHS[choice("width", width, tuple(WIDTHS))]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(inches, aspect * inches), layout="constrained")
        figure.subplots(**subplots)
    return figure


def save_paper(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure as .pdf or .svg, with text as text that can still be edited."""
    import matplotlib

    suffix = choice("suffix of path", Path(path).suffix, (".pdf", ".svg"))
    stream = io.BytesIO()
    # Fixed ids and no date: the same figure gives the same file.
    fixed: Any = {"pdf.fonttype": 42, "svg.fonttype": "none", "svg.hashsalt": "descrambler"}
    date = {"CreationDate": None} if suffix == ".pdf" else {"Date": None}
    with matplotlib.rc_context(fixed):
        figure.savefig(stream, format=suffix[1:], metadata=date, dpi=600)
    write_bytes(path, stream.getvalue())


def plot_weights(
    study: Study,
    layer: int,
    *,
    inputs: Axis | None = None,
    outputs: Axis | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw ``P_k W_k P_{k-1}^T`` in units of the r.m.s. weight, outputs up, inputs across.

    A bias ``P_k b_k`` is a strip on the right, one more input; its colors end at its largest entry, if that is above
    those of the weights.

    Parameters
    ----------
    study : Study
    layer : int
        Counted from 1.
    inputs, outputs : Axis, optional
        Axes of the network's inputs and outputs; plain numbers otherwise.
    ax : matplotlib Axes, optional
        Axes to draw into; by default those of a new figure one column wide.
    """
    ax = ax or paper_figure().axes[0]
    unit, bias = rms(study.raw(layer)), study.bias(layer)
    weights = study.weights(layer) / unit
    across, up = _axes(study, layer, inputs, outputs)
    limit = float(np.quantile(np.abs(weights), SIGNED_QUANTILE)) or 1.0
    image = show_weights(ax, weights, limit, across, up)
    if bias is not None:
        show_bias(ax, image, bias / unit, "right")
    _add_bar(ax, image, "weight / r.m.s. weight", "both")
    return ax


def plot_spectrum(
    study: Study, layer: int, *, inputs: Axis | None = None, ax: Axes | None = None
) -> Axes:
    """Draw ``|F+ P_k W_k P_{k-1}^T F-|`` of a layer but the last, near the resolved link frequencies.

    Parameters
    ----------
    study : Study
    layer : int
        Counted from 1.
    inputs : Axis, optional
        Axis of the network's inputs; plain numbers otherwise.
    ax : matplotlib Axes, optional
        Axes to draw into; by default those of a new figure one column wide.
    """
    if not 1 <= layer <= len(study.links):
        raise ValueError(f"layer must be between 1 and {len(study.links)}, got {layer}")
    ax = ax or paper_figure().axes[0]
    spectrum = two_sided_spectrum(study.weights(layer) / rms(study.raw(layer)))
    n_in = spectrum.shape[1]
    axis = inputs or index_axis("input", n_in)
    first = layer == 1
    resolved = study.links[layer - 1].before.resolved
    image = show_spectrum(
        ax,
        spectrum,
        float(np.quantile(spectrum, MAGNITUDE_QUANTILE)) or 1.0,
        resolved,
        axis.frequency_edges(n_in) if first else link_frequency_edges(n_in),
        None if first else study.links[layer - 2].after.resolved,
    )
    ax.set_ylabel(axis.frequency_label if first else link_frequency_label("input "))
    _add_bar(ax, image, "magnitude / r.m.s. weight", "max")
    end = min(resolved_end(resolved) + 3.5, len(resolved) // 2 + 0.5)
    ax.set_xlim(-end, end)
    return ax


def plot_gram(result: Descrambling, *, ax: Axes | None = None) -> Axes:
    """Draw the eigenvalues of a Gram matrix, resolved modes filled, the others hollow.

    Parameters
    ----------
    result : Descrambling
        From signals or from their Gram matrix.
    ax : matplotlib Axes, optional
        Axes to draw into; by default those of a new figure one column wide.
    """
    if result.eigenvalues is None:
        raise ValueError("result must come from signals: there is no Gram matrix to draw")
    ax = ax or paper_figure().axes[0]
    values = np.maximum(result.eigenvalues / (float(result.eigenvalues[0]) or 1.0), 1e-17)
    number = np.arange(1, len(values) + 1)
    resolved = result.resolved[: len(values)]
    other = np.logical_not(resolved)
    style: dict[str, Any] = {"ls": "none", "marker": "o", "ms": 3, "mew": 0.6, "color": "#15529b"}
    ax.semilogy(number[resolved], values[resolved], label="resolved", **style)
    ax.semilogy(number[other], values[other], mfc="white", label="not resolved", **style)
    ax.set(xlabel="link mode, by second moment", ylabel="Gram eigenvalue / largest")
    ax.legend(frameon=False, fontsize=_tick_size(ax))
    _make_room(ax, 0.8)
    return ax


def plot_rotation(result: Descrambling, *, ax: Axes | None = None) -> Axes:
    """Draw P, one link coordinate in a row, one unit in a column.

    Parameters
    ----------
    result : Descrambling
    ax : matplotlib Axes, optional
        Axes to draw into; by default those of a new figure one column wide.
    """
    ax = ax or paper_figure().axes[0]
    p = np.asarray(result.rotation)
    n = len(p)
    limit = float(np.quantile(np.abs(p), SIGNED_QUANTILE)) or 1.0
    image = show_weights(ax, p, limit, unit_axis(n), link_axis(n))
    _add_bar(ax, image, "entry of P", "both")
    return ax


def _make_room(ax: Axes, inches: float) -> None:
    """Widen the gaps between axes side by side, which a figure without a layout engine would not."""
    figure, spec = ax.get_figure(root=True), ax.get_subplotspec()
    if figure is None or spec is None or figure.get_layout_engine() is not None:
        return
    columns = spec.get_topmost_subplotspec().get_gridspec().ncols
    pars = figure.subplotpars
    width = (pars.right - pars.left) * figure.get_figwidth()
    if columns < 2:
        return
    # At most half of the width goes to gaps.
    gap = min(inches, width / (2 * (columns - 1)))
    wanted = gap * columns / (width - gap * (columns - 1))
    if wanted > pars.wspace:
        figure.subplots_adjust(wspace=wanted)


def _add_bar(ax: Axes, image: AxesImage, label: str, extend: str) -> None:
    """Add a color bar with lettering as large as that of the axes."""
    bar = ax.figure.colorbar(image, ax=ax, extend=extend)
    bar.set_label(label, size=ax.xaxis.label.get_fontsize())
    bar.ax.tick_params(labelsize=_tick_size(ax))
    _make_room(ax, 1.3)


def _tick_size(ax: Axes) -> float:
    return float(ax.xaxis.get_ticklabels()[0].get_fontsize())


def _axes(study: Study, layer: int, inputs: Axis | None, outputs: Axis | None) -> tuple[Axis, Axis]:
    n_out, n_in = study.raw(layer).shape
    across = (inputs or index_axis("input", n_in)) if layer == 1 else link_axis(n_in, "input ")
    last = layer == study.network.n_linear
    up = (outputs or index_axis("output", n_out)) if last else link_axis(n_out, "output ")
    return across, up
