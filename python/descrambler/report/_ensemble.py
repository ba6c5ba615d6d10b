"""Agreement of the descrambled pictures of many networks, beside untrained ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .._util.validate import Array
from ..analysis._agreement import Agreement
from ..axis import Axis, index_axis
from ..evidence._ensemble import Ensemble
from ._axes import link_axis, show_weights
from ._colors import MAGNITUDE, UNRESOLVED
from ._layout import SIGNED_QUANTILE, finished, panel_axes, rms

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ._layout import Place

SIMILARITY = "similarity (cosine)"
BOUND = "bound over the gauge group"


def ensemble_figures(ensemble: Ensemble, axis: Axis | None = None) -> Iterator[tuple[str, Figure]]:
    """Draw the agreement of an ensemble.

    Parameters
    ----------
    ensemble : Ensemble
    axis : Axis, optional
        Axis of the inputs (tap "before") or of the outputs (tap "after").

    Yields
    ------
    name : str
        File name without suffix.
    figure : matplotlib Figure
    """
    yield "similarity", similarity_matrices(ensemble)
    yield "pairs", pair_histograms(ensemble)
    yield "consensus", consensus_pictures(ensemble, axis)
    yield "modes", mode_agreement(ensemble)


def similarity_matrices(ensemble: Ensemble, *, ax: Place = None) -> Figure:
    """Similarity of each network with each and its bound, trained above untrained.

    Parameters
    ----------
    ensemble : Ensemble
    ax : Figure, SubFigure or Axes, optional
        Where to draw: 2 x 2 axes in reading order; a new figure otherwise.
    """
    from matplotlib.ticker import MaxNLocator

    figure, axes = panel_axes(ax, (2, 2), (6.6, 6.4), sharex=True, sharey=True)
    for row, (name, agreement) in zip(axes, _pair(ensemble), strict=True):
        for panel, title, values in zip(
            row, (SIMILARITY, BOUND), (agreement.similarity, agreement.bound), strict=True
        ):
            image = panel.imshow(
                values,
                cmap=MAGNITUDE,
                vmin=0,
                vmax=1,
                interpolation="nearest",
            )
            panel.set_facecolor(UNRESOLVED)
            if name == "trained":
                panel.set_title(title, fontsize=10)
            panel.label_outer()
        row[0].set_ylabel(f"{name}\n\nnetwork, counted from 0")
    for panel in (*axes[:, 0], *axes[1]):
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes[1, 0].set_xlabel("network, counted from 0")
    axes[1, 1].set_xlabel("network, counted from 0")
    figure.colorbar(image, ax=axes, label="cosine", extend="min", shrink=0.7)
    return finished(
        ax,
        figure,
        f"{len(values)} networks on the same {ensemble.n_inputs} inputs: {_weights(ensemble)}, descrambled, compared pair by "
        "pair over the modes that both resolve. Left: in the canonical gauge. Right: in the gauge that brings the two "
        "closest. Grey: no resolved mode in common.",
    )


def pair_histograms(ensemble: Ensemble, *, ax: Place = None) -> Figure:
    """Distribution of the pairs of networks over similarity and bound.

    Parameters
    ----------
    ensemble : Ensemble
    ax : Figure, SubFigure or Axes, optional
        Where to draw: two axes in reading order; a new figure otherwise.
    """
    figure, axes = panel_axes(ax, (2, 1), (6.6, 5.0), sharex=True)
    axes = axes[:, 0]
    pairs = np.triu_indices(len(ensemble.trained.bound), 1)
    styles: dict[str, dict[str, Any]] = {
        "trained": {"histtype": "stepfilled", "color": "#15529b"},
        "untrained": {"histtype": "stepfilled", "color": "#f5b24b", "alpha": 0.8},
        "random": {"histtype": "step", "color": "black", "linestyle": "--"},
    }
    names = ("trained", "untrained", "random directions")
    sets = (ensemble.trained, ensemble.untrained, ensemble.random)
    lowest = float(np.nanmin([agreement.similarity[pairs] for agreement in sets]))
    edges = np.linspace(min(0.0, lowest), 1, 81)
    for panel, kind, title in zip(axes, ("similarity", "bound"), (SIMILARITY, BOUND), strict=True):
        values = [getattr(agreement, kind)[pairs] for agreement in sets]
        for name, style, value in zip(names, styles.values(), values, strict=True):
            shown = value[np.isfinite(value)]
            share = np.full(len(shown), 1 / max(len(shown), 1))
            panel.hist(shown, edges, weights=share, label=name, **style)
        panel.set(ylabel="share of pairs", xlabel=title)
        panel.xaxis.set_tick_params(labelbottom=True)
    axes[0].legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, frameon=False, fontsize=9)
    return finished(
        ax,
        figure,
        f"The {len(pairs[0])} pairs of networks. Untrained: agreement that the shared inputs produce alone. Random "
        "directions: the trained pictures with each mode in a random direction, which shows the agreement produced by "
        "the free signs alone.",
    )


def consensus_pictures(ensemble: Ensemble, axis: Axis | None = None, *, ax: Place = None) -> Figure:
    """One network, the mean over the networks in two gauges, and the spread of each.

    Parameters
    ----------
    ensemble : Ensemble
    axis : Axis, optional
        Axis of the inputs (tap "before") or of the outputs (tap "after").
    ax : Figure, SubFigure or Axes, optional
        Where to draw: 2 x 5 axes in reading order; a new figure otherwise.
    """
    n, n_other = ensemble.trained.modes.shape[1:]
    other = axis or index_axis("input" if ensemble.tap == "before" else "output", n_other)
    # Five panels leave no room for the axis's second line; the caption has it.
    links = replace(link_axis(n), name="link coordinate")
    rows = [(name, agreement, _pictures(agreement)) for name, agreement in _pair(ensemble)]
    tops = [float(np.quantile(np.abs(v), SIGNED_QUANTILE)) for *_, row in rows for v in row]
    limit = max(tops) or 1.0
    figure, axes = panel_axes(ax, (2, 5), (10.5, 6.0), sharex=True, sharey=True)
    titles = (
        "one network",
        "mean, canonical",
        "its spread (s.d.)",
        "mean, aligned to A",
        "its spread (s.d.)",
    )
    for line, (name, agreement, pictures) in zip(axes, rows, strict=True):
        for panel, title, values, letter in zip(line, titles, pictures, "ABCDE", strict=True):
            image = show_weights(panel, values.T, limit, links, other)
            panel.label_outer()
            if name == "trained":
                panel.set_title(f"{letter}  {title}", fontsize=10, loc="left")
        line[0].set_ylabel(f"{name}\n\n{other.label}")
        _note(line[1], f"{agreement.majority.sum()} of {n} modes")
    figure.colorbar(
        image, ax=axes, label="weight / r.m.s. weight", extend="both", shrink=0.7, aspect=30
    )
    return finished(
        ax,
        figure,
        f"{_weights(ensemble)}, descrambled: the modes that more than half of the {len(agreement.bound)} networks "
        "resolve, in units of the r.m.s. weight of each row's networks. A: the network most similar to the others. "
        "D: each network in the gauge closest to A, which favors A; judge it by the lower row. The method makes the waves "
        "along the link axis, and the order of its modes, by second moment.",
    )


def mode_agreement(ensemble: Ensemble, *, ax: Place = None) -> Figure:
    """Agreement mode by mode: cosine between the same mode of two networks, and of its sign.

    Parameters
    ----------
    ensemble : Ensemble
    ax : Figure, SubFigure or Axes, optional
        Where to draw: three axes in reading order; a new figure otherwise.
    """
    heights = (3, 1.5, 1.5)
    figure, axes = panel_axes(ax, (3, 1), (6.6, 6.6), sharex=True, height_ratios=heights)
    axes = axes[:, 0]
    pairs = np.triu_indices(len(ensemble.trained.bound), 1)
    last = 1
    for (name, agreement), color, marker, shift in zip(
        _pair(ensemble), ("#15529b", "#da9259"), "os", (-0.12, 0.12), strict=True
    ):
        cosines = agreement.mode_cosines[:, pairs[0], pairs[1]]
        resolved = np.isfinite(cosines).mean(axis=1)
        shown = np.flatnonzero(resolved >= 0.1)
        last = max(last, *(shown + 1), 1)
        style = {"color": color, "marker": marker, "markersize": 3.5, "linestyle": "none"}
        place = shown + 1 + shift
        quartiles = [np.nanquantile(np.abs(row), [0.25, 0.5, 0.75]) for row in cosines[shown]]
        low, middle, high = np.reshape(quartiles, (-1, 3)).T
        axes[0].errorbar(place, middle, [middle - low, high - middle], lw=0.8, label=name, **style)
        signs = [np.mean(row[np.isfinite(row)] > 0) for row in cosines[shown]]
        axes[1].plot(place, signs, **style)
        axes[2].plot(place, resolved[shown], **style)
    chance = np.nanmedian(np.abs(ensemble.random.mode_cosines[:, pairs[0], pairs[1]]))
    axes[0].axhline(chance, color="0.6", lw=0.8, ls="--")
    axes[1].axhline(0.5, color="0.6", lw=0.8, ls="--")
    axes[0].set(ylabel="|cosine| between networks,\nmedian and quartiles of pairs", ylim=(0, 1.02))
    axes[1].set(ylabel="share of pairs\nwith equal sign", ylim=(0, 1.05))
    axes[2].set(ylabel="share of pairs\nthat resolve it", ylim=(0, 1.05))
    axes[2].set(xlabel="link mode, by second moment of its signals", xlim=(0, last + 1))
    axes[0].legend(frameon=False, fontsize=9, loc="upper right")
    return finished(
        ax,
        figure,
        f"The same link mode of {_weights(ensemble)} in two networks. Not drawn: modes that fewer than a tenth of "
        "the pairs resolve. Dashed: random directions, random signs.",
    )


def _pair(ensemble: Ensemble) -> tuple[tuple[str, Agreement], tuple[str, Agreement]]:
    known = ensemble.n_initial == len(ensemble.trained.modes)
    name = "untrained" if known else "untrained or random"
    return ("trained", ensemble.trained), (name, ensemble.untrained)


def _weights(ensemble: Ensemble) -> str:
    return "$P W_1$" if ensemble.tap == "before" else f"$W_{{{ensemble.layer + 1}}} P^T$"


def _pictures(agreement: Agreement) -> tuple[Array, ...]:
    """Medoid, canonical mean and spread, aligned mean and spread, over the networks' r.m.s. weight."""
    plain, aligned = agreement.consensus(), agreement.consensus(align=True)
    one = agreement.picture(agreement.medoid)
    unit = rms(agreement.modes)
    pictures = (one, plain.mean, plain.spread, aligned.mean, aligned.spread)
    return tuple(picture / unit for picture in pictures)


def _note(ax: Axes, text: str) -> None:
    ax.annotate(
        text,
        (0.97, 0.97),
        xycoords="axes fraction",
        ha="right",
        va="top",
        fontsize=8,
        bbox={"boxstyle": "round", "facecolor": "white", "alpha": 0.85, "linewidth": 0},
    )
