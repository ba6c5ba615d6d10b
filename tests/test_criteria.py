"""Criteria: values, gradients, the link basis."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@pytest.mark.parametrize("n", [2, 3, 4, 9, 10, 80, 81])
def test_periodic_basis_diagonalises_the_textbook_matrix(textbook_second_derivative, n):
    basis = Smoothness().basis(n)
    v = basis.from_modes(np.eye(n))
    d = textbook_second_derivative(n)
    k = (np.arange(n) + 1) // 2
    np.testing.assert_allclose(d @ v, -(v * k**2), atol=1e-11 * n**2)
    np.testing.assert_allclose(basis.eigenvalues, k**4.0)


def every_criterion(n, generator):
    """Each criterion with the data that its value needs."""
    signals = {"signals": generator.standard_normal((n + 2, n))}
    boundaries = ("periodic", "neumann", "dirichlet")
    for order, boundary in zip((1, 2, 1.5), boundaries, strict=True):
        yield Smoothness(order, boundary), signals
    yield Smoothness(operator=generator.standard_normal((max(1, n - 1), n))), signals
    w = generator.standard_normal((n, n))
    yield from ((DiagonalSum(w), {}), (DiagonalNormSquare(w), {}))


@given(st.integers(1, 12), st.integers(0, 2**32 - 1), st.booleans())
def test_gradients_for_every_width(n, seed, exponential):
    chart, pullback = (
        (group.exp, group.exp_pullback) if exponential else (group.cayley, group.cayley_pullback)
    )
    generator = np.random.default_rng(seed)
    packed, direction = generator.standard_normal((2, n * (n - 1) // 2)) / np.sqrt(n)
    h = 1e-5
    for criterion, data in every_criterion(n, generator):
        values = [
            criterion.value_and_gradient(
                chart(group.unpack_generator(packed + step * direction)), **data
            )[0]
            for step in (h, -h)
        ]
        q = group.unpack_generator(packed)
        _, gradient = criterion.value_and_gradient(chart(q), **data)
        found = group.pack_generator(pullback(q, gradient)) @ direction
        scale = max(1.0, np.linalg.norm(gradient) * np.linalg.norm(direction))
        assert abs(found - (values[0] - values[1]) / (2 * h)) <= 1e-7 * scale


@pytest.mark.parametrize("criterion", SMOOTH, ids=str)
def test_gram_and_signals_agree(criterion):
    p = group.random_rotation(N, 3)
    by_signals = criterion.value_and_gradient(p, signals=SIGNALS)
    by_gram = criterion.value_and_gradient(p, gram=ds.gram(SIGNALS).matrix)
    assert by_gram[0] == pytest.approx(by_signals[0], rel=1e-13)
    largest = np.abs(by_signals[1]).max()
    np.testing.assert_allclose(by_gram[1], by_signals[1], atol=1e-13 * largest)


@pytest.mark.parametrize("n", [2, 5, 8])
def test_the_textbook_operator_is_the_periodic_boundary(textbook_second_derivative, n):
    p = group.random_rotation(n, 1)
    b = np.diag(np.arange(1.0, n + 1))
    given_operator = Smoothness(operator=textbook_second_derivative(n))
    value, gradient = Smoothness().value_and_gradient(p, gram=b)
    other = given_operator.value_and_gradient(p, gram=b)
    assert other[0] == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(other[1], gradient, atol=1e-11 * np.abs(gradient).max())


@pytest.mark.parametrize("n", [1, 2, 7, 8])
@pytest.mark.parametrize("order", [0.5, 1, 2, 3])
def test_eigenvalues_of_every_order(order, n):
    k = {"periodic": (np.arange(n) + 1) // 2, "neumann": np.arange(n) / 2}
    k["dirichlet"] = np.arange(1, n + 1) / 2
    for boundary, frequency in k.items():
        found = Smoothness(order, boundary).basis(n).eigenvalues
        np.testing.assert_allclose(found, frequency ** (2.0 * order), rtol=1e-14)


@pytest.mark.parametrize("n", [7, 8])
def test_modes_are_the_named_waves(n):
    x = 2 * np.pi * np.arange(n) / n
    v = Smoothness().basis(n).from_modes(np.eye(n))
    np.testing.assert_allclose(v[:, 1], np.cos(x) * np.sqrt(2 / n), atol=1e-14)
    np.testing.assert_allclose(v[:, 2], np.sin(x) * np.sqrt(2 / n), atol=1e-14)
    half = (np.arange(n) + 0.5) / n * np.pi
    v = Smoothness(boundary="neumann").basis(n).from_modes(np.eye(n))
    np.testing.assert_allclose(v[:, 3], np.cos(3 * half) * np.sqrt(2 / n), atol=1e-14)
    wave = np.sin(3 * np.pi * np.arange(1, n + 1) / (n + 1)) * np.sqrt(2 / (n + 1))
    v = Smoothness(boundary="dirichlet").basis(n).from_modes(np.eye(n))
    np.testing.assert_allclose(v[:, 2], wave, atol=1e-14)


@pytest.mark.parametrize("boundary", ["periodic", "neumann", "dirichlet"])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 9, 16])
def test_bases_are_orthonormal(n, boundary):
    basis = Smoothness(boundary=boundary).basis(n)
    v = basis.from_modes(np.eye(n))
    np.testing.assert_allclose(v.T @ v, np.eye(n), atol=1e-13)
    np.testing.assert_allclose(basis.to_modes(np.eye(n)), v.T, atol=1e-13)
    assert (np.diff(basis.eigenvalues) >= 0).all()


def test_neumann_and_dirichlet_eigenvalues():
    np.testing.assert_allclose(Smoothness(1, "neumann").basis(4).eigenvalues, [0, 0.25, 1, 2.25])
    np.testing.assert_allclose(Smoothness(1, "dirichlet").basis(3).eigenvalues, [0.25, 1, 2.25])


def test_smoothness_is_what_it_says(textbook_second_derivative):
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
        (lambda: Smoothness(order=200).basis(80), ValueError, "order"),
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
