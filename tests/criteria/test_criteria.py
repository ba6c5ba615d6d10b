"""Criteria: values, gradients, the link basis."""

import numpy as np
import pytest

import descrambler as ds
from descrambler import group
from descrambler.criteria import DiagonalNormSquare, DiagonalSum, Smoothness

RNG = np.random.default_rng(0)
N = 7
SIGNALS = RNG.standard_normal((20, N))
WEIGHTS = RNG.standard_normal((N, N))
SMOOTH = [
    Smoothness(),
    Smoothness(order=1),
    Smoothness(boundary="neumann"),
    Smoothness(order=1.5, boundary="dirichlet"),
    Smoothness(operator=RNG.standard_normal((5, N))),
]
CASES = [(criterion, {"signals": SIGNALS}) for criterion in SMOOTH]
CASES += [(DiagonalSum(WEIGHTS), {}), (DiagonalNormSquare(WEIGHTS), {})]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("chart", "pullback"),
    [(group.cayley, group.cayley_pullback), (group.exp, group.exp_pullback)],
)
@pytest.mark.parametrize(("criterion", "data"), CASES, ids=lambda case: str(case)[:40])
def test_gradient_through_each_chart(criterion, data, chart, pullback, dtype):
    packed, direction = RNG.standard_normal((2, N * (N - 1) // 2))
    h = 1e-5

    def value(step):
        p = chart(group.unpack_generator(packed + step * direction))
        return criterion.value_and_gradient(p, **data)[0]

    slope = (value(h) - value(-h)) / (2 * h)
    q = group.unpack_generator(packed.astype(dtype))
    found_value, gradient = criterion.value_and_gradient(chart(q), **data)
    assert gradient.dtype == dtype
    found = group.pack_generator(pullback(q, gradient)) @ direction.astype(dtype)
    tolerance = 1e-7 if dtype == np.float64 else 1e-3
    scale = max(1.0, np.linalg.norm(gradient) * np.linalg.norm(direction))
    assert abs(found - slope) < tolerance * scale
    assert found_value == pytest.approx(value(0), rel=1e-11 if dtype == np.float64 else 1e-4)


def textbook_second_derivative(n):
    """Fourier spectral differentiation matrix (Trefethen 2000, program 3 and its second order)."""
    h = 2 * np.pi / n
    column = np.zeros(n)
    j = np.arange(1, n)
    column[0] = -(np.pi**2) / (3 * h**2) - 1 / 6
    column[1:] = -((-1.0) ** j) / (2 * np.sin(j * h / 2) ** 2)
    return np.array([np.roll(column, k) for k in range(n)])


@pytest.mark.parametrize("n", [2, 4, 10, 80])
def test_periodic_basis_diagonalises_the_textbook_matrix(n):
    basis = Smoothness().basis(n)
    v = basis.from_modes(np.eye(n))
    d = textbook_second_derivative(n)
    k = (np.arange(n) + 1) // 2
    np.testing.assert_allclose(d @ v, -(v * k**2), atol=1e-11 * n**2)
    np.testing.assert_allclose(basis.eigenvalues, k**4.0)


@pytest.mark.parametrize("boundary", ["periodic", "neumann", "dirichlet"])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 9, 16])
def test_bases_are_orthonormal(n, boundary):
    basis = Smoothness(boundary=boundary).basis(n)
    v = basis.from_modes(np.eye(n))
    np.testing.assert_allclose(v.T @ v, np.eye(n), atol=1e-13)
    np.testing.assert_allclose(basis.to_modes(np.eye(n)), v.T, atol=1e-13)
    assert (np.diff(basis.eigenvalues) >= 0).all()


@pytest.mark.parametrize("boundary", ["periodic", "neumann", "dirichlet"])
def test_bases_turn_integers_as_they_turn_floats(boundary):
    basis, integers = Smoothness(boundary=boundary).basis(4), np.arange(16).reshape(4, 4)
    for turned in (basis.to_modes, basis.from_modes):
        np.testing.assert_array_equal(turned(integers), turned(integers.astype(float)))
    weights = basis.from_modes(integers, np.array([1, 2, 3, 4]))
    np.testing.assert_allclose(weights, basis.from_modes(integers * np.array([[1], [2], [3], [4]])))
    np.testing.assert_allclose(basis.from_modes(integers, 2), basis.from_modes(2 * integers))
    with pytest.raises(TypeError, match="matrix must be a real numeric array"):
        basis.from_modes(1j * integers)


def test_neumann_and_dirichlet_eigenvalues():
    np.testing.assert_allclose(Smoothness(1, "neumann").basis(4).eigenvalues, [0, 0.25, 1, 2.25])
    np.testing.assert_allclose(Smoothness(1, "dirichlet").basis(3).eigenvalues, [0.25, 1, 2.25])


