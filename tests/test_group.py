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


@given(SIZES, SEEDS)
def test_cayley_and_its_inverse(skew, n, seed):
    q = skew(n, seed)
    p = group.cayley(q)
    one = np.eye(n)
    np.testing.assert_allclose((one + q) @ p, one - q, atol=1e-13)
    np.testing.assert_allclose(p @ p.T, one, atol=1e-13)
    assert np.linalg.det(p) == pytest.approx(1)
    np.testing.assert_allclose(group.inverse_cayley(p), q, atol=1e-12)


@given(SIZES, SEEDS, st.floats(0, 40))
def test_exp_is_scipys(skew, n, seed, angle):
    q = skew(n, seed, angle)
    np.testing.assert_allclose(group.exp(q), scipy.linalg.expm(q), atol=1e-12)


@given(SIZES, SEEDS, st.floats(1e-8, 3.1))
def test_log_undoes_exp(skew, n, seed, angle):
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


def half_turns(n, angles, seed=0):
    """Rotation by `angles` in mutually orthogonal random planes, and its logarithm."""
    planes, q = np.eye(n), np.zeros((n, n))
    for k, angle in enumerate(angles):
        c, s, pair = np.cos(angle), np.sin(angle), slice(2 * k, 2 * k + 2)
        planes[pair, pair], q[pair, pair] = [[c, -s], [s, c]], [[0, -angle], [angle, 0]]
    v = group.random_rotation(n, seed)
    return v @ planes @ v.T, v @ q @ v.T


@pytest.mark.parametrize("distance", [1e-2, 1e-4, 1e-6])
@pytest.mark.parametrize("n", [2, 3, 6, 7, 40])
def test_rotations_by_nearly_pi(n, distance):
    p, q = half_turns(n, np.linspace(np.pi - distance, 0.1, n // 2), seed=n)
    # Rounding of P moves the angles by n EPSILON; close to pi both inverses magnify it by 1 / distance.
    tolerance = 4 * n * EPSILON / distance
    assert np.abs(group.log(p) - q).max() <= tolerance
    assert np.abs(group.exp(group.log(p)) - p).max() <= tolerance
    assert np.abs(group.cayley(group.inverse_cayley(p)) - p).max() <= tolerance


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("function", [group.inverse_cayley, group.log])
@pytest.mark.parametrize(("n", "negative"), [(1, 1), (2, 1), (2, 2), (3, 2), (6, 1), (33, 2)])
def test_hidden_eigenvalues_minus_one(function, n, negative, dtype):
    v = group.random_rotation(n, n)
    p = (v * np.where(np.arange(n) < negative, -1.0, 1.0)) @ v.T
    with pytest.raises(ds.ChartError, match="eigenvalue -1"):
        function(p.astype(dtype))


@given(SIZES, SEEDS)
def test_exp_and_log_are_inverse_from_the_side_of_the_group(n, seed):
    p = group.exp(2.5 / np.sqrt(n) * group.log(half_turns(n, np.full(n // 2, 1.0), seed)[0]))
    np.testing.assert_allclose(group.exp(group.log(p)), p, atol=1e-12)


@pytest.mark.parametrize("angle", [1e2, 1e4, 1e6])
def test_exp_of_a_long_generator_is_a_rotation(skew, angle):
    # The angle itself is known to EPSILON * angle only, but nothing excuses leaving the group.
    p = group.exp(skew(9, 0, angle))
    assert np.abs(p @ p.T - np.eye(9)).max() < 1e-12


def test_pullbacks_are_adjoint_to_the_derivative_of_the_chart():
    # At Q = 0, d cayley = -2 dQ and d exp = dQ.
    g = np.random.default_rng(0).standard_normal((5, 5))
    zero = np.zeros((5, 5))
    np.testing.assert_allclose(group.cayley_pullback(zero, g), -2 * (g - g.T), atol=1e-14)
    np.testing.assert_allclose(group.exp_pullback(zero, g), g - g.T, atol=1e-14)


def test_everything_else_becomes_float64():
    for q in ([[0, 1], [-1, 0]], np.array([[0, 1], [-1, 0]], np.float16)):
        assert group.cayley(q).dtype == group.exp(q).dtype == np.float64
    assert group.pack_generator(np.zeros((3, 3), np.float32)).dtype == np.float32
    assert group.unpack_generator(np.zeros(3, np.float32)).dtype == np.float32
    assert group.pack_generator(np.zeros((1, 1))).shape == (0,)
    assert group.unpack_generator([]).shape == (1, 1)


@given(SIZES, SEEDS)
def test_polar_is_the_nearest_orthogonal_matrix(n, seed):
    m = np.random.default_rng(seed).standard_normal((n, n)) + 0.1 * np.eye(n)
    s = np.linalg.svd(m, compute_uv=False)
    tolerance = 1e-14 * s[0] / s[-1] + 1e-13
    np.testing.assert_allclose(group.polar(m), scipy.linalg.polar(m)[0], atol=tolerance)


@pytest.mark.parametrize("m", [np.zeros((3, 3)), np.ones((4, 4))])
def test_polar_of_a_singular_matrix(m):
    with pytest.raises(ValueError, match="singular"):
        group.polar(m)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 2, 3, 8, 33])
@pytest.mark.parametrize(
    ("chart", "pullback"),
    [(group.cayley, group.cayley_pullback), (group.exp, group.exp_pullback)],
)
def test_pullback_against_finite_differences(skew, chart, pullback, n, dtype):
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
def test_packing_round_trip(skew, n, seed):
    q = skew(n, seed)
    np.testing.assert_array_equal(group.unpack_generator(group.pack_generator(q)), q)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept_and_orthogonality_reaches_its_rounding(skew, dtype):
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
        (lambda: group.unpack_generator(np.zeros((3, 3))), "packed must have 1 dimension"),
        (lambda: group.pack_generator(np.eye(2)), "Q must be skew-symmetric"),
        (lambda: group.inverse_cayley(np.ones((2, 2))), "P must be orthogonal"),
        (lambda: group.polar([[np.inf]]), "M must be finite"),
        (lambda: group.exp_pullback(np.zeros((2, 2)), np.eye(3)), "G must have the shape of Q"),
        (lambda: group.cayley_pullback(np.zeros((2, 2)), np.eye(3)), "G must have the shape of Q"),
    ],
)
def test_bad_values(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_bad_types():
    with pytest.raises(TypeError, match="Q must be a real numeric array, got dtype complex"):
        group.cayley(np.zeros((2, 2), complex))
