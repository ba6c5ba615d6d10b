"""Structured matrices, ranks and diagonals whose numbers are known."""

import numpy as np
import pytest
import scipy.linalg

import descrambler as ds
from descrambler import analysis
from descrambler.analysis import _marchenko_pastur as marchenko_pastur


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize("shape", [(8, 8), (9, 9), (8, 9), (5, 12), (1, 4), (2, 3)])
def test_irrep_energy_is_that_of_the_blocks(shape):
    w = noise(*shape)
    energy = analysis.irrep_energy(w)
    assert energy.sum() == pytest.approx(1)
    bases = [ds.criteria.Smoothness().basis(n).from_modes(np.eye(n)) for n in shape]
    modes = (bases[0].T @ w @ bases[1]) ** 2 / np.sum(w**2)
    degrees = [(np.arange(n) + 1) // 2 for n in shape]
    for k in range(shape[0] // 2 + 1):
        for f in range(shape[1] // 2 + 1):
            block = modes[np.ix_(degrees[0] == k, degrees[1] == f)]
            assert energy[k, f] == pytest.approx(block.sum(), abs=1e-14)


def test_maps_of_the_cyclic_group_are_seen_whatever_the_shift():
    n = 15
    circulant = analysis.irrep_energy(scipy.linalg.circulant(noise(n)))
    assert np.trace(circulant) == pytest.approx(1)
    # Pulling back by x -> 4 x + 2 sends the wave f to 4 f modulo n.
    pull = np.zeros((n, n))
    pull[np.arange(n), (4 * np.arange(n) + 2) % n] = 1
    energy = analysis.irrep_energy(pull)
    for f in range(1, n // 2 + 1):
        k = min(4 * f % n, -4 * f % n)
        assert energy[k, f] == pytest.approx(2 / n)
    w = noise(n, 12)
    shifted = np.roll(w, (3, 5), axis=(0, 1))
    np.testing.assert_allclose(analysis.irrep_energy(shifted), analysis.irrep_energy(w), atol=1e-14)


@pytest.mark.parametrize("n", [24, 25])
def test_purity_of_waves_and_of_noise(n):
    waves = np.cos(
        2 * np.pi * np.outer([1, 3, 7, n // 2], np.arange(n)) / n + [[0.3], [1], [2], [0]]
    )
    values = np.array([4.0, 2.0, 1.0, 0.5])
    assert analysis.mode_purity(waves, values) == pytest.approx(1)
    mixed = np.vstack([waves[0] / np.linalg.norm(waves[0]) + waves[1] / np.linalg.norm(waves[1])])
    assert analysis.mode_purity(mixed, [1.0]) == pytest.approx(0.5, abs=0.01)
    purity = [analysis.mode_purity(noise(5, n, seed=s), np.ones(5)) for s in range(200)]
    assert np.mean(purity) == pytest.approx((np.log(n / 2) + 0.58) / (n / 2), rel=0.1)
    assert np.isnan(analysis.mode_purity(waves, np.zeros(4)))
    with pytest.raises(ValueError, match="values must have 4 entries like vectors, got 3"):
        analysis.mode_purity(waves, np.ones(3))


def test_orthogonality():
    q = np.linalg.qr(noise(30, 8))[0]
    assert analysis.off_diagonal_share(q) == pytest.approx(0, abs=1e-14)
    assert analysis.off_diagonal_share(q.T, "rows") == pytest.approx(0, abs=1e-14)
    w = noise(256, 80)
    assert analysis.off_diagonal_share(w) == pytest.approx(79 / 337, abs=0.01)
    assert analysis.off_diagonal_share(w, "rows") == pytest.approx(255 / 337, abs=0.01)
    turned = w @ ds.group.random_rotation(80, 0).T
    rows = analysis.off_diagonal_share(turned, "rows")
    assert rows == pytest.approx(analysis.off_diagonal_share(w, "rows"))
    assert analysis.off_diagonal_share(noise(9, 1)) == pytest.approx(0)


@pytest.mark.parametrize("aspect", [1.0, 0.5, 0.05])
def test_marchenko_pastur_law(aspect):
    assert marchenko_pastur.moment(aspect, 0) == pytest.approx(1)
    assert marchenko_pastur.moment(aspect, 1) == pytest.approx(1)
    assert marchenko_pastur.moment(aspect, 2) == pytest.approx(1 + aspect)
    values = np.linalg.svd(noise(round(800 * aspect), 800), compute_uv=False) ** 2 / 800
    assert marchenko_pastur.median(aspect) == pytest.approx(np.median(values), rel=0.02)


def test_signals_stand_above_the_noise():
    w = 0.3 * noise(80, 200)
    edge = 0.3 * (np.sqrt(80) + np.sqrt(200))
    assert np.linalg.norm(w, 2) == pytest.approx(edge, rel=0.05)
    assert analysis.noise_level(w) == pytest.approx(0.3, rel=0.02)
    planted = w + 3 * edge / np.sqrt(80 * 200) * np.sum(
        [np.outer(np.sign(noise(80, seed=s)), np.sign(noise(200, seed=s + 50))) for s in range(5)],
        axis=0,
    )
    for sigma in (None, 0.3):
        assert analysis.values_above_noise(planted, sigma) == 5
        turned = ds.group.random_rotation(80, 0) @ planted
        assert analysis.values_above_noise(turned, sigma) == 5
    false = [analysis.values_above_noise(noise(40, 60, seed=s), 1.0) > 0 for s in range(300)]
    assert 0.01 < np.mean(false) < 0.1


def test_random_diagonal_share():
    assert analysis.random_diagonal_share(80) == pytest.approx((8 / (3 * np.pi)) ** 2, abs=1e-6)
    for shape in ((120, 120), (120, 60), (60, 120)):
        w = noise(*shape)
        turned = ds.diagonalize(w).rotation.left(w)
        assert analysis.diagonal_share(turned) == pytest.approx(
            analysis.random_diagonal_share(*shape), rel=0.05
        )
    assert analysis.diagonal_share(np.diag([1.0, 2.0])) == 1
    assert np.isnan(analysis.diagonal_share(np.zeros((2, 2))))


def test_diagonal_share_that_singular_values_give():
    values = np.linspace(1, 5, 60)
    frames = [np.linalg.qr(noise(60, 60, seed=s))[0] for s in range(40)]
    shares = [analysis.diagonal_share((q * values) @ q.T) for q in frames]
    assert np.mean(shares) == pytest.approx(analysis.expected_diagonal_share(values), abs=0.005)
    assert analysis.expected_diagonal_share(np.ones(9)) == 1
    assert np.isnan(analysis.expected_diagonal_share([0.0]))


def test_bad_input():
    for function in (analysis.irrep_energy, analysis.off_diagonal_share):
        with pytest.raises(ValueError, match="weights must not be all zero"):
            function(np.zeros((3, 3)))
    with pytest.raises(ValueError, match="side must be one of 'columns', 'rows', got 'left'"):
        analysis.off_diagonal_share(np.eye(2), "left")
    with pytest.raises(ValueError, match="sigma must be finite and not negative, got -1"):
        analysis.values_above_noise(np.eye(2), -1)
    with pytest.raises(ValueError, match="n_out and n_in must be at least 1, got 0 and 0"):
        analysis.random_diagonal_share(0)
