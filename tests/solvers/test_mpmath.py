"""Objectives and certificates against arithmetic of fifty digits, and against independent computations."""

import mpmath
import numpy as np
import pytest

import descrambler as ds

SPECTRA = {
    "sixteen decades": lambda n: np.logspace(0, -16, n),
    "one large": lambda n: np.where(np.arange(n) == 0, 1.0, 1e-9),
    "nearly degenerate": lambda n: 1 + 1e-13 * np.arange(n)[::-1],
    "degenerate": lambda n: np.where(np.arange(n) < (n + 1) // 2, 1.0, 1e-7),
    "rank one": lambda n: np.eye(n)[0],
}


@pytest.fixture(autouse=True)
def fifty_digits():
    with mpmath.workdps(50):
        yield


def exact(a):
    return mpmath.matrix(np.atleast_2d(a).tolist())


def derivative_spectrum(n, boundary, order=2):
    """Eigenvalues of A, ascending, from their definition."""
    if boundary == "periodic":
        return sorted(mpmath.mpf(min(k, n - k)) ** (2 * order) for k in range(n))
    first = 0 if boundary == "neumann" else 1
    return [(mpmath.mpf(first + k) / 2) ** (2 * order) for k in range(n)]


def operator(n, boundary):
    """A itself, from cosines and sines: no eigenvector of the package has a part in it."""
    pi = mpmath.pi

    def row(k):
        if boundary == "neumann":
            return [mpmath.cos(pi * k * (2 * j + 1) / (2 * n)) for j in range(n)]
        return [mpmath.sin(pi * (k + 1) * (j + 1) / (n + 1)) for j in range(n)]

    if boundary == "periodic":
        waves = [mpmath.cos(2 * pi * lag / n) for lag in range(n)]
        spectrum = [mpmath.mpf(min(k, n - k)) ** 4 / n for k in range(n)]
        ring = [mpmath.fsum(spectrum[k] * waves[k * lag % n] for k in range(n)) for lag in range(n)]
        return mpmath.matrix([[ring[(i - j) % n] for j in range(n)] for i in range(n)])
    total = mpmath.matrix(n, n)
    for k, value in enumerate(derivative_spectrum(n, boundary)):
        v = mpmath.matrix(row(k))
        total += value * (v * v.T) / (v.T * v)[0]
    return total


def trace(m):
    return mpmath.fsum(m[i, i] for i in range(m.rows))


@pytest.mark.parametrize("boundary", ["periodic", "neumann", "dirichlet"])
@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize("n", [2, 3, 5, 6])
def test_smoothness_against_fifty_digits(n, name, boundary):
    signals = np.sqrt(SPECTRA[name](n))[:, None] * ds.group.random_rotation(n, 3)
    criterion = ds.criteria.Smoothness(boundary=boundary)
    result = ds.descramble(signals, criterion)
    s, p, a = exact(signals), exact(result.rotation.matrix), operator(n, boundary)
    b = s.T * s
    reached = trace(a * (p * b * p.T))
    descending = sorted(mpmath.eigsy(b, eigvals_only=True), reverse=True)
    spectrum = derivative_spectrum(n, boundary)
    optimum = mpmath.fsum(x * y for x, y in zip(spectrum, descending, strict=True))
    rounding = 1e-14 * n * float(spectrum[-1]) * float(trace(b))
    assert abs(result.objective - reached) <= rounding
    assert abs(result.bound - optimum) <= rounding
    assert 0 <= reached - optimum + rounding <= 2 * rounding
    assert result.optimality == "certified"


@pytest.mark.parametrize("boundary", ["periodic", "neumann", "dirichlet"])
def test_bound_is_the_least_over_random_rotations(boundary):
    a, b = operator(3, boundary), exact(np.diag([1, 1e-3, 1e-9]))
    bound = ds.descramble(
        ds.Gram(np.diag([1, 1e-3, 1e-9])), ds.criteria.Smoothness(boundary=boundary)
    ).bound
    for seed in range(50):
        p = exact(ds.group.random_rotation(3, seed))
        assert trace(a * p * b * p.T) >= bound * (1 - 1e-14)


WEIGHTS = {
    "random": lambda rng, n: rng.standard_normal((n, n)),
    "columns decay": lambda rng, n: rng.standard_normal((n, n)) * np.logspace(0, -8, n),
    "rows decay": lambda rng, n: rng.standard_normal((n, n)) * np.logspace(0, -4, n)[:, None],
    "rank one": lambda rng, n: np.outer(rng.standard_normal(n), rng.standard_normal(n)),
    "rotation": lambda rng, n: ds.group.random_rotation(n, 1),
}


@pytest.mark.parametrize("name", WEIGHTS)
@pytest.mark.parametrize("n", [2, 3, 6])
def test_certificate_of_the_diagonal_norm_square(n, name):
    """Weak duality, proved anew: ``tr X^-1 + sum |w_j|^2 max(0, w_j^T X w_j - 1)`` for any X > 0.

    Every such number bounds what any rotation reaches; ours must lie between the two.
    """
    rng = np.random.default_rng(n)
    w = WEIGHTS[name](rng, n)
    result = ds.diagonalize(w, "norm_square")
    columns, norms = exact(w), [mpmath.fsum(x * x for x in column) for column in w.T.tolist()]
    product = exact(result.rotation.matrix) * columns
    reached = mpmath.fsum(product[i, i] ** 2 for i in range(n))
    assert abs(reached - result.objective) <= 1e-12 * reached
    assert reached * (1 - 1e-12) <= result.bound <= reached * (1 + 1e-9)

    def dual(x):
        held = columns.T * x * columns
        excess = (norms[j] * max(0, held[j, j] - 1) for j in range(n))
        return trace(x**-1) + mpmath.fsum(excess)

    scale = 1 / np.linalg.norm(w, 2)
    for _ in range(10):
        factor = scale * rng.lognormal() * (np.eye(n) + 0.5 * rng.standard_normal((n, n)))
        x = exact(factor @ factor.T + 1e-3 * scale * np.eye(n))
        assert dual(x) >= reached * (1 - mpmath.mpf(1e-14))


@pytest.mark.parametrize("name", WEIGHTS)
def test_no_rotation_of_three_units_passes_the_bound(name):
    """Dense search: 20 000 rotations, and 2000 more near the best of them."""
    rng = np.random.default_rng(0)
    w = WEIGHTS[name](rng, 3)
    bound = ds.diagonalize(w, "norm_square").bound

    def values(q):
        """Of unit quaternions."""
        q = q / np.linalg.norm(q, axis=1, keepdims=True)
        a, b, c, d = q.T
        p = np.array(
            [
                [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
                [2 * (b * c + a * d), a * a - b * b + c * c - d * d, 2 * (c * d - a * b)],
                [2 * (b * d - a * c), 2 * (c * d + a * b), a * a - b * b - c * c + d * d],
            ]
        )
        return np.square(np.einsum("ijm,ji->mi", p, w)).sum(axis=1)

    q = rng.standard_normal((20_000, 4))
    reached = values(q)
    best, start = reached.max(), q[reached.argmax()] / np.linalg.norm(q[reached.argmax()])
    for width in (0.1, 0.01, 1e-3, 1e-4):
        near = start + width * rng.standard_normal((2000, 4))
        found = values(near)
        if found.max() > best:
            best, start = found.max(), near[found.argmax()]
    assert best <= bound * (1 + 1e-12)
    assert best >= bound * (1 - 1e-5)


@pytest.mark.parametrize("name", WEIGHTS)
def test_no_rotation_of_two_units_passes_the_bound(name):
    w = WEIGHTS[name](np.random.default_rng(1), 2)
    angle = np.linspace(0, 2 * np.pi, 100_001)
    c, s = np.cos(angle), np.sin(angle)
    reached = (c * w[0, 0] - s * w[1, 0]) ** 2 + (s * w[0, 1] + c * w[1, 1]) ** 2
    bound = ds.diagonalize(w, "norm_square").bound
    assert bound * (1 - 1e-8) <= reached.max() <= bound * (1 + 1e-12)
