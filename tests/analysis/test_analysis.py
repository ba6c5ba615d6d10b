"""Numbers that the figures show, against cases whose answer is known."""

import numpy as np
import pytest
import scipy.stats

from descrambler.analysis import (
    chebyshev_share,
    participation_ratio,
    singular_vectors,
    two_sided_spectrum,
)
from descrambler.analysis._order import ranks


def test_ranks_share_the_mean_among_equals():
    rng = np.random.default_rng(0)
    for n in range(1, 40):
        values = rng.integers(0, 9, n).astype(float)
        np.testing.assert_array_equal(ranks(values), scipy.stats.rankdata(values))


def test_spectrum_of_one_plane_wave():
    n_out, n_in, k, f = 16, 24, 3, 5
    phase = 2 * np.pi * (k * np.arange(n_out)[:, None] / n_out + f * np.arange(n_in) / n_in)
    spectrum = two_sided_spectrum(np.cos(phase))
    expected = np.zeros((n_out, n_in))
    # A plane wave lives at (k, f) and (-k, -f); symmetrizing shares it with (k, -f) and (-k, f).
    for sign in (1, -1):
        for other in (1, -1):
            expected[n_out // 2 + sign * k, n_in // 2 + other * f] = np.sqrt(n_out * n_in) / 4
    np.testing.assert_allclose(spectrum, expected, atol=1e-12)


@pytest.mark.parametrize("shape", [(7, 9), (8, 9), (8, 6), (1, 5)])
def test_spectrum_keeps_energy_and_is_even_in_frequency(shape):
    w = np.random.default_rng(0).standard_normal(shape)
    spectrum = np.fft.ifftshift(two_sided_spectrum(w))
    np.testing.assert_allclose(spectrum, np.roll(spectrum[:, ::-1], 1, axis=1), atol=1e-12)
    assert np.sum(spectrum**2) <= np.sum(w**2) * (1 + 1e-12)
    assert spectrum[0, 0] == pytest.approx(abs(w.sum()) / np.sqrt(w.size))


def test_participation_ratio_counts_equal_values():
    assert participation_ratio([2.0, 2.0, 2.0, 0.0]) == pytest.approx(3)
    assert participation_ratio([5.0, 0.0]) == pytest.approx(1)
    assert participation_ratio([0.0, 0.0]) == 0


def test_singular_vectors_rebuild_the_matrix_with_a_fixed_sign():
    w = np.random.default_rng(1).standard_normal((6, 4))
    u, s, vt = singular_vectors(w)
    np.testing.assert_allclose(u * s @ vt, w, atol=1e-12)
    assert (u.sum(axis=0) >= 0).all()


@pytest.mark.parametrize("degree", [0, 1, 4])
def test_a_chebyshev_polynomial_is_found_and_another_is_not(degree):
    x = np.linspace(-1, 1, 101)
    own = np.polynomial.Chebyshev.basis(degree)(x) + 0.3
    share, fit = chebyshev_share(own, degree)
    assert share == pytest.approx(1)
    np.testing.assert_allclose(fit, own, atol=1e-12)
    odd = chebyshev_share(np.sin(np.pi * x), 2)[0]
    assert odd == pytest.approx(0, abs=1e-12)


def test_bad_input():
    with pytest.raises(ValueError, match="degree must be >= 0, got -1"):
        chebyshev_share([1.0, 2.0], -1)
    with pytest.raises(ValueError, match="weights must be finite"):
        two_sided_spectrum([[np.nan, 1.0]])
