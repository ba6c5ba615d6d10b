"""Figures: what is drawn is what was computed, and honest about what is not known."""

import dataclasses
import io
import warnings

import matplotlib.image
import numpy as np
import pytest
from matplotlib.figure import Figure

import descrambler as ds
from descrambler.axis import Axis
from descrambler.evidence._study import Study
from descrambler.evidence.nulls import random_counterpart
from descrambler.report import Pair, network_figures
from descrambler.report._axes import show_spectrum, show_weights, unresolved_frequencies
from descrambler.report._colors import signed

pytestmark = pytest.mark.usefixtures("one_thread")


def studied(widths, m=300, bias=False):
    generator = np.random.default_rng(0)
    layers = []
    for n_in, n_out in zip(widths[:-1], widths[1:], strict=True):
        weights = generator.standard_normal((n_out, n_in))
        offset = generator.standard_normal(n_out) if bias else None
        layers += [ds.Linear(weights, offset), ds.Activation("tanh")]
    network = ds.Network(layers)
    x = generator.standard_normal((m, widths[0])) * 0.7 ** np.arange(widths[0])
    other = random_counterpart(network)
    studies = Study(network, x), Study(other, x)
    return Pair(studies, ("trained", "random weights"), "A note.")


def test_biases_are_drawn_beside_the_weights_as_an_extra_input_line():
    pair = studied([16, 12, 9, 10], bias=True)
    study = pair.studies[0]
    with_biases = dict(network_figures(pair))
    for layer in (1, 2, 3):
        figure, b = with_biases[f"layer{layer}"], study.network.linear(layer).bias
        unit = np.sqrt(np.mean(study.raw(layer) ** 2))
        raw, full = figure.axes[:2]
        assert len(raw.images) == len(full.images) == 2
        np.testing.assert_allclose(raw.images[1].get_array().ravel(), b / unit)
        turned = b if layer == 3 else study.links[layer - 1].before.rotation.matrix @ b
        np.testing.assert_allclose(full.images[1].get_array().ravel(), turned / unit)
        # A bias beyond the weights' scale is drawn on its own: the strip is not one color.
        top = max(raw.images[0].get_clim()[1], np.abs(b / unit).max())
        assert raw.images[1].get_clim() == pytest.approx((-top, top))
        assert (raw.images[1].get_array().shape[0] == 1) == (layer < 3)
        assert "bias" in texts(figure)
    assert "bias" not in texts(next(network_figures(studied([16, 12, 9, 10])))[1])


def texts(figure):
    return " ".join(text.get_text() for text in figure.findobj(match=matplotlib.text.Text))


@pytest.fixture(scope="module")
def figures():
    time = Axis("time", "µs", 0.0, 2.0, "frequency", "MHz")
    return dict(network_figures(studied([16, 12, 9, 10]), time))


def test_one_figure_a_layer_and_the_structure_of_the_last(figures):
    assert list(figures) == ["layer1", "layer2", "layer3", "layer3_structure"]


def test_pictures_of_both_networks_share_a_scale(figures):
    for figure in figures.values():
        axes = [ax for ax in figure.axes if ax.images]
        panels = [ax for ax in axes if ax.get_title() or ax.images[0].get_array().ndim == 2]
        half = len(panels) // 2
        for upper, lower in zip(panels[:half], panels[half:], strict=True):
            assert upper.images[0].get_clim() == lower.images[0].get_clim()
            low, high = upper.images[0].get_clim()
            assert low in (0, -high)


