"""SO(n): charts, inverses, pull-backs, projection."""

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st

import descrambler as ds
from descrambler import group

SIZES = st.integers(1, 17)
SEEDS = st.integers(0, 2**32 - 1)
EPSILON = np.finfo(np.float64).eps


def skew(n, seed, angle=2.5):
    m = np.random.default_rng(seed).standard_normal((n, n))
    q = m - m.T
    norm = np.linalg.norm(q, 2)
    return q * (angle / norm) if norm > 0 else q


@given(SIZES, SEEDS)
def test_cayley_and_its_inverse(n, seed):
    q = skew(n, seed)
    p = group.cayley(q)
    one = np.eye(n)
    np.testing.assert_allclose((one + q) @ p, one - q, atol=1e-13)
    np.testing.assert_allclose(p @ p.T, one, atol=1e-13)
    assert np.linalg.det(p) == pytest.approx(1)
    np.testing.assert_allclose(group.inverse_cayley(p), q, atol=1e-12)


@given(SIZES, SEEDS, st.floats(0, 40))
def test_exp_is_scipys(n, seed, angle):
    q = skew(n, seed, angle)
    np.testing.assert_allclose(group.exp(q), scipy.linalg.expm(q), atol=1e-12)


@given(SIZES, SEEDS, st.floats(1e-8, 3.1))
def test_log_undoes_exp(n, seed, angle):
    q = skew(n, seed, angle)
    np.testing.assert_allclose(group.log(group.exp(q)), q, atol=1e-11)


def test_log_close_to_a_half_turn():
    angle = np.pi - 1e-5
    q = np.array([[0, -angle], [angle, 0]])
    # The condition number of the logarithm is about pi over the distance from -1.
    np.testing.assert_allclose(group.log(group.exp(q)), q, atol=100 * EPSILON * np.pi / 1e-5)


@pytest.mark.parametrize("function", [group.inverse_cayley, group.log])
@pytest.mark.parametrize("n", [2, 3, 6])
def test_an_eigenvalue_minus_one_is_outside_the_chart(function, n):
    p = np.eye(n)
    p[0, 0] = p[1, 1] = -1
    with pytest.raises(ds.ChartError, match="eigenvalue -1"):
        function(p)


@given(SIZES, SEEDS)
def test_polar_is_the_nearest_orthogonal_matrix(n, seed):
    m = np.random.default_rng(seed).standard_normal((n, n)) + 0.1 * np.eye(n)
    s = np.linalg.svd(m, compute_uv=False)
    tolerance = 1e-14 * s[0] / s[-1] + 1e-13
    np.testing.assert_allclose(group.polar(m), scipy.linalg.polar(m)[0], atol=tolerance)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1e-3, 0.02, 1e30])
def test_polar_of_many_units(scale, dtype):
    """Near an orthogonal matrix, where a few steps are enough, and far from one."""
    n = 120
    eps = np.finfo(dtype).eps
    m = (np.eye(n) + scale * np.random.default_rng(0).standard_normal((n, n))).astype(dtype)
    p = group.polar(m)
    assert p.dtype == dtype
    assert np.abs(p @ p.T - np.eye(n)).max() < 100 * eps
    # The other polar factor is symmetric and positive.
    stretch = p.T.astype(np.float64) @ (m / np.abs(m).max())
    assert np.abs(stretch - stretch.T).max() < 100 * eps
    assert np.linalg.eigvalsh((stretch + stretch.T) / 2).min() > 0


@pytest.mark.parametrize(
    "m", [np.zeros((3, 3)), np.ones((4, 4)), np.eye(120)[:, :1] * np.ones(120)]
)
def test_polar_of_a_singular_matrix(m):
    with pytest.raises(ValueError, match="singular"):
        group.polar(m)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 2, 3, 8, 33])
