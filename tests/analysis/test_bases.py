"""Vectors of known origin among rival bases."""

import numpy as np
import pytest

import descrambler as ds
from descrambler import analysis

N = 101
X = np.linspace(-1, 1, N)
PLANTED = {
    "chebyshev": lambda k: np.polynomial.Chebyshev.basis(k)(X),
    "legendre": lambda k: np.polynomial.Legendre.basis(k)(X),
    "dct": lambda k: np.cos(np.pi * k * (np.arange(N) + 0.5) / N),
    "fourier": lambda k: np.cos(2 * np.pi * k * np.arange(N) / N + 0.7),
}


@pytest.mark.parametrize("name", PLANTED)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_planted_family_beats_its_rivals(name, dtype):
    # Cosines of whole cycles are in two of the families, as is every parabola.
    degrees = (3, 5, 7)
    vectors = np.stack([3 * PLANTED[name](k) + 5 for k in degrees], axis=1).astype(dtype)
    match = analysis.match_bases(vectors)
    index = match.names.index(name)
    np.testing.assert_allclose(match.best_r2[:, index], 1, atol=1e-5)
    assert match.best_member[:, index].tolist() == list(degrees)
    for vector in range(len(degrees)):
        assert match.best(vector) == name
    other, shares = match.rival(name)
    assert other != name
    assert shares.mean() < 0.999


def test_the_constant_explains_nothing():
    generator = np.random.default_rng(0)
    noise = generator.standard_normal((N, 5))
    for offset in (0.0, 100.0):
        match = analysis.match_bases(noise + offset)
        np.testing.assert_allclose(match.r2, analysis.match_bases(noise).r2, atol=1e-10)
    assert np.isnan(analysis.match_bases(np.full((N, 1), 0.1)).r2).all()


def test_chance_is_what_random_vectors_get():
    match = analysis.match_bases(np.random.default_rng(0).standard_normal((N, 3000)))
    np.testing.assert_allclose(match.best_r2.mean(axis=0), match.chance, rtol=0.08)


def test_in_order_is_the_paper_s_fit():
    vectors = np.stack([PLANTED["chebyshev"](k) for k in (1, 2, 3)], axis=1)
    vectors += 0.3 * np.random.default_rng(0).standard_normal(vectors.shape)
    match = analysis.match_bases(vectors, ["chebyshev"])
    expected = [analysis.chebyshev_share(vectors[:, k], k + 1)[0] for k in range(3)]
    np.testing.assert_allclose(match.in_order("chebyshev"), expected, atol=1e-12)


def test_principal_components_win_where_they_are_the_truth():
    generator = np.random.default_rng(1)
    truth = np.linalg.qr(generator.standard_normal((N, 3)))[0]
    data = generator.standard_normal((4000, 3)) * [5, 3, 1] @ truth.T + 7
    components = analysis.principal_components(data, 3)
    np.testing.assert_allclose(np.abs(np.sum(components * truth, axis=0)), 1, atol=0.01)
    match = analysis.match_bases(truth, others={"data": components})
    assert [match.best(k) for k in range(3)] == ["data"] * 3
    assert match.r2[0, match.names.index("data"), 3:].size
    assert np.isnan(match.r2[0, match.names.index("data"), 3:]).all()


def test_output_vectors_do_not_depend_on_the_rotation():
    w = np.random.default_rng(2).standard_normal((N, 12))
    turned = w @ ds.group.random_rotation(12, 0).T
    first, second = (analysis.match_bases(analysis.singular_vectors(m)[0]).r2 for m in (w, turned))
    np.testing.assert_allclose(first, second, atol=1e-10)


def test_subspace_overlap():
    generator = np.random.default_rng(3)
    a = generator.standard_normal((N, 4))
    inside = a @ generator.standard_normal((4, 2))
    assert analysis.subspace_overlap(a, inside) == pytest.approx(1)
    assert analysis.subspace_overlap(inside, a + 3.0) == pytest.approx(1)
    repeated = np.concatenate([inside, inside], axis=1)
    assert analysis.subspace_overlap(a, repeated) == pytest.approx(1)
    values = [
        analysis.subspace_overlap(
            generator.standard_normal((N, 3)), generator.standard_normal((N, 5))
        )
        for _ in range(400)
    ]
    assert np.mean(values) == pytest.approx(5 / (N - 1), rel=0.1)
    constant = np.ones((N, 1))
    assert analysis.subspace_overlap(constant, constant + 0.0, centered=False) == pytest.approx(1)
    with pytest.raises(ValueError, match="first must span something besides a constant"):
        analysis.subspace_overlap(constant, a)


def test_bad_input():
    with pytest.raises(ValueError, match="bases must be one of 'chebyshev'"):
        analysis.match_bases(np.ones((9, 1)), ["wavelet"])
    with pytest.raises(ValueError, match="bases must not be empty"):
        analysis.match_bases(np.ones((9, 1)), [])
    with pytest.raises(ValueError, match="count must be between 1 and 4 for 9 points, got 5"):
        analysis.match_bases(np.ones((9, 1)), count=5)
    with pytest.raises(ValueError, match=r"others\['pc'\] must have 9 rows"):
        analysis.match_bases(np.ones((9, 1)), others={"pc": np.ones((8, 2))})
    with pytest.raises(ValueError, match="already"):
        analysis.match_bases(np.ones((9, 1)), others={"dct": np.ones((9, 2))})
    with pytest.raises(ValueError, match="count must be between 1 and 3, got 4"):
        analysis.principal_components(np.ones((3, 5)), 4)
    with pytest.raises(ValueError, match="second must have 9 rows"):
        analysis.subspace_overlap(np.ones((9, 1)), np.ones((8, 1)))
    with pytest.raises(ValueError, match="no rival"):
        analysis.match_bases(np.eye(9), ["dct"]).rival("dct")
    with pytest.raises(ValueError, match="name must be one of 'dct', got 'fourier'"):
        analysis.match_bases(np.eye(9), ["dct"]).in_order("fourier")


def test_share_of_low_shapes():
    x = np.linspace(-1, 1, 50)
    polynomials = np.polynomial.chebyshev.chebvander(x, 4)
    assert analysis.shape_share(polynomials @ np.diag([1, 2, 3, 4, 5])) == pytest.approx(1)
    cosines = np.cos(np.pi * np.outer(np.arange(50) + 0.5, np.arange(5)) / 50)
    assert analysis.shape_share(cosines, "cosines") == pytest.approx(1)
    assert 0.8 < analysis.shape_share(cosines) < 0.99
    noise = np.random.default_rng(0).standard_normal((400, 5))
    assert analysis.shape_share(noise) < 0.05
    with pytest.raises(ValueError, match="at least as many rows as columns"):
        analysis.shape_share(np.ones((2, 3)))