def test_axes_say_what_they_are(figures):
    for name, figure in figures.items():
        words = texts(figure)
        assert "link coordinate\n(modes by second moment)" in words, name
        assert "A note." in words.replace("\n", " "), name
        panels = [ax for ax in figure.axes if ax.get_label() != "<colorbar>"]
        assert all(ax.get_ylabel() for ax in panels)
        # Said once below both rows, which have one axis.
        columns = [ax.get_shared_x_axes().get_siblings(ax) for ax in panels]
        assert all(sorted(bool(ax.get_xlabel()) for ax in two) == [False, True] for two in columns)
        bars = [ax for ax in figure.axes if ax.get_label() == "<colorbar>"]
        assert bars
        assert all(ax.get_xlabel() for ax in bars)
    assert "frequency (MHz)" in texts(figures["layer1"])
    assert "do not depend on P" in texts(figures["layer3_structure"]).replace("\n", " ")


def test_nothing_is_empty_when_drawn(figures):
    for figure in figures.values():
        stream = io.BytesIO()
        figure.savefig(stream, dpi=50)
        stream.seek(0)
        assert matplotlib.image.imread(stream)[..., :3].std() > 0.1


@pytest.mark.parametrize("widths", [[1, 1, 1], [3, 2, 4], [5, 1, 3, 2], [40, 30, 20, 25, 3]])
def test_any_width_and_depth(widths):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _, figure in network_figures(studied(widths)):
            figure.savefig(io.BytesIO(), dpi=20)


def test_unresolved_frequencies_need_both_modes():
    # Modes: constant; cos 1, sin 1; cos 2, sin 2; Nyquist (n = 6).
    resolved = np.array([True, True, True, True, False, True])
    np.testing.assert_array_equal(unresolved_frequencies(resolved), [2])
    assert unresolved_frequencies(np.ones(6, bool)).size == 0


def test_unresolved_frequencies_are_covered():
    ax = Figure().subplots()
    resolved = np.arange(9) < 5
    show_spectrum(ax, np.ones((9, 7)), 1.0, resolved, (-3.5, 3.5), np.arange(7) < 3)
    spans = sorted((p.get_x(), p.get_x() + p.get_width()) for p in ax.patches[:2])
    np.testing.assert_allclose(spans, [(-4.5, -2.5), (2.5, 4.5)])
    heights = sorted((p.get_y(), p.get_y() + p.get_height()) for p in ax.patches[2:])
    np.testing.assert_allclose(heights, [(-3.5, -1.5), (1.5, 3.5)])
    assert ax.get_xlim() == (-4.5, 4.5)


def test_zoom_ends_after_the_resolved_and_not_at_a_lone_mode_far_out():
    pair = studied([16, 40, 9])
    for study, last in zip(pair.studies, (9, 5), strict=True):
        resolved = np.arange(40) < last
        resolved[-1] = True
        before = dataclasses.replace(study.links[0].before, resolved=resolved)
        object.__setattr__(study.links[0], "before", before)
    figure = dict(network_figures(pair))["layer1"]
    zoomed = [ax for ax in figure.axes if ax.get_title().endswith("near zero")]
    assert [ax.get_xlim() for ax in zoomed] == [(-7.5, 7.5)]


def test_cells_are_centered_on_their_values():
    ax = Figure().subplots()
    axis = Axis("time", "µs", 0.0, 2.0, "frequency", "MHz")
    image = show_weights(ax, np.zeros((5, 3)), 1.0, axis, axis)
    assert image.get_extent() == [-0.5, 2.5, -0.25, 2.25]
    # 5 points, 0.5 apart: frequencies -0.8, -0.4, 0, 0.4, 0.8 MHz.
    np.testing.assert_allclose(axis.frequency_edges(5), (-1.0, 1.0))


def test_signed_colors_survive_a_grey_copy():
    rgb = signed()(np.linspace(0, 1, 101))[:, :3]
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    lightness = np.where(luminance > 0.008856, 116 * np.cbrt(luminance) - 16, 903.3 * luminance)
    assert (np.diff(lightness) > 0).all()
    # Both signs stand out from zero equally.
    np.testing.assert_allclose(lightness + lightness[::-1], 2 * lightness[50], atol=2)
    assert np.ptp(rgb[50]) < 0.02