@pytest.mark.parametrize(
    ("chart", "pullback"),
    [(group.cayley, group.cayley_pullback), (group.exp, group.exp_pullback)],
)
def test_pullback_against_finite_differences(chart, pullback, n, dtype):
    generator = np.random.default_rng(n)
    q, direction = skew(n, n + 1), skew(n, n + 2)
    g = generator.standard_normal((n, n))
    h = 1e-5
    slope = (np.sum(g * chart(q + h * direction)) - np.sum(g * chart(q - h * direction))) / (2 * h)
    gradient = pullback(q.astype(dtype), g.astype(dtype))
    assert gradient.dtype == dtype
    np.testing.assert_array_equal(gradient, -gradient.T)
    found = np.sum(np.tril(gradient, -1) * np.tril(direction, -1))
    tolerance = 1e-8 if dtype == np.float64 else 1e-4
    assert abs(found - slope) <= tolerance * max(1, np.linalg.norm(g) * np.linalg.norm(direction))


def test_packing_goes_down_the_columns_of_the_lower_triangle():
    packed = np.arange(1.0, 7.0)
    q = group.unpack_generator(packed)
    np.testing.assert_array_equal(
        np.tril(q), [[0, 0, 0, 0], [1, 0, 0, 0], [2, 4, 0, 0], [3, 5, 6, 0]]
    )
    np.testing.assert_array_equal(q, -q.T)
    np.testing.assert_array_equal(group.pack_generator(q), packed)


@given(st.integers(1, 70), SEEDS)
def test_packing_round_trip(n, seed):
    q = skew(n, seed)
    np.testing.assert_array_equal(group.unpack_generator(group.pack_generator(q)), q)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept_and_orthogonality_reaches_its_rounding(dtype):
    q = skew(40, 0).astype(dtype)
    for chart in (group.cayley, group.exp):
        p = chart(q)
        assert p.dtype == dtype
        assert np.abs(p @ p.T - np.eye(40)).max() < 100 * np.finfo(dtype).eps
        assert group.inverse_cayley(p).dtype == group.log(p).dtype == group.polar(p).dtype == dtype


@pytest.mark.parametrize("n", [1, 2, 3, 20])
def test_random_rotation(n):
    p = group.random_rotation(n, 5)
    np.testing.assert_allclose(p @ p.T, np.eye(n), atol=1e-14)
    assert np.linalg.det(p) == pytest.approx(1)
    np.testing.assert_array_equal(p, group.random_rotation(n, 5))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: group.cayley(np.eye(3)), "Q must be skew-symmetric"),
        (lambda: group.exp(np.zeros((2, 3))), "Q must be square, got shape"),
        (lambda: group.exp([[0, np.nan], [np.nan, 0]]), "Q must be finite"),
        (lambda: group.cayley(np.zeros((0, 0))), "Q must not be empty"),
        (lambda: group.log(2 * np.eye(3)), "P must be orthogonal"),
        (lambda: group.unpack_generator(np.zeros(4)), "packed must have n"),
        (lambda: group.cayley_pullback(np.zeros((2, 2)), np.eye(3)), "G must have the shape of Q"),
    ],
)
def test_bad_values(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_bad_types():
    with pytest.raises(TypeError, match="Q must be a real numeric array, got dtype complex"):
        group.cayley(np.zeros((2, 2), complex))


@pytest.mark.parametrize("n", [2, 3, 7, 64, 65])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_generators_give_rotations_or_are_refused(n, dtype):
    eps = np.finfo(dtype).eps
    skew = np.triu(np.random.default_rng(n).standard_normal((n, n)), 1)
    skew = (skew - skew.T) / np.abs(skew).max()
    for size in np.geomspace(1, 1e30, 31):
        q = (size * skew).astype(dtype)
        if size > 2 / np.sqrt(eps):
            with pytest.raises(ValueError, match="Q must have entries below"):
                group.cayley(q)
            with pytest.raises(ValueError, match="Q must have entries below"):
                group.cayley_pullback(q, skew.astype(dtype))
        else:
            p = group.cayley(q).astype(float)
            assert np.abs(p @ p.T - np.eye(n)).max() < np.sqrt(eps) * n
            assert np.linalg.det(p) == pytest.approx(1, abs=1e-2)


def test_the_largest_generators_of_rotations_lead_back():
    for angle in np.pi - np.geomspace(1e-3, 1e-9, 25):
        p = np.eye(3)
        p[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        try:
            q = group.inverse_cayley(p)
        except ds.ChartError:
            continue
        np.testing.assert_allclose(group.cayley(q), p, atol=1e-7)