def test_smoothness_is_what_it_says():
    p = group.random_rotation(8, 0)
    signals = RNG.standard_normal((30, 8))
    d = textbook_second_derivative(8)
    expected = np.linalg.norm(d @ p @ signals.T) ** 2
    value, gradient = Smoothness().value_and_gradient(p, signals=signals)
    assert value == pytest.approx(expected)
    b = signals.T @ signals
    np.testing.assert_allclose(gradient, 2 * d.T @ d @ p @ b, rtol=1e-10, atol=1e-9)
    assert Smoothness().value_and_gradient(p, gram=b)[0] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Smoothness(order=0), ValueError, "order must be positive"),
        (lambda: Smoothness(boundary="open"), ValueError, "boundary must be one of"),
        (lambda: Smoothness(operator=[1.0]), ValueError, "operator must have 2 dim"),
        (lambda: Smoothness().value_and_gradient(np.eye(2)), TypeError, "exactly one of"),
        (lambda: Smoothness().value_and_gradient(np.eye(2), gram=np.eye(3)), ValueError, "3 units"),
        (lambda: DiagonalSum(np.ones((2, 3))), ValueError, "W must be square"),
        (lambda: DiagonalSum(np.eye(2)).value_and_gradient(np.eye(3)), ValueError, "shape of W"),
        (lambda: SMOOTH[-1].basis(3), ValueError, "operator must have 3 columns"),
        (lambda: ds.descramble(SIGNALS, "roughness"), ValueError, "criterion must be one of"),
        (lambda: ds.descramble(SIGNALS, 3), TypeError, "criterion must be"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


SIGNALS_80 = np.random.default_rng(0).standard_normal((100, 80))


@pytest.mark.parametrize(
    ("criterion", "message"),
    [
        (lambda: ds.criteria.Smoothness(order=100), "order must be smaller for 80 units, got 100"),
        (lambda: ds.criteria.Smoothness(order=97, boundary="neumann"), "order must be smaller"),
        (lambda: ds.criteria.Smoothness(order=100) + ds.criteria.Sparsity(), "order must be"),
        (lambda: 1e300 * ds.criteria.Smoothness(), "weight of smoothness .* got 1e\\+300"),
        (lambda: 1e300 * ds.criteria.Entropy() + ds.criteria.Smoothness(), "weight"),
        (lambda: 1e308 * ds.criteria.Kurtosis(), "weights"),
        (lambda: ds.criteria.Smoothness(operator=1e149 * np.eye(80)), "operator must be within"),
        (lambda: ds.criteria.TargetCovariance(1e200 * np.eye(80)), "target must be within"),
        (lambda: ds.criteria.Locality(center=1e200, boundary="open"), "center must be smaller"),
        (lambda: ds.criteria.Autocorrelation(80, boundary="open"), "lag must be below 80"),
        (lambda: ds.criteria.Autocorrelation(float("inf")), "lag must be an integer"),
        (lambda: ds.criteria.Sparsity(width=1e300), "width must be positive, from"),
        (lambda: ds.criteria.TotalVariation(width=1e200), "width must be positive, from"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_arguments_that_overflow_are_named(criterion, message):
    with pytest.raises(ValueError, match=message):
        ds.descramble(SIGNALS_80, criterion(), max_iter=3)


def test_an_operator_may_be_too_large_for_the_signals():
    criterion = ds.criteria.Smoothness(operator=1e140 * np.eye(8))
    with pytest.raises(ValueError, match=r"operator must be smaller .* entries up to 1\.0e\+140"):
        ds.descramble(1e15 * SIGNALS_80[:, :8], criterion)


@pytest.mark.parametrize("lag", [3, 11, 8 * 10**17 + 3, 10**18 + 3, 8, 8 * 10**30])
def test_whole_turns_of_a_ring_are_no_lag(lag):
    signals = SIGNALS_80[:, :8]
    result = ds.descramble(signals, ds.criteria.Autocorrelation(lag))
    if lag % 8 == 0:
        assert result.objective == pytest.approx(np.sum(signals**2))
        return
    near = ds.descramble(signals, ds.criteria.Autocorrelation(lag % 8))
    assert result.objective == pytest.approx(near.objective, rel=1e-12)
    y = result.transform(signals)
    assert result.objective == pytest.approx(np.sum(y * np.roll(y, lag % 8, axis=1)), rel=1e-9)


def test_whole_turns_do_not_move_a_center():
    signals = SIGNALS_80[:, :8]
    far, near = (ds.descramble(signals, ds.criteria.Locality(center=c)) for c in (8e6 + 2.5, 2.5))
    assert far.objective == pytest.approx(near.objective, rel=1e-12)


@pytest.mark.parametrize("criterion", ["kurtosis", "varimax", "quartimax"])
def test_rotations_are_found_where_signs_are_free(criterion):
    for seed in range(25):
        signals = np.random.default_rng(seed).laplace(size=(200, 3))
        for gauge in ("canonical", "none"):
            result = ds.descramble(signals, criterion, random_state=seed, gauge=gauge)
            assert np.linalg.det(result.rotation.matrix) == pytest.approx(1)
