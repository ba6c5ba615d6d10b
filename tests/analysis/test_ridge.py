"""Power laws that were planted in spectra."""

import numpy as np
import pytest
import scipy.fft
import scipy.optimize

import descrambler as ds
from descrambler import analysis
from descrambler.analysis._ridge import _row_spectra
from descrambler.analysis._ridge_likelihood import Likelihood
from descrambler.analysis._ridge_search import best_ridge

TIME = (np.arange(128) + 0.5) / 128


def planted(exponent, noise=1.0, n_link=40, seed=0, top=40.0, time=TIME):
    """Link frequency k carries waves of frequency ``c k^exponent``, `top` at the last, in noise.

    Waves beyond the axis are left out.
    """
    generator = np.random.default_rng(seed)
    last = (n_link - 1) // 2
    highest = last if exponent > 0 else 1
    link = np.arange(n_link) / n_link
    w = np.zeros((n_link, len(time)))
    for k in range(1, last + 1):
        f = top * (k / highest) ** exponent
        if f >= len(time) / 2:
            continue
        for wave in (np.cos, np.sin):
            phase = generator.uniform(0, 2 * np.pi)
            w += np.outer(
                wave(2 * np.pi * k * link + phase), np.cos(2 * np.pi * f * time + 2 * phase)
            )
    return w + noise * w.std() * generator.standard_normal(w.shape)


@pytest.mark.parametrize("exponent", [1 / 3, 1, 2, 3, -1 / 2])
@pytest.mark.parametrize("transform", ["dct", "fourier"])
@pytest.mark.parametrize("noise", [0, 1, 3])
def test_a_planted_exponent_is_read_without_bias(exponent, transform, noise):
    maps = [analysis.frequency_map(planted(exponent, noise, seed=s), transform) for s in range(4)]
    mean = np.mean([m.exponent for m in maps])
    assert mean == pytest.approx(exponent, abs=0.02 if noise < 3 else 0.06)
    highest = 19 if exponent > 0 else 1
    assert np.mean([m(highest) for m in maps]) == pytest.approx(40, rel=0.02)
    assert all(m.evidence > 0.03 for m in maps)


@pytest.mark.parametrize(
    ("exponent", "top", "n_in", "seed"),
    [(1.7, 60, 40, 0), (1.7, 120, 48, 1), (2.3, 250, 48, 0), (2.3, 120, 64, 1)],
)
def test_a_sharp_ridge_that_leaves_the_axis_is_read_all_the_same(exponent, top, n_in, seed):
    """Of lines far beyond the axis only rounding is left, and must not decide where the search goes."""
    time = (np.arange(n_in) + 0.5) / n_in
    found = analysis.frequency_map(planted(exponent, 0.1, 60, seed, top, time))
    assert found.exponent == pytest.approx(exponent, abs=0.02)
    assert found(29) == pytest.approx(top, rel=0.03)
    assert 1e-4 < found.error < 0.1


@pytest.mark.slow
def test_the_error_is_the_spread():
    """In lines scattered about the law by a tenth."""
    generator = np.random.default_rng(0)
    link, k = np.arange(60) / 60, np.arange(1, 30)
    maps = []
    for _ in range(40):
        f = 2 * k * np.exp(0.1 * generator.standard_normal(29))
        waves = np.cos(2 * np.pi * (np.outer(f, TIME) + generator.uniform(size=(29, 1))))
        maps.append(analysis.frequency_map(np.cos(2 * np.pi * np.outer(link, k)) @ waves))
    exponents = np.array([m.exponent for m in maps])
    assert exponents.mean() == pytest.approx(1, abs=0.03)
    error = np.sqrt(np.mean([m.error**2 for m in maps]))
    assert 0.5 < error / exponents.std() < 2


def test_noise_has_no_evidence():
    generator = np.random.default_rng(0)
    noise = [analysis.frequency_map(generator.standard_normal((40, 128))) for _ in range(10)]
    weakest = analysis.frequency_map(planted(3, 3)).evidence
    assert max(m.evidence for m in noise) < weakest / 3


