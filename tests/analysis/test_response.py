"""Bands, notches, gains and cuts that were planted."""

import numpy as np
import pytest
import scipy.fft

import descrambler as ds
from descrambler import analysis

N = 64


def filtered(response, n_out=40, transform="dct", seed=0):
    """Random outputs behind one filter on the input axis."""
    waves = np.random.default_rng(seed).standard_normal((n_out, N))
    if transform == "dct":
        return scipy.fft.idct(scipy.fft.dct(waves, norm="ortho") * response, norm="ortho")
    return scipy.fft.irfft(scipy.fft.rfft(waves) * response, N)


def test_frequencies_are_those_of_the_transforms():
    position = (np.arange(N) + 0.5) / N
    for transform, index in (("dct", 9), ("fourier", 5)):
        f = analysis.frequencies(N, transform)
        wave = np.cos(2 * np.pi * f[index] * position)
        response = analysis.aggregate_response(wave[None], transform)
        assert np.argmax(response) == index
        assert len(f) == len(response)


@pytest.mark.parametrize("shape", [(6, 8), (7, 8), (6, 9), (1, 5), (5, 1)])
def test_frequency_response_of_waves(shape):
    rng = np.random.default_rng(0)
    w = rng.standard_normal(shape)
    dct = analysis.frequency_response(w)
    assert np.sum(dct**2) == pytest.approx(np.sum(w**2))
    fourier = analysis.frequency_response(w, "fourier")
    assert fourier.shape == (shape[0] // 2 + 1, shape[1] // 2 + 1)
    # Each frequency but zero and Nyquist stands for two.
    weight = [np.full(n // 2 + 1, 2.0) for n in shape]
    for n, count in zip(shape, weight, strict=True):
        count[0] = 1
        if n % 2 == 0:
            count[-1] = 1
    assert weight[0] @ fourier**2 @ weight[1] == pytest.approx(np.sum(w**2))


def test_response_of_white_weights_is_flat():
    w = 0.3 * np.random.default_rng(0).standard_normal((20000, 8))
    for transform in ("dct", "fourier"):
        np.testing.assert_allclose(analysis.aggregate_response(w, transform), 0.3, rtol=0.03)


@pytest.mark.parametrize("transform", ["dct", "fourier"])
def test_rotating_the_outputs_changes_nothing(transform):
    w = filtered(np.exp(-np.arange(N) / 9))
    rotated = ds.group.random_rotation(40, 1) @ w
    np.testing.assert_allclose(
        analysis.aggregate_response(rotated, transform),
        analysis.aggregate_response(w, transform),
        atol=1e-12,
    )


def test_bands_of_a_known_filter():
    f = analysis.frequencies(N)
    # A Gaussian passband about 10: -3 dB at 10 -+ 3 sqrt(0.3 ln 10), -20 dB at 10 -+ 3 sqrt(2 ln 10).
    response = np.exp(-((f - 10) ** 2) / (2 * 3**2))
    for level in (-3.0, -20.0):
        half = 3 * np.sqrt(-level / 10 * np.log(10))
        band = analysis.pass_band(f, response, level)
        assert band == pytest.approx((10 - half, 10 + half), abs=0.02)
    low_pass = np.where(f < 6, 1.0, 0.0)
    assert analysis.pass_band(f, low_pass) == (0, 5.5)
    assert analysis.pass_band(f, np.ones(N)) == (0, f[-1])


def test_level_outside_a_band():
    f = np.arange(80)
    band = np.where((f >= 20) & (f < 30), 1.0, np.where(f < 11, 0.1, 0.01))
    assert analysis.band_pass_level(band) == pytest.approx(-20)  # the worse side counts
    assert analysis.band_pass_level(1.0 * (f == 20)) == -300
    assert analysis.band_pass_level(np.exp(-f)) == 0  # a peak at zero is no band


def test_level_does_not_hop_with_the_peak_of_a_flat_top():
    f = np.arange(80)
    band = np.exp(-((f - 25) ** 2) / 50) + 0.05 + 0.2 * np.exp(-f / 4)
    levels = []
    for peak in (20, 25, 30):
        shaped = np.where((f >= 20) & (f <= 30), 1.0, band / 1.5)
        shaped[peak] += 1e-3
        levels.append(analysis.band_pass_level(shaped))
    assert np.ptp(levels) < 0.05


def test_pass_band_is_the_one_about_the_peak():
    f = np.arange(7.0)
    response = np.array([0.9, 0, 0.5, 1, 0.5, 0, 0.9])
    low, high = analysis.pass_band(f, response)
    assert 2 < low < 3 < high < 4


@pytest.mark.parametrize("transform", ["dct", "fourier"])
def test_notch_and_low_pass(transform):
    axis = analysis.frequencies(N, transform)
    shape = np.where(axis < axis[-1] / 2, 1.0, 0.01)
    shape[0] = 0.1
    response = analysis.aggregate_response(filtered(shape, 20000, transform), transform)
    assert analysis.notch_depth(response) == pytest.approx(-20, abs=0.5)
    assert analysis.upper_band_level(response) == pytest.approx(-40, abs=0.5)
    white = analysis.aggregate_response(filtered(np.ones_like(axis), 80, transform), transform)
    assert -6 < analysis.notch_depth(white) < 2
    assert -4 < analysis.upper_band_level(white) < 0
    assert analysis.notch_depth([0.0, 1.0]) == -np.inf


def test_gains():
    w = np.diag([3.0, 1.0, 0.1])
    gains = analysis.gain(w, [[2.0, 0, 0], [0, 0, 5], [1, 1, 0]])
    np.testing.assert_allclose(gains, [3, 0.1, np.sqrt(5)])
    assert analysis.gain_ratio(gains[1:2], gains[:1]) == pytest.approx(20 * np.log10(0.1 / 3))
    rotated = ds.group.random_rotation(3, 0) @ w
    np.testing.assert_allclose(analysis.gain(rotated, np.eye(3)), [3, 1, 0.1])


@pytest.mark.parametrize("transform", ["dct", "fourier"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_band_is_cut_and_the_rest_left(transform, dtype):
    w = np.random.default_rng(0).standard_normal((9, 31)).astype(dtype)
    cut = analysis.without_band(w, 4, 9, transform)
    assert cut.dtype == dtype
    f = analysis.frequencies(31, transform)
    inside = (f >= 4) & (f < 9)
    before, after = (analysis.aggregate_response(x, transform) for x in (w, cut))
    np.testing.assert_allclose(after[inside], 0, atol=1e-6)
    np.testing.assert_allclose(after[~inside], before[~inside], rtol=1e-5)


@pytest.fixture(scope="module")
def low_pass_regression():
    """A network that uses the lower half of its inputs' band, and has noise in the upper."""
    generator = np.random.default_rng(0)
    f = analysis.frequencies(N)
    first = filtered(np.where(f < N / 4, 1.0, 0.0), 12)
    first += filtered(np.where(f < N / 4, 0.0, 1.0), 12, seed=1)
    layers = [
        ds.Linear(first),
        ds.Activation("tanh"),
        ds.Linear(generator.standard_normal((5, 12))),
    ]
    inputs = filtered(np.where(f < N / 4, 0.1, 0.0), 300, seed=2)
    net = ds.Network(layers)
    return net, inputs, net(inputs) + 0.1 * generator.standard_normal((300, 5))


def test_only_a_band_that_is_used_costs_loss(low_pass_regression):
    net, x, y = low_pass_regression
    w = net.linear(1).weight
    loss = analysis.layer_loss(net, 1, x, y)
    assert loss(w) == pytest.approx(np.mean((net(x) - y) ** 2))
    assert analysis.band_cut(w, loss, N / 4) == pytest.approx(0, abs=1e-10)
    assert analysis.band_cut(w, loss, 0, N / 4) > 1
    q = ds.group.random_rotation(5, 0)
    second = analysis.layer_loss(net, 2, x, y)
    turned = analysis.layer_loss(net, 2, x, y @ q.T)
    w2 = net.linear(2).weight
    assert turned(q @ w2) == pytest.approx(second(w2))


def test_functional_rank_is_the_planted_one():
    generator = np.random.default_rng(3)
    useful = generator.standard_normal((8, 3)) @ generator.standard_normal((3, 9))
    w = useful + 1e-3 * generator.standard_normal((8, 9))
    x = generator.standard_normal((200, 9))
    net = ds.Network([ds.Linear(w), ds.Activation("tanh")])
    loss = analysis.layer_loss(net, 1, x, net(x) + 0.05 * generator.standard_normal((200, 8)))
    assert analysis.functional_rank(w, loss) == 3
    assert analysis.functional_rank(w, lambda _: 1.0) == 0
    assert analysis.functional_rank(w, lambda v: 1 + 1e6 * np.linalg.norm(v - w)) == 8


def test_bad_input():
    with pytest.raises(ValueError, match="transform must be one of 'dct', 'fourier', got 'sine'"):
        analysis.aggregate_response(np.eye(3), "sine")
    with pytest.raises(ValueError, match="response must have at least 2 entries, got 1"):
        analysis.notch_depth([1.0])
    with pytest.raises(ValueError, match="response must not be negative, got -1"):
        analysis.upper_band_level([1.0, -1.0])
    with pytest.raises(ValueError, match="fraction must be between 0 and 1, got 1"):
        analysis.upper_band_level([1.0, 1.0], 1)
    with pytest.raises(ValueError, match="frequency must have 2 entries like response, got 3"):
        analysis.pass_band([0.0, 1.0, 2.0], [1.0, 1.0])
    with pytest.raises(ValueError, match="frequency must be ascending"):
        analysis.pass_band([1.0, 0.0], [1.0, 1.0])
    with pytest.raises(ValueError, match="level_db must be negative, got 3"):
        analysis.pass_band([0.0, 1.0], [1.0, 1.0], 3)
    with pytest.raises(ValueError, match="response must not be all zero"):
        analysis.pass_band([0.0, 1.0], [0.0, 0.0])
    with pytest.raises(ValueError, match="low must be below high, got 3 and 2"):
        analysis.without_band(np.eye(3), 3, 2)
    with pytest.raises(ValueError, match="ratio must be above 1, got 1"):
        analysis.functional_rank(np.eye(3), lambda _: 1.0, 1)
    with pytest.raises(ValueError, match="loss must be positive and finite, got 0"):
        analysis.functional_rank(np.eye(3), lambda _: 0.0)
    with pytest.raises(ValueError, match="n must be at least 1, got 0"):
        analysis.frequencies(0)
    with pytest.raises(ValueError, match="must not be empty"):
        analysis.gain_ratio([], [1.0])
    net = ds.Network([ds.Linear(np.eye(3))])
    with pytest.raises(ValueError, match="layer must be between 1 and 1, got 2"):
        analysis.layer_loss(net, 2, np.eye(3), np.eye(3))
    with pytest.raises(ValueError, match=r"targets must have shape \(3, 3\), got \(2, 3\)"):
        analysis.layer_loss(net, 1, np.eye(3), np.ones((2, 3)))
