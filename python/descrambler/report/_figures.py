"""The counterparts of the paper's Figs 2 and 3, the untrained network below the trained one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from .._solvers.result import Descrambling
from .._util.threads import product
from .._util.validate import Array
from ..analysis import two_sided_spectrum
from ..axis import Axis, index_axis
from ..evidence._study import resolved_part
from ._axes import (
    link_axis,
    link_frequency_edges,
    link_frequency_label,
    resolved_end,
    show_bias,
    show_curves,
    show_spectrum,
    show_weights,
    unit_axis,
)
from ._layout import Pair, Panel, grid
from ._structure import last_layer_structure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

    from ._axes import Curve
    from ._layout import Place

T = TypeVar("T")

WEIGHT = "weight / r.m.s. weight"
MAGNITUDE = "magnitude / r.m.s. weight"
CENTERED = "The mean over the link is subtracted from each output's weights. "


def network_figures(
    pair: Pair, input_axis: Axis | None = None, output_axis: Axis | None = None
) -> Iterator[tuple[str, Figure]]:
    """Draw every layer of a descrambled network beside its untrained counterpart.

    Parameters
    ----------
    pair : Pair
        Studies of two networks of one shape.
    input_axis, output_axis : Axis, optional
        What the network's inputs and outputs are.

    Yields
    ------
    name : str
        File name without suffix.
    figure : matplotlib Figure
    """
    network = pair.studies[0].network
    inputs = input_axis or index_axis("input", network.n_in)
    outputs = output_axis or index_axis("output", network.n_out)
    last = network.n_linear
    yield "layer1", first_layer(pair, inputs)
    for layer in range(2, last):
        yield f"layer{layer}", inner_layer(pair, layer)
    yield f"layer{last}", last_layer(pair, outputs)
    yield f"layer{last}_structure", last_layer_structure(pair, outputs)


def first_layer(
    pair: Pair, inputs: Axis, *, curves: Mapping[str, Curve] | None = None, ax: Place = None
) -> Figure:
    """First weights, raw and descrambled, and their two-sided spectrum (Fig. 2).

    Parameters
    ----------
    pair : Pair
    inputs : Axis
    curves : mapping of str to callable, optional
        Lines to draw over the spectra of the first network, by name: input frequency, in cycles per
        length of the axis, as a function of link frequency above zero.
    ax : Figure, SubFigure or Axes, optional
        Where to draw: 2 x 5 axes in reading order; a new figure otherwise.
    """
    results = [study.links[0].before for study in pair.studies]
    raw = pair.weights(1)
    full = _each(result.rotation.left(w) for result, w in zip(results, raw, strict=True))
    part = _each(_resolved(result, w) for result, w in zip(results, raw, strict=True))
    spectra = _each(two_sided_spectrum(w) for w in full)
    lines = _bias_lines(pair.biases(1), results)
    n, n_in = raw[0].shape
    edges = inputs.frequency_edges(n_in)
    zoom = _resolved_end(results)

    def spectrum(near_zero: bool) -> Panel:
        def draw(row: int, ax: Axes, limit: float) -> AxesImage:
            image = show_spectrum(ax, spectra[row], limit, results[row].resolved, edges)
            ax.set_ylabel(inputs.frequency_label)
            if near_zero:
                ax.set(xlim=(-zoom, zoom), ylim=(0.15 * edges[0], 0.15 * edges[1]))
            if row == 0 and curves:
                show_curves(ax, curves, (edges[1] - edges[0]) / n_in, n // 2)
            return image

        title = "the same, near zero" if near_zero else "$|F_+ P W_1 F_-|$"
        return Panel(title, draw, spectra, MAGNITUDE, magnitude=True)

    panels = [
        _along("$W_1$, raw", raw, unit_axis(n), inputs, bias=lines[0]),
        _along("$P W_1$", full, link_axis(n), inputs, bias=lines[1]),
        _along("$P W_1$, resolved modes", part, link_axis(n), inputs, _counts(results), lines[2]),
    ]
    if inputs.ordered:
        panels += [spectrum(near_zero=False), spectrum(near_zero=True)]
    caption = (
        f"First layer. The response along the {inputs.name} axis as a whole does not depend on P; "
        "order and waves along the link axis are made by P, which puts the principal components of the signals, by "
        "falling second moment, on rising link frequencies: waves that interlock appear there for data without any "
        f"network. Hatched grey: link frequencies that the inputs do not resolve. {pair.scale(1)} {pair.bias_note(1)}"
    )
    return grid(pair, panels, caption, ax)


def inner_layer(pair: Pair, layer: int, *, ax: Place = None) -> Figure:
    """Weights between two link dimensions, raw and descrambled from both sides (SI S4).

    Parameters
    ----------
    pair : Pair
    layer : int
        Counted from 1.
    ax : Figure, SubFigure or Axes, optional
        Where to draw: 2 x 5 axes in reading order; a new figure otherwise.
    """
    ins = [study.links[layer - 2].after for study in pair.studies]
    outs = [study.links[layer - 1].before for study in pair.studies]
    raw = pair.weights(layer)
    rows = list(zip(outs, raw, ins, strict=True))
    full = _each(out.rotation.left(into.rotation.right(w)) for out, w, into in rows)
    part = _each(_resolved(into, _resolved(out, w).T).T for out, w, into in rows)
    spectra = _each(two_sided_spectrum(w) for w in full)
    lines = _bias_lines(pair.biases(layer), outs)
    n_out, n_in = raw[0].shape
    links = link_axis(n_out, "output "), link_axis(n_in, "input ")
    counts = _each(
        f"{out.resolved.sum()} of {n_out} x {into.resolved.sum()} of {n_in}"
        for out, _, into in rows
    )

    across, up = _resolved_end(outs), _resolved_end(ins)

    def spectrum(title: str, near_zero: bool) -> Panel:
        def draw(row: int, ax: Axes, limit: float) -> AxesImage:
            seen = outs[row].resolved, link_frequency_edges(n_in), ins[row].resolved
            image = show_spectrum(ax, spectra[row], limit, *seen)
            ax.set(xlabel=link_frequency_label("output "), ylabel=link_frequency_label("input "))
            if near_zero:
                ax.set(xlim=(-across, across), ylim=(-up, up))
            return image

        return Panel(title, draw, spectra, MAGNITUDE, magnitude=True)

    name = f"P_{{{layer}}} W_{{{layer}}} P_{{{layer - 1}}}^T"
    panels = [
        _along(f"$W_{{{layer}}}$, raw", raw, unit_axis(n_out), unit_axis(n_in), bias=lines[0]),
        _along(f"${name}$", full, *links, bias=lines[1]),
        _along(f"${name}$, resolved modes", part, *links, counts, lines[2]),
        spectrum(f"$|F_+ {name} F_-|$", near_zero=False),
        spectrum("the same, near zero", near_zero=True),
    ]
    caption = (
        f"Layer {layer}, between two link dimensions. Across: outputs, rotated by the signals before this activation; up: inputs, "
        "rotated by the signals after the previous one. The singular values do not depend on P; P makes the order along both axes. "
        f"Hatched grey: link frequencies that the inputs do not resolve. {pair.scale(layer)} {pair.bias_note(layer)}"
    )
    return grid(pair, panels, caption, ax)


def last_layer(pair: Pair, outputs: Axis, *, center: bool = False, ax: Place = None) -> Figure:
    """Last weights, raw and descrambled jointly and from the signals alone (Fig. 3).

    Parameters
    ----------
    pair : Pair
    outputs : Axis
    center : bool
        Whether to subtract each output's mean over the link, as the paper does.
    ax : Figure, SubFigure or Axes, optional
        Where to draw: 2 x 5 axes in reading order; a new figure otherwise.
    """
    layer = pair.studies[0].network.n_linear
    raw = pair.weights(layer)
    n = raw[0].shape[1]
    line: dict[str, Any] = {"bias": pair.biases(layer), "side": "right"}

    def shown(weights: Array) -> Array:
        return weights - weights.mean(axis=0) if center else weights

    def views(results: Sequence[Descrambling], how: str) -> list[Panel]:
        full = _each(shown(r.rotation.right(w).T) for r, w in zip(results, raw, strict=True))
        part = _each(shown(_resolved(r, w.T)) for r, w in zip(results, raw, strict=True))
        name = f"$W_{{{layer}}} P^T$, {how}"
        resolved = "the same, resolved modes"
        return [
            _along(name, full, link_axis(n), outputs, **line),
            _along(resolved, part, link_axis(n), outputs, _counts(results), **line),
        ]

    panels = [
        _along(
            f"$W_{{{layer}}}$, raw", _each(shown(w.T) for w in raw), unit_axis(n), outputs, **line
        ),
        *views([study.links[-1].joint for study in pair.studies], "joint"),
        *views([study.links[-1].after for study in pair.studies], "signals alone"),
    ]
    caption = (
        f"Last layer. What the weights span along the {outputs.name} axis does not depend on P; "
        "order along the link axis is made by P. Joint: signals and the weights themselves were made smooth together, "
        f"so smooth weights are not evidence of learning there. {CENTERED if center else ''}{pair.scale(layer)} "
        f"{pair.bias_note(layer)}"
    )
    return grid(pair, panels, caption, ax)


def _along(
    title: str,
    values: tuple[Array, Array],
    horizontal: Axis,
    vertical: Axis,
    notes: tuple[str, str] = ("", ""),
    bias: tuple[Array, Array] | None = None,
    side: str = "top",
) -> Panel:
    """Signed matrices, entries of their first dimension across, and the biases beside them."""

    def draw(row: int, ax: Axes, limit: float) -> AxesImage:
        image = show_weights(ax, values[row].T, limit, horizontal, vertical)
        if bias is not None:
            show_bias(ax, image, bias[row], side)
        return image

    return Panel(title, draw, values, WEIGHT, notes)


def _bias_lines(
    biases: tuple[Array, Array] | None, results: Sequence[Descrambling]
) -> list[tuple[Array, Array] | None]:
    """Biases as they are, descrambled, and in the resolved modes alone: b, P b, V_r V_r^T P b."""
    if biases is None:
        return [None, None, None]
    pairs = list(zip(results, biases, strict=True))
    turned = _each(r.rotation.left(b[:, None])[:, 0] for r, b in pairs)
    return [biases, turned, _each(_resolved(r, b) for r, b in pairs)]


def _resolved(result: Descrambling, weights: Array) -> Array:
    """Return the part of P W that the data determine."""
    return product(resolved_part(result), weights, result.rotation.n)


def _each(pair: Iterable[T]) -> tuple[T, T]:
    first, second = pair
    return first, second


def _counts(results: Sequence[Descrambling]) -> tuple[str, str]:
    return _each(f"{r.resolved.sum()} of {r.rotation.n}" for r in results)


def _resolved_end(results: Sequence[Descrambling]) -> float:
    """Where to end a view of the link frequencies that either network resolves."""
    last = results[0].rotation.n // 2
    return min(max(resolved_end(result.resolved) for result in results) + 3.5, last + 0.5)