def test_scrambled_and_descrambled_again():
    """Waves of falling strength through a random rotation: the criterion brings the law back."""
    k = (np.arange(23) + 1) // 2
    half_cycles = k**2 + np.arange(23) % 2 - (k > 0)
    waves = scipy.fft.idct(np.eye(128), norm="ortho")[half_cycles] / (1 + np.arange(23))[:, None]
    w = ds.group.random_rotation(23, 0) @ waves
    inputs = np.random.default_rng(1).standard_normal((20000, 128))
    scrambled = analysis.frequency_map(w)
    found = analysis.frequency_map(ds.descramble(inputs @ w.T).rotation.left(w))
    # Rows that all are low-pass alike are no map.
    assert scrambled.evidence < 0.1 < found.evidence
    assert abs(scrambled.exponent - 2) > 1
    assert found.exponent == pytest.approx(2, abs=0.05)


def likelihood(w):
    return Likelihood(_row_spectra(w, "dct"), analysis.frequencies(w.shape[1])[1:])


@pytest.mark.parametrize("theta", [(2.0, 1.8, -1.5), (3.0, -0.4, 0.5)])
def test_slopes_are_those_of_the_likelihood_at_the_best_shares(theta):
    model, step = likelihood(planted(2.0)), 1e-5

    def gradient(where):
        model.values(where, 1e-12)
        return model.slopes()[0].sum(axis=0)

    theta, moves = np.array(theta), step * np.eye(3)
    value = [
        model.values(theta + m, 1e-12).sum() - model.values(theta - m, 1e-12).sum() for m in moves
    ]
    np.testing.assert_allclose(gradient(theta), np.array(value) / (2 * step), rtol=1e-5)
    change = [gradient(theta + m) - gradient(theta - m) for m in moves]
    model.values(theta, 1e-12)
    hessian = model.slopes()[1]
    error = 1e-6 * np.abs(hessian).max()
    np.testing.assert_allclose(hessian, np.array(change) / (2 * step), rtol=1e-4, atol=error)


@pytest.mark.parametrize("exponent", [1, 2, -1 / 2])
def test_no_search_nearby_finds_a_better_ridge(exponent):
    """Against a search that has neither slopes nor float32."""
    model = likelihood(planted(exponent, 3))
    found = best_ridge(model)
    reached = model.values(found).sum()
    other = scipy.optimize.minimize(
        lambda theta: -model.values(theta).sum(), found + 0.02, method="Nelder-Mead"
    )
    # Sharp lines: below the resolution the width changes next to nothing.
    assert -other.fun <= reached + 1e-3
    np.testing.assert_allclose(other.x[:2], found[:2], atol=2e-3)


def test_the_likelihood_in_float32_is_that_in_float64():
    model = likelihood(planted(2.0))
    rough = Likelihood(model.spectra.astype(np.float32), model.frequency)
    theta = np.array([2.0, 1.8, -1.5])
    np.testing.assert_allclose(rough.values(theta), model.values(theta), rtol=1e-4, atol=1e-5)


def test_shifts_units_and_precision_do_not_matter():
    w = planted(2.0)
    first = analysis.frequency_map(w)
    for other in (1e-6 * w, np.roll(w, 7, axis=0), w.astype(np.float32)):
        assert analysis.frequency_map(other).exponent == pytest.approx(first.exponent, abs=1e-3)


def test_bad_input():
    with pytest.raises(ValueError, match=r"at least 8 rows and columns, got shape \(7, 9\)"):
        analysis.frequency_map(np.ones((7, 9)))
    with pytest.raises(ValueError, match="weights must not be zero beyond the constants"):
        analysis.frequency_map(np.zeros((9, 9)))
    with pytest.raises(ValueError, match="transform must be one of"):
        analysis.frequency_map(np.eye(9), "wavelet")
