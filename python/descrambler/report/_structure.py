"""The counterpart of the paper's Fig. 4: products and singular vectors of the last weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._util.threads import computes
from .._util.validate import Array
from ..analysis import chebyshev_share, participation_ratio, singular_vectors
from ..axis import Axis
from ._axes import link_axis, show_vectors, show_weights
from ._layout import Pair, Panel, grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

    from ._layout import Place

PRODUCT = "product / mean diagonal"
N_VECTORS, LEAST_OUTPUTS = 5, 8


def last_layer_structure(
    pair: Pair, outputs: Axis, *, center: bool = False, ax: Place = None
) -> Figure:
    """Products and singular vectors of the last weights, in the joint frame (Fig. 4).

    Parameters
    ----------
    pair : Pair
    outputs : Axis
    center : bool
        Whether to subtract the mean from each vector on the output side, as the authors' code does.
    ax : Figure, SubFigure or Axes, optional
        Where to draw: 2 x 4 axes in reading order; a new figure otherwise.
    """
    layer = pair.studies[0].network.n_linear
    raw = pair.weights(layer)
    first, second = (
        study.links[-1].joint.rotation.right(w) for study, w in zip(pair.studies, raw, strict=True)
    )
    parts = singular_vectors(first), singular_vectors(second)
    links = link_axis(first.shape[1])
    positions = outputs.positions(len(first))

    def product(title: str, values: tuple[Array, Array], axis: Axis) -> Panel:
        def draw(row: int, ax: Axes, limit: float) -> AxesImage:
            return show_weights(ax, values[row], limit, axis, axis)

        return Panel(title, draw, values, PRODUCT)

    def link_vectors(row: int, ax: Axes, limit: float) -> None:
        _draw_link_vectors(ax, parts[row][2], links)

    def output_vectors(row: int, ax: Axes, limit: float) -> None:
        vectors = parts[row][0]
        shown = vectors - vectors.mean(axis=0) if center else vectors
        _draw_output_vectors(ax, shown, positions, outputs)

    inner = _over_diagonal(first.T, first), _over_diagonal(second.T, second)
    outer = _over_diagonal(first, first.T), _over_diagonal(second, second.T)
    name = f"W_{{{layer}}}"
    panels = [
        product(f"$P {name}^T {name} P^T$", inner, links),
        product(f"${name} {name}^T$", outer, outputs),
        Panel("singular vectors, link side", link_vectors, inner),
        Panel("singular vectors, output side", output_vectors, outer),
    ]
    ranks = ", ".join(
        f"{name} {participation_ratio(values):.1f}"
        for name, (_, values, _) in zip(pair.names, parts, strict=True)
    )
    curves = _are_curves(outputs, first.shape[0])
    dashed = " (dashed: best Chebyshev polynomial plus a constant)" if curves else ""
    ninth = " C shows vectors 9 to 13, as the paper does." if min(first.shape) >= 13 else ""
    caption = (
        f"Structure of the last layer in the joint frame. B, D{dashed} and the effective rank ({ranks}, of {first.shape[1]}) "
        "do not depend on P; A and C do: the joint criterion smooths the weights themselves, so near-sinusoids in C "
        f"follow from it, for untrained weights too.{ninth}"
    )
    return grid(pair, panels, caption, ax)


def _draw_link_vectors(ax: Axes, vectors: Array, links: Axis) -> None:
    # The paper shows the ninth to the thirteenth.
    first = 8 if len(vectors) >= 13 else 0
    chosen = vectors[first : first + N_VECTORS]
    numbers = range(first + 1, first + 1 + len(chosen))
    show_vectors(ax, np.arange(1.0, vectors.shape[1] + 1), chosen, numbers)
    ax.set_xlabel(links.label)


def _draw_output_vectors(ax: Axes, vectors: Array, positions: Array, outputs: Axis) -> None:
    chosen = vectors.T[:N_VECTORS]
    numbers = range(1, len(chosen) + 1)
    if _are_curves(outputs, vectors.shape[0]):
        shares, fits = zip(*(chebyshev_share(v, k) for k, v in enumerate(chosen)), strict=True)
        remarks = [f"$T_{k}$:\n$R^2$={max(share, 0.0):.2f}" for k, share in enumerate(shares)]
        show_vectors(ax, positions, chosen, numbers, np.array(fits), remarks)
    else:
        show_vectors(ax, positions, chosen, numbers)
    ax.set_xlabel(outputs.label)


def _are_curves(outputs: Axis, n: int) -> bool:
    """Whether a polynomial along the outputs means anything: a short list is no curve."""
    return outputs.ordered and n >= LEAST_OUTPUTS


@computes
def _over_diagonal(left: Array, right: Array) -> Array:
    product = left @ right
    return product / (float(np.mean(np.diagonal(product))) or 1.0)
