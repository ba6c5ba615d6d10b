"""Figures of an interpretation, each beside the null most similar to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from .._util.validate import Array
from ..analysis import aggregate_response, frequencies, output_frequencies
from ..axis import Axis
from ..evidence._interpretation import Interpretation
from ..evidence._study import Study
from ..evidence._verdicts import label
from ..evidence.nulls import Null
from ._axes import show_weights
from ._figures import first_layer, inner_layer, last_layer
from ._layout import Pair, Panel, finished, grid, panel_axes, rms
from ._structure import last_layer_structure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

    from ._layout import Place

N_DRAWS = 20


def evidence_figures(result: Interpretation) -> Iterator[tuple[str, Figure]]:
    """Draw every layer, the frequency response and the mean Jacobian, each beside a null.

    Inputs without order have no frequency response.

    Parameters
    ----------
    result : Interpretation

    Yields
    ------
    name : str
        File name without suffix.
    figure : matplotlib Figure
    """
    for name, draw in pictures(result).items():
        yield name, draw(None)


def pictures(result: Interpretation) -> dict[str, Callable[[Place], Figure]]:
    """Return the functions that draw the pictures, by name; unordered inputs have no response."""
    last, axes = result.study.network.n_linear, result.axes
    pairs: dict[int, Pair] = {}

    def pair(layer: int) -> Pair:
        if layer not in pairs:
            pairs[layer] = _pair(result, layer)
        return pairs[layer]

    def inner(layer: int) -> Callable[[Place], Figure]:
        return lambda ax: inner_layer(pair(layer), layer, ax=ax)

    drawn: dict[str, Callable[[Place], Figure]] = {
        "layer1": lambda ax: first_layer(pair(1), axes.inputs, ax=ax),
        **{f"layer{layer}": inner(layer) for layer in range(2, last)},
        f"layer{last}": lambda ax: last_layer(pair(last), axes.outputs, ax=ax),
        f"layer{last}_structure": lambda ax: last_layer_structure(pair(last), axes.outputs, ax=ax),
    }
    if axes.inputs.ordered:
        drawn["response"] = lambda ax: response_figure(result, ax=ax)
    return drawn | {"jacobian": lambda ax: jacobian_figure(result, ax=ax)}


def _pair(result: Interpretation, layer: int) -> Pair:
    null, correlation, study = result.look_alike(layer)
    note = (
        f"Lower row: '{null.name}', the most similar of {len(result.counterparts)} kinds of null and control networks (correlation of "
        f"the spectra's shapes {correlation:.2f}). Its weights: {null.weights}; its inputs: {null.inputs}."
    )
    return Pair((result.pictured, study), ("trained", null.name), note)


def _closest(result: Interpretation, what: str) -> Null:
    """Return the kind that decided on a finding on the whole network."""
    finding = next(f for f in result.findings if f.what == what and f.where == "network")
    kinds = [kind for kind in result.counterparts if kind.name == finding.strongest]
    return kinds[0] if kinds else result.counterparts[0]


def _range_of(result: Interpretation, null: Null) -> tuple[list[Study], str]:
    """Return all networks of a kind of controls, or draws of a null kind; and how many, in words."""
    for kind, networks in result.controls.items():
        if label(kind) == null.name:
            studies = [Study(network, result.setting.inputs) for network in networks]
            return studies, f"{len(studies)} networks"
    return [result.draw(null, number) for number in range(N_DRAWS)], f"{N_DRAWS} draws"


def response_figure(result: Interpretation, *, ax: Place = None) -> Figure:
    """Response to the frequencies of the input axis, of the whole network and of its first layer.

    Parameters
    ----------
    result : Interpretation
    ax : Figure, SubFigure or two Axes, optional
        Axes to draw into; a new figure otherwise.
    """
    null = _closest(result, "low-pass")
    draws, counted = _range_of(result, null)
    inputs, n = result.axes.inputs, result.study.network.n_in
    frequency = frequencies(n) / (n * inputs.step(n))
    figure, (axes,) = panel_axes(ax, (1, 2), (8.6, 4.2), sharey=True)

    def level(weights: Array) -> Array:
        response = aggregate_response(weights)
        floor: Array = np.maximum(response / (response.max() or 1.0), 1e-6)
        return 20 * np.log10(floor)

    def of(study: Study, column: int) -> Array:
        return study.raw(1) if column else study.jacobian

    for column, (panel, title) in enumerate(
        zip(axes, ("whole network (mean Jacobian)", "first layer"), strict=True)
    ):
        levels = np.stack([level(of(study, column)) for study in draws])
        panel.fill_between(
            frequency, levels.min(axis=0), levels.max(axis=0), color="0.75", lw=0,
            label=f"{null.name}, range of {counted}",
        )  # fmt: skip
        panel.plot(
            frequency, level(of(result.measured, column)), color="black", lw=1.2, label="trained"
        )
        panel.set(xlabel=inputs.frequency_label, xlim=(0, frequency[-1]))
        panel.set_title(f"{'AB'[column]}  {title}", fontsize=10, loc="left", y=1)
    axes[0].set_ylabel("response against its peak (dB)")
    axes[0].set_ylim(min(-20.0, axes[0].get_ylim()[0]), 1)
    axes[0].legend(frameon=False, fontsize=9)
    return finished(
        ax,
        figure,
        f"Response to cosines along the {inputs.name} axis, r.m.s. over outputs, each against its own peak. Neither depends on P. "
        f"Grey: {null.name} (weights: {null.weights}).",
    )


def jacobian_figure(result: Interpretation, *, ax: Place = None) -> Figure:
    """Mean Jacobian, and the input frequency that excites each output.

    Parameters
    ----------
    result : Interpretation
    ax : Figure, SubFigure or Axes, optional
        Where to draw: 2 x 2 axes in reading order; a new figure otherwise.
    """
    null = _closest(result, "frequency map")
    studies = result.measured, result.draw(null)
    inputs, outputs = result.axes
    first, second = (study.jacobian / rms(study.jacobian) for study in studies)

    def picture(row: int, ax: Axes, limit: float) -> AxesImage:
        return show_weights(ax, (first, second)[row], limit, inputs, outputs)

    def order(row: int, ax: Axes, limit: float) -> None:
        _draw_order(ax, studies[row], inputs, outputs)

    panels = [Panel("mean Jacobian", picture, (first, second), "derivative / r.m.s.")]
    if inputs.ordered:
        panels.append(Panel("its rows' frequency", order, (first, second)))
    caption = (
        f"Which {inputs.name} moves which {outputs.name}: derivatives of the outputs by the inputs, mean over the inputs. They do not "
        f"depend on P. Below: {null.name}, one draw (its weights: {null.weights})."
    )
    return grid(Pair(studies, ("trained", null.name)), panels, caption, ax)


def _draw_order(ax: Axes, study: Study, inputs: Axis, outputs: Axis) -> None:
    cycles, numbers = output_frequencies(study.jacobian)
    n_out, n_in = study.jacobian.shape
    place = outputs.start + numbers * outputs.step(n_out)
    ax.plot(cycles / (2 * n_in * inputs.step(n_in)), place, ".", color="black", ms=3)
    ax.set(xlabel=inputs.frequency_label, ylabel=outputs.label, ylim=outputs.edges(n_out))
    ax.set_xlim(0, 0.5 / inputs.step(n_in))
