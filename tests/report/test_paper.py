"""Single pictures for papers, and tables for notebooks (golden files)."""

import html
import re
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import descrambler as ds
from descrambler.axis import Axis
from descrambler.deer import TrainState
from descrambler.deer.figures import learning_curve
from descrambler.evidence._findings import Finding, KindSummary
from descrambler.evidence._interpret import Interpretation
from descrambler.evidence._study import Study
from descrambler.evidence.nulls import Setting
from descrambler.report import paper_figure, plot_gram, plot_spectrum, plot_weights, save_paper

GOLDEN = Path(__file__).parents[1] / "data" / "golden"


@pytest.fixture(scope="module")
def study():
    with threadpool_limits(1):
        rng = np.random.default_rng(0)
        layers = []
        for n_in, n_out in [(16, 12), (12, 9), (9, 10)]:
            layers += [ds.Linear(rng.standard_normal((n_out, n_in))), ds.Activation("tanh")]
        x = rng.standard_normal((300, 16)) * 0.7 ** np.arange(16)
        yield Study(ds.Network(layers), x)


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_weights_are_drawn_as_they_are(study, layer):
    ax = plot_weights(study, layer, inputs=Axis("time", "µs", 0.0, 2.0))
    drawn = ax.images[0].get_array()
    weights = study.weights(layer)
    np.testing.assert_allclose(
        drawn * np.sqrt(np.mean(np.square(study.raw(layer)))), weights, rtol=1e-12
    )
    low, high = ax.images[0].get_clim()
    assert low == -high
    assert ("time (µs)" in ax.get_xlabel()) == (layer == 1)


@pytest.mark.parametrize("layer", [1, 2])
def test_a_bias_is_one_more_input_on_the_right(study, layer):
    rng = np.random.default_rng(1)
    layers = [
        ds.Linear(x.weight, rng.standard_normal(x.n_out)) if isinstance(x, ds.Linear) else x
        for x in study.network.layers
    ]
    biased = Study(ds.Network(layers), study.inputs)
    ax = plot_weights(biased, layer)
    weights, strip = ax.images
    unit = np.sqrt(np.mean(np.square(biased.raw(layer))))
    np.testing.assert_allclose(strip.get_array()[:, 0] * unit, biased.bias(layer), rtol=1e-12)
    assert strip.get_extent()[0] > weights.get_extent()[1]
    assert strip.get_extent()[2:] == weights.get_extent()[2:]
    assert len(plot_weights(study, layer).images) == 1


def test_pictures_go_into_the_axes_they_are_given(study):
    figure = paper_figure("double", 0.3, ncols=3)
    one, two, three = figure.axes
    assert plot_weights(study, 1, ax=one) is one
    assert plot_spectrum(study, 2, ax=two) is two
    assert plot_gram(study.links[0].before, ax=three) is three
    assert all(ax.get_xlabel() and ax.get_ylabel() for ax in (one, two, three))
    counts = [len(line.get_xdata()) for line in three.lines]
    resolved = int(study.links[0].before.resolved.sum())
    assert counts == [resolved, 12 - resolved]


def test_a_layer_without_outputs_to_descramble_has_no_spectrum(study):
    with pytest.raises(ValueError, match="layer must be between 1 and 2, got 3"):
        plot_spectrum(study, 3)


@pytest.mark.parametrize("suffix", [".pdf", ".svg"])
def test_figures_are_vectors_of_column_width_and_repeatable(study, tmp_path, suffix):
    paths = [tmp_path / f"{name}{suffix}" for name in "ab"]
    for path in paths:
        save_paper(plot_gram(study.links[0].before).figure, path)
    first, second = (path.read_bytes() for path in paths)
    assert first == second
    if suffix == ".svg":
        # Width in points, 72 an inch; text as text.
        width = float(re.search(rb'<svg[^>]* width="([0-9.]+)pt"', first)[1])
        assert abs(width / 72 * 2.54 - 8.7) < 0.01
        assert b"Gram eigenvalue / largest" in first
    with pytest.raises(ValueError, match="suffix of path must be one of"):
        save_paper(paper_figure(), tmp_path / "a.png")


def test_settings_of_others_are_left_alone(study):
    before = dict(matplotlib.rcParams)
    plot_weights(study, 1)
    assert dict(matplotlib.rcParams) == before


# ---- notebooks -------------------------------------------------------------------------------------


def same_as_golden(text, name):
    path = GOLDEN / name
    assert text == path.read_text().rstrip("\n")


def test_notebook_table_of_a_descrambling():
    """Rows that rounding or the clock decide are blanked."""
    x = np.diag([4.0, 3.0, 2.0, 1.0, 0.5])
    text = ds.descramble(np.vstack([x, -x]))._repr_html_()
    names = "gap|orthogonality error|time"
    text = re.sub(rf"(>(?:{names})</th><td[^>]*>)[^<]*", r"\1...", text)
    same_as_golden(text, "descrambling.html")


def test_notebook_table_of_an_interpretation(study):
    evil, nan = "<script>x</script>", float("nan")
    draws = (0.0,) * 200
    nulls = {
        "untrained": KindSummary(1.0, 0.5, 8.0, 1 / 201, 200, draws),
        evil: KindSummary(2.0, 0.5, 6.0, 0.01, 200, draws),
    }
    found = Finding(
        what="low-pass", where="network", value=5.0, uncertainty=0.5, unit="dB", rotation_matters=False,
        threshold=3.0, margin=1.0, nulls=nulls, controls={}, strongest=evil, effect=6.0, p=0.01,
        p_floor=1 / 201, n_draws=200, stability=1.0, verdict="present", detectable=4.0, sentence="It is.",
    )  # fmt: skip
    missing = Finding(
        what=evil, where="layer 2", value=nan, uncertainty=nan, unit="", rotation_matters=True,
        threshold=0.5, margin=0.1, nulls={}, controls={}, strongest="", effect=nan, p=nan,
        p_floor=nan, n_draws=0, stability=nan, verdict="not testable", detectable=nan, sentence="",
    )  # fmt: skip
    text = Interpretation(
        study=study,
        findings=(missing, found),
        axes=None,
        n_nulls=200,
        controls={},
        kinds=(),
        setting=Setting(study.network, study.inputs, None),
        seed=0,
    )._repr_html_()
    assert evil not in text
    assert html.escape(evil) in text
    same_as_golden(text, "interpretation.html")


def test_a_learning_curve_goes_into_the_axes_it_is_given():
    states = [
        TrainState(step, step / 100, 1.0 * step, 0.1 / step, 0.2 / step) for step in (1, 10, 100)
    ]
    figure = paper_figure()
    assert learning_curve(states, {"mean": 0.08}, ax=figure.axes[0]) is figure
    assert len(figure.axes[0].lines) == 3
    assert learning_curve(states, {}) is not figure
