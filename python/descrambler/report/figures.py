"""The counterparts of the paper's Figs 2, 3 and 4, the untrained network below the trained one."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .._validate import Array
from ..analysis import (
    chebyshev_share,
    participation_ratio,
    singular_vectors,
    two_sided_spectrum,
)
from ..result import Descrambling
from ..study import Study, resolved_part
from .axes import (
    Axis,
    index_axis,
    link_axis,
    show_spectrum,
    show_vectors,
    show_weights,
    unit_axis,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

Pair = tuple[Study, Study]

# Trained weights are larger: each network is shown in units of its own, on one scale.
WEIGHT_LABEL = "weight / r.m.s. weight"
MAGNITUDE_LABEL = "magnitude / r.m.s. weight"


class Panel(NamedTuple):
    """One column of a figure: a picture of each network, on one scale."""

    title: str
    values: tuple[Array, Array]
    draw: Callable[[int, Axes, float], AxesImage]
    colour: str


def network_figures(
    trained: Study,
    untrained: Study,
    names: tuple[str, str],
    input_axis: Axis | None = None,
    output_axis: Axis | None = None,
) -> Iterator[tuple[str, Figure]]:
    """Draw every layer of a descrambled network beside its untrained counterpart.

    Parameters
    ----------
    trained, untrained : Study
        Of networks of one shape.
    names : pair of str
        What to call the two.
    input_axis, output_axis : Axis, optional
        What the network's inputs and outputs are.

    Yields
    ------
    name : str
        File name without suffix.
    figure : matplotlib Figure
    """
    pair = (trained, untrained)
    network = trained.network
    inputs = input_axis or index_axis("input", network.n_in)
    outputs = output_axis or index_axis("output", network.n_out)
    last = network.n_linear
    yield "layer1", first_layer(pair, names, inputs)
    for layer in range(2, last):
        yield f"layer{layer}", inner_layer(pair, names, layer)
    yield f"layer{last}", last_layer(pair, names, outputs)
    yield f"layer{last}_structure", last_layer_structure(pair, names, outputs)


def first_layer(pair: Pair, names: tuple[str, str], inputs: Axis) -> Figure:
    """First weights, raw and descrambled, and their two-sided spectrum (Fig. 2)."""
    results = [study.links[0].before for study in pair]
    raw, full, part = _views([study.network.linear(1).weight for study in pair], results)
    n = results[0].rotation.n
    spectra = _both([two_sided_spectrum(w) for w in full])

    def weights(values: tuple[Array, Array], across: Axis) -> Callable[..., AxesImage]:
        return lambda i, ax, limit: show_weights(ax, values[i].T, limit, across, inputs)

    edges = inputs.frequency_edges(raw[0].shape[1])

    def spectrum(across: float, up: float) -> Callable[..., AxesImage]:
        def draw(i: int, ax: Axes, limit: float) -> AxesImage:
            image = show_spectrum(ax, spectra[i], limit, results[i].resolved, edges)
            low, high = ax.get_xlim()
            ax.set(xlim=(across * low, across * high), ylim=(up * edges[0], up * edges[1]))
            ax.set_ylabel(inputs.frequency_label)
            return image

        return draw

    panels = [
        Panel("$W_1$, raw", raw, weights(raw, unit_axis(n)), WEIGHT_LABEL),
        Panel("$P W_1$", full, weights(full, link_axis(n)), WEIGHT_LABEL),
        Panel("$P W_1$, resolved modes", part, weights(part, link_axis(n)), WEIGHT_LABEL),
        Panel("$|F_+ P W_1 F_-|$", spectra, spectrum(1, 1), MAGNITUDE_LABEL),
        Panel("the same, near zero", spectra, spectrum(0.4, 0.15), MAGNITUDE_LABEL),
    ]
    return _figure(
        panels,
        names,
        "First layer (counterpart of the paper's Fig. 2). The response along the "
        f"{inputs.name} axis does not depend on P; order and waves along the link axis are made by P, which sorts "
        "principal components of the signals by variance onto rising link frequencies. Grey: modes that the "
        "inputs do not resolve.",
    )


def inner_layer(pair: Pair, names: tuple[str, str], layer: int) -> Figure:
    """Weights between two link dimensions, raw and descrambled from both sides (SI S4)."""
    scale = [_rms(study.network.linear(layer).weight) for study in pair]
    raw = _both(
        [study.network.linear(layer).weight / r for study, r in zip(pair, scale, strict=True)]
    )
    full = _both([study.weights(layer) / r for study, r in zip(pair, scale, strict=True)])
    spectra = _both([two_sided_spectrum(w) for w in full])
    n_out, n_in = raw[0].shape
    ins, outs = link_axis(n_in), link_axis(n_out)
    edges = (-(n_in // 2) - 0.5, n_in - n_in // 2 - 0.5)

    def spectrum(i: int, ax: Axes, limit: float) -> AxesImage:
        resolved = pair[i].links[layer - 1].before.resolved
        image = show_spectrum(ax, spectra[i], limit, resolved, edges)
        ax.set(xlabel=f"output {ax.get_xlabel()}", ylabel=f"input {ax.get_xlabel()}")
        return image

    panels = [
        Panel(
            f"$W_{layer}$, raw",
            raw,
            lambda i, ax, limit: show_weights(ax, raw[i], limit, unit_axis(n_in), unit_axis(n_out)),
            WEIGHT_LABEL,
        ),
        Panel(
            f"$P_{layer} W_{layer} P_{layer - 1}^T$",
            full,
            lambda i, ax, limit: show_weights(ax, full[i], limit, ins, outs),
            WEIGHT_LABEL,
        ),
        Panel(
            f"$|F_+ P_{layer} W_{layer} P_{layer - 1}^T F_-|$", spectra, spectrum, MAGNITUDE_LABEL
        ),
    ]
    return _figure(
        panels,
        names,
        f"Layer {layer}, between two link dimensions. Both axes are made by P; only its singular values do not "
        "depend on P. Grey: output modes that the inputs do not resolve.",
    )


def last_layer(pair: Pair, names: tuple[str, str], outputs: Axis) -> Figure:
    """Last weights, raw and descrambled jointly and from the signals alone (Fig. 3)."""
    weights = [study.network.linear(study.network.n_linear).weight for study in pair]
    joint = [study.links[-1].joint for study in pair]
    alone = [study.links[-1].after for study in pair]
    raw, jointly, _ = _views([w.T for w in weights], joint)
    _, by_signals, part = _views([w.T for w in weights], alone)
    layer, n = pair[0].network.n_linear, len(raw[0])

    def panel(title: str, values: tuple[Array, Array], across: Axis) -> Panel:
        return Panel(
            title,
            values,
            lambda i, ax, limit: show_weights(ax, values[i].T, limit, across, outputs),
            WEIGHT_LABEL,
        )

    panels = [
        panel(f"$W_{layer}$, raw", raw, unit_axis(n)),
        panel(f"$W_{layer} P^T$, joint", jointly, link_axis(n)),
        panel(f"$W_{layer} P^T$, signals alone", by_signals, link_axis(n)),
        panel("the same, resolved modes", part, link_axis(n)),
    ]
    return _figure(
        panels,
        names,
        f"Last layer (counterpart of the paper's Fig. 3). What happens along the {outputs.name} axis does not depend "
        "on P; along the link axis it does. The joint criterion also smooths the weights themselves, so smooth "
        "weights are its doing.",
    )


def last_layer_structure(pair: Pair, names: tuple[str, str], outputs: Axis) -> Figure:
    """Products and singular vectors of the last weights (Fig. 4)."""
    from matplotlib.figure import Figure

    layer = pair[0].network.n_linear
    descrambled = [
        study.links[-1].joint.rotation.right(study.network.linear(layer).weight) for study in pair
    ]
    n_out, n = descrambled[0].shape
    inner = _both([_over_diagonal(w.T @ w) for w in descrambled])
    outer = _both([_over_diagonal(w @ w.T) for w in descrambled])
    figure = Figure(figsize=(13, 7.4), layout="constrained")
    axes = figure.subplots(2, 4)
    for i, (row, w) in enumerate(zip(axes, descrambled, strict=True)):
        name = names[i]
        for ax, products, axis, title in (
            (row[0], inner, link_axis(n), f"$P W_{layer}^T W_{layer} P^T$"),
            (row[1], outer, outputs, f"$W_{layer} W_{layer}^T$"),
        ):
            image = show_weights(ax, products[i], _limit(products), axis, axis)
            ax.set_title(f"{title}\n{name}", fontsize=9)
            figure.colorbar(image, ax=ax, label="product / mean diagonal")
        _draw_link_vectors(row[2], w, name)
        _draw_output_vectors(row[3], w, name, outputs)
    _caption(
        figure,
        "Structure of the last layer in the joint frame (counterpart of the paper's Fig. 4). Output-side singular vectors "
        "(dashed: best Chebyshev polynomial plus a constant), products over the link and ranks do not depend on P. "
        "Link-side singular vectors do: sinusoids there follow from the criterion, for untrained weights too.",
    )
    return figure


def _draw_link_vectors(ax: Axes, weights: Array, name: str) -> None:
    _, values, link_side = singular_vectors(weights)
    # The paper shows the ninth to the thirteenth.
    first = 8 if len(values) >= 13 else 0
    chosen = link_side[first : first + 5]
    labels = [f"{first + i + 1}" for i in range(len(chosen))]
    show_vectors(ax, np.arange(1.0, weights.shape[1] + 1), chosen, labels)
    ax.set_xlabel("link coordinate\n(modes by variance)")
    ax.set_title(f"link-side vectors\n{name}", fontsize=9)


def _draw_output_vectors(ax: Axes, weights: Array, name: str, outputs: Axis) -> None:
    output_side, values, _ = singular_vectors(weights)
    chosen = output_side.T[:5]
    shares, fits = zip(*(chebyshev_share(v, k) for k, v in enumerate(chosen)), strict=True)
    labels = [f"{k + 1}: $R^2(T_{k})$ = {share:.2f}" for k, share in enumerate(shares)]
    positions = np.linspace(outputs.start, outputs.stop, len(output_side))
    show_vectors(ax, positions, chosen, labels, np.array(fits))
    ax.set_xlabel(outputs.label)
    rank = participation_ratio(values)
    ax.set_title(
        f"output-side vectors, effective rank {rank:.1f}\n{name}",
        fontsize=9,
    )


def _views(
    weights: list[Array], results: list[Descrambling]
) -> tuple[tuple[Array, Array], tuple[Array, Array], tuple[Array, Array]]:
    """Raw, descrambled, and descrambled in the resolved modes alone; units in rows, r.m.s. one."""
    weights = [w / _rms(w) for w in weights]
    full = [result.rotation.left(w) for w, result in zip(weights, results, strict=True)]
    part = [resolved_part(result) @ w for w, result in zip(weights, results, strict=True)]
    return _both(weights), _both(full), _both(part)


def _both(values: Sequence[Array]) -> tuple[Array, Array]:
    first, second = values
    return first, second


def _rms(values: Array) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64)))) or 1.0


def _over_diagonal(product: Array) -> Array:
    return product / (float(np.mean(np.diagonal(product))) or 1.0)


def _limit(values: tuple[Array, Array]) -> float:
    """One scale for both networks; the largest of two hundred entries saturates."""
    return max(float(np.quantile(np.abs(v), 0.995)) for v in values) or 1.0


def _figure(panels: list[Panel], names: tuple[str, str], caption: str) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.9 * len(panels), 7.4), layout="constrained")
    axes = figure.subplots(2, len(panels), squeeze=False)
    for column, panel in enumerate(panels):
        limit = _limit(panel.values) * (2 if panel.colour == MAGNITUDE_LABEL else 1)
        for i, name in enumerate(names):
            image = panel.draw(i, axes[i, column], limit)
            axes[i, column].set_title(f"{panel.title}\n{name}", fontsize=9)
        figure.colorbar(image, ax=axes[:, column], label=panel.colour, location="bottom", aspect=30)
    _caption(figure, caption)
    return figure


def _caption(figure: Figure, text: str) -> None:
    width = int(figure.get_size_inches()[0] * 13.5)
    figure.supxlabel("\n".join(textwrap.wrap(text, width)), fontsize=9, ha="left", x=0.01)
