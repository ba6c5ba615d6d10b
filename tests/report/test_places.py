"""Where figures go: a figure of their own, a part of another, or axes that are given."""

import numpy as np
import pytest
from benchmarks.harness.figures import cost_figure, gap_figure
from matplotlib.figure import Figure
from threadpoolctl import threadpool_limits

import descrambler as ds
from descrambler.axis import index_axis
from descrambler.deer.figures import distance_figure
from descrambler.evidence._study import Study
from descrambler.evidence.nulls import random_counterpart
from descrambler.report import Pair, first_layer, inner_layer, last_layer, last_layer_structure
from descrambler.report._ensemble import (
    consensus_pictures,
    mode_agreement,
    pair_histograms,
    similarity_matrices,
)
from descrambler.report._evidence import jacobian_figure, response_figure

POINTS = {"a": [(1.0, 1.0), (2.0, 0.5)], "b": [(1.0, 2.0), (2.0, 0.1)]}
X = np.random.default_rng(1).standard_normal((100, 12)) * 0.8 ** np.arange(12)


def network(seed):
    rng = np.random.default_rng(seed)
    layers = []
    for n_in, n_out in [(12, 9), (9, 8), (8, 10)]:
        layers += [ds.Linear(rng.standard_normal((n_out, n_in))), ds.Activation("tanh")]
    return ds.Network(layers)


@pytest.fixture(scope="module")
def drawn():
    """Each function that draws several panels, with what it is to draw."""
    with threadpool_limits(1):
        one = network(0)
        pair = Pair((Study(one, X), Study(random_counterpart(one), X)), ("trained", "random"))
        result = ds.interpret(one, X, nulls=20)
        ensemble = ds.ensemble([network(k) for k in range(3)], X)
        trace = ds.deer.prepare(
            ds.deer.Trace(np.linspace(0, 2, 200), np.exp(-3 * np.linspace(0, 2, 200) ** 2) + 1)
        )
        distances = ds.deer.predict_distances([ds.deer.pretrained()], trace)
    side = index_axis("input", 12)
    return {
        "first_layer": lambda **to: first_layer(pair, side, **to),
        "inner_layer": lambda **to: inner_layer(pair, 2, **to),
        "last_layer": lambda **to: last_layer(pair, side, **to),
        "last_layer_structure": lambda **to: last_layer_structure(pair, side, **to),
        "response_figure": lambda **to: response_figure(result, **to),
        "jacobian_figure": lambda **to: jacobian_figure(result, **to),
        "similarity_matrices": lambda **to: similarity_matrices(ensemble, **to),
        "pair_histograms": lambda **to: pair_histograms(ensemble, **to),
        "consensus_pictures": lambda **to: consensus_pictures(ensemble, **to),
        "mode_agreement": lambda **to: mode_agreement(ensemble, **to),
        "gap_figure": lambda **to: gap_figure({"n = 3": POINTS, "n = 4": POINTS}, **to),
        "cost_figure": lambda **to: cost_figure({"exact": POINTS}, **to),
        "distance_figure": lambda **to: distance_figure(trace, distances, **to),
    }


def panels(figure):
    return [ax for ax in figure.axes if ax.get_label() != "<colorbar>"]


@pytest.mark.parametrize(
    "name",
    [
        "first_layer",
        "inner_layer",
        "last_layer",
        "last_layer_structure",
        "response_figure",
        "jacobian_figure",
        "similarity_matrices",
        "pair_histograms",
        "consensus_pictures",
        "mode_agreement",
        "gap_figure",
        "cost_figure",
        "distance_figure",
    ],
)
def test_panels_go_where_they_are_told(drawn, name):
    draw = drawn[name]
    count = len(panels(draw()))

    whole = Figure(figsize=(12, 10), layout="constrained")
    upper, lower = whole.subfigures(2, 1)
    assert draw(ax=upper) is whole
    assert len(panels(upper)) == count
    assert lower.axes == []

    other = Figure(figsize=(12, 10), layout="constrained")
    axes = other.subplots(1, count + 1, squeeze=False)[0]
    assert draw(ax=axes[:count]) is other
    assert all(ax.has_data() for ax in axes[:count])
    assert not axes[count].has_data()
    assert other.get_supxlabel() == ""
    whole.draw_without_rendering()

    with pytest.raises(ValueError, match=r"ax must be a Figure, a SubFigure or \d x \d Axes, got"):
        draw(ax=axes)
