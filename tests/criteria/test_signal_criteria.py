"""Criteria of the signals: gradients, sums, streams, published numbers, exact against iterative."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import descrambler as ds
from descrambler import criteria, group

RNG = np.random.default_rng(0)
N = 8
SIGNALS = RNG.standard_t(5, (700, N)) @ RNG.standard_normal((N, N)) + 0.2
SPECTRUM = np.array([4.0, 3, 2, 1, 0.5])
ORDINARY = [
    criteria.Entropy(),
    criteria.Sparsity(),
    criteria.TotalVariation(),
    criteria.TotalVariation(0.5, "open"),
    criteria.Monotonicity(),
    criteria.Monotonicity("decreasing"),
    criteria.Locality(),
    criteria.Locality(boundary="open"),
    criteria.Kurtosis(),
    criteria.Orthomax(),
    criteria.Orthomax(0),
    criteria.TargetSpectrum(SPECTRUM),
    criteria.TargetAutocorrelation(0.7 ** np.arange(5)),
]
QUADRATIC = [
    criteria.Smoothness(),
    criteria.Smoothness(1, "neumann"),
    criteria.Smoothness(operator=RNG.standard_normal((5, N))),
    criteria.Autocorrelation(),
    criteria.Autocorrelation(2, "open"),
    criteria.Periodicity(4),
    criteria.Periodicity(3.3),
    criteria.Locality(2.5),
    criteria.Locality(0, "open"),
    criteria.TargetCovariance(np.diag(np.arange(N)) + 0.1),
]
EVERY = ORDINARY + QUADRATIC


def by_name(criterion):
    return str(criterion)[:40]


def slope_along(function, p, direction, h=1e-5):
    """Derivative at P along a curve in SO(n)."""
    step = group.exp(h * direction)
    return (function(step @ p) - function(step.T @ p)) / (2 * h)


def skew(seed=1):
    m = np.random.default_rng(seed).standard_normal((N, N))
    return (m - m.T) / N


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("criterion", EVERY, ids=by_name)
def test_gradient_against_finite_differences(criterion, dtype):
    p, direction = group.random_rotation(N, 3), skew()

    def value(p):
        return criterion.value_and_gradient(p, signals=SIGNALS)[0]

    expected = slope_along(value, p, direction)
    found, gradient = criterion.value_and_gradient(p.astype(dtype), signals=SIGNALS.astype(dtype))
    assert gradient.dtype == dtype
    tolerance = 2e-3 if dtype == np.float32 else 1e-6
    scale = np.linalg.norm(gradient @ p.T) / N
    assert abs(np.sum(gradient * (direction @ p)) - expected) < tolerance * scale
    assert found == pytest.approx(value(p), rel=1e-4 if dtype == np.float32 else 1e-12, abs=1e-7)


def formulas(y):
    """Every criterion as one would write it down."""
    m, n = y.shape
    total, share = np.sum(y**2), y**2 / np.sum(y**2, axis=1, keepdims=True)
    power = np.sum(y**2, axis=1)
    width = 0.1 * np.sqrt(np.mean(y**2))
    ring = np.diff(y, axis=1, append=y[:, :1])
    place = np.arange(n)
    spread = share @ place**2 - (share @ place) ** 2
    resultant = np.abs(share @ np.exp(2j * np.pi * place / n))
    spectrum = np.sum(np.abs(np.fft.fft(y, axis=1, norm="ortho")) ** 2, axis=0) / total
    target = np.concatenate([SPECTRUM, SPECTRUM[3:0:-1]])
    target = target / np.array([1, 2, 2, 2, 1, 2, 2, 2]) / SPECTRUM.sum()
    lags = [np.sum(y * np.roll(y, -lag, axis=1)) / total for lag in range(n)]
    expected = 0.7 ** np.minimum(np.arange(n), n - np.arange(n))
    return {
        "Shannon entropy": -np.sum(power * np.sum(share * np.log(share), axis=1)),
        "sparsity (width 0.1)": np.sum(np.sqrt(y**2 + width**2) - width),
        "total variation (width 0.1, periodic)": np.sum(np.sqrt(ring**2 + width**2) - width),
        "monotonicity (increasing)": np.sum(np.minimum(np.diff(y, axis=1), 0) ** 2),
        "monotonicity (decreasing)": np.sum(np.maximum(np.diff(y, axis=1), 0) ** 2),
        "locality (own centers, open)": power @ spread,
        "locality (own centers, periodic)": power @ (1 - resultant**2) * (n / (2 * np.pi)) ** 2,
        "kurtosis": np.sum(m * np.sum(y**4, axis=0) / np.sum(y**2, axis=0) ** 2),
        "varimax": np.sum(y**4) - np.sum(np.sum(y**2, axis=0) ** 2) / m,
        "quartimax": np.sum(y**4),
        "deviation from a target spectrum": np.sum((spectrum - target) ** 2),
        "deviation from a target autocorrelation": np.sum((lags - expected) ** 2) / n,
        "autocorrelation (lag 1, periodic)": np.sum(y * np.roll(y, 1, axis=1)),
        "autocorrelation (lag 2, open)": np.sum(y[:, 2:] * y[:, :-2]),
        "periodicity (period 4)": np.sum((y[:, :4] + y[:, 4:]) ** 2) / 2,
        "locality (center 0, open)": np.sum(y**2 @ place**2),
        "locality (center 2.5, periodic)": np.sum(
            y**2 @ (2 * np.sin(np.pi * (place - 2.5) / n) * n / (2 * np.pi)) ** 2
        ),
        "deviation from a target covariance": np.linalg.norm(
            y.T @ y / m - np.diag(np.arange(N)) - 0.1
        )
        ** 2,
    }


def test_values_are_those_of_the_formulas():
    p = group.random_rotation(N, 4)
    expected = formulas(SIGNALS @ p.T)
    seen = set()
    for criterion in EVERY:
        if str(criterion) in expected:
            value = criterion.value_and_gradient(p, signals=SIGNALS)[0]
            assert value == pytest.approx(expected[str(criterion)], rel=1e-10), str(criterion)
            seen.add(str(criterion))
    assert seen == set(expected)


@pytest.mark.parametrize("criterion", EVERY, ids=by_name)
def test_one_pass_in_blocks_is_the_sum_over_parts(criterion):
    p = group.random_rotation(N, 5)
    whole = criterion.value_and_gradient(p, signals=SIGNALS)
    doubled = criterion.value_and_gradient(p, signals=np.concatenate([SIGNALS, SIGNALS]))
    intensive = ("kurtosis", "target spectrum", "target autocorrelation", "target covariance")
    factor = 1 if str(criterion).endswith(intensive) else 2
    assert doubled[0] == pytest.approx(factor * whole[0], rel=1e-12)
    np.testing.assert_allclose(
        doubled[1], factor * whole[1], rtol=1e-9, atol=1e-9 * abs(whole[1]).max()
    )


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.floats(0.01, 100), st.sampled_from(EVERY)), min_size=1, max_size=4))
def test_sums_are_sums(terms):
    total = criteria.WeightedSum(tuple(terms))
    p = group.random_rotation(N, 6)
    value, gradient = total.value_and_gradient(p, signals=SIGNALS)
    parts = [(w, c, *c.value_and_gradient(p, signals=SIGNALS)) for w, c in terms]
    signs = [1 if c.maximize == total.maximize else -1 for _, c in terms]
    assert total.maximize == all(c.maximize for _, c in terms)
    scale = sum(w * abs(v) for w, _, v, _ in parts)
    assert value == pytest.approx(
        sum(s * w * v for s, (w, _, v, _) in zip(signs, parts, strict=True)), abs=1e-9 * scale
    )
    expected = sum(s * w * g for s, (w, _, _, g) in zip(signs, parts, strict=True))
    np.testing.assert_allclose(
        gradient, expected, atol=1e-9 * max(w * abs(g).max() for w, _, _, g in parts)
    )


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.01, 100), st.sampled_from(QUADRATIC)), min_size=1, max_size=3)
)
def test_quadratic_sums_are_solved_exactly(terms):
    total = criteria.WeightedSum(tuple(terms))
    result = ds.descramble(SIGNALS, total)
    assert result.method == "exact"
    assert result.optimality == "certified"
    sign = -1 if total.maximize else 1
    for seed in range(20):
        other = total.value_and_gradient(group.random_rotation(N, seed), signals=SIGNALS)[0]
        assert sign * other >= sign * result.objective - 1e-9 * abs(result.objective)


@pytest.mark.parametrize("criterion", QUADRATIC, ids=by_name)
def test_iteration_approaches_the_exact_value(criterion):
    exact = ds.descramble(SIGNALS, criterion)
    found = ds.descramble(SIGNALS, criterion, method="riemannian-lbfgs", random_state=0, tol=1e-7)
    assert exact.gap <= 1e-9
    assert found.objective == pytest.approx(exact.objective, rel=1e-6)
    assert found.history[-1] == pytest.approx(found.objective, rel=1e-9)


@pytest.mark.parametrize("method", ["cayley-lbfgs", "riemannian-lbfgs"])
@pytest.mark.parametrize("criterion", ORDINARY, ids=by_name)
def test_local_optima(criterion, method):
    result = ds.descramble(SIGNALS, criterion, method=method, random_state=1, tol=1e-6)
    sign = -1 if criterion.maximize else 1
    p = result.rotation.matrix
    assert result.converged and result.optimality in ("local", "certified")
    assert result.history[-1] == pytest.approx(result.objective, rel=1e-9, abs=1e-12)
    assert sign * result.history[-1] <= sign * result.history[0]
    assert np.linalg.det(p) == pytest.approx(1)
    for seed in range(5):
        near = group.exp(1e-2 * skew(seed)) @ p
        value = criterion.value_and_gradient(near, signals=SIGNALS)[0]
        assert sign * value >= sign * result.objective - 1e-7 * abs(result.objective)


@pytest.mark.parametrize(
    "criterion", [criteria.Kurtosis(), *map(criteria.Orthomax, (0, 1, 4))], ids=by_name
)
def test_polar_steps_rise_to_a_maximum_of_the_same_criterion(criterion):
    result = ds.descramble(SIGNALS, criterion, random_state=3, tol=1e-9)
    assert result.method == "polar" and result.converged
    assert (np.diff(result.history) >= -1e-12 * abs(result.history[-1])).all()
    assert result.history[-1] == pytest.approx(result.objective, rel=1e-12)
    p = group.random_rotation(N, 3)
    assert result.history[0] == pytest.approx(criterion.value_and_gradient(p, signals=SIGNALS)[0])
    assert result.gradient_norm < 1e-8 * result.objective


# Harman's eight physical variables of 305 girls (Harman 1976; R's Harman23.cor), and varimax of their first
# two principal components with Kaiser's normalization, as R's psych prints it (Kabacoff, R in Action,
# listing 14.3). R stops where the sum of singular values rises by less than 1e-5, relatively: in its last
# angle it is 0.006 short of the maximum, which moves loadings by less than 0.01 beyond their two digits.
HARMAN = """
.846
.805 .881
.859 .826 .801
.473 .376 .380 .436
.398 .326 .319 .329 .762
.301 .277 .237 .327 .730 .583
.382 .415 .345 .365 .629 .577 .539
"""
PUBLISHED = [
    [0.90, 0.93, 0.92, 0.90, 0.26, 0.19, 0.11, 0.26],
    [0.25, 0.19, 0.16, 0.22, 0.88, 0.84, 0.84, 0.75],
]


@pytest.mark.parametrize("method", ["polar", "riemannian-lbfgs", "cayley-lbfgs"])
def test_varimax_of_published_loadings(method):
    correlation = np.eye(8)
    correlation[np.tril_indices(8, -1)] = np.array(HARMAN.split(), float)
    values, vectors = np.linalg.eigh(correlation, UPLO="L")
    loadings = vectors[:, :-3:-1] * np.sqrt(values[:-3:-1])
    length = np.linalg.norm(loadings, axis=1, keepdims=True)
    rotated = ds.descramble(loadings / length, "varimax", method=method).transform(loadings)
    found = sorted(np.abs(rotated.T).tolist(), reverse=True)
    np.testing.assert_allclose(found, PUBLISHED, atol=0.011)

    def varimax(table):
        square = np.square(np.array(table) / np.linalg.norm(table, axis=0))
        return np.sum(square**2) - np.sum(square.sum(axis=1) ** 2) / 8

    assert varimax(found) > varimax(PUBLISHED)


def test_independent_components_are_found():
    sources = np.random.default_rng(5).laplace(size=(4000, 12))
    white = np.linalg.qr(sources)[0] @ group.random_rotation(12, 1) * np.sqrt(4000)
    unmixed = ds.descramble(white, "kurtosis").transform(white)
    match = np.abs(np.corrcoef(unmixed.T, sources.T)[:12, 12:])
    assert (match.max(axis=1) > 0.99).all()


@pytest.mark.parametrize("scale", [1e-6, 1e6])
@pytest.mark.parametrize("criterion", ORDINARY, ids=by_name)
def test_the_unit_of_the_signals_does_not_matter(criterion, scale):
    one = ds.descramble(SIGNALS, criterion, random_state=2, max_iter=500)
    other = ds.descramble(scale * SIGNALS, criterion, random_state=2, max_iter=500)
    np.testing.assert_allclose(other.rotation.matrix, one.rotation.matrix, atol=1e-4)


@pytest.mark.parametrize(
    "criterion", ["entropy", "varimax", 2 * criteria.Smoothness() + criteria.Kurtosis()]
)
def test_starts_do_not_depend_on_threads(criterion):
    options = {"n_starts": 5, "random_state": 7, "max_iter": 400}
    one = ds.descramble(SIGNALS, criterion, threads=1, **options)
    three = ds.descramble(SIGNALS, criterion, threads=3, **options)
    np.testing.assert_array_equal(one.rotation.matrix, three.rotation.matrix)
    np.testing.assert_array_equal(one.starts.objectives, three.starts.objectives)
    assert one.starts.seeds == three.starts.seeds
    assert one.starts.statuses == three.starts.statuses
    assert 1 <= one.starts.n_best <= 5
    best = int(np.argmin(abs(one.starts.objectives - one.objective)))
    again = ds.descramble(SIGNALS, criterion, random_state=one.starts.seeds[best], max_iter=400)
    assert again.objective == pytest.approx(one.objective, rel=1e-9)
    assert again.status is one.status is one.starts.statuses[best]
    assert "starts reached the best" in str(one)


def test_reflections():
    w = np.diag([-1.0] + [1.0] * (N - 1))
    trace = criteria.Custom(lambda p: (np.sum(p * w), w), of="rotation", maximize=True)
    both = ds.descramble(SIGNALS, trace, group="O", random_state=0)
    assert both.objective == pytest.approx(N)
    assert np.linalg.det(both.rotation.matrix) == pytest.approx(-1)
    assert len(both.starts.seeds) == 2
    assert ds.descramble(SIGNALS, trace, random_state=0).objective == pytest.approx(N - 2)
    assert np.linalg.det(ds.descramble(SIGNALS, "entropy", group="O").rotation.matrix) > 0


@pytest.mark.parametrize("criterion", ["entropy", "kurtosis", "total_variation", "varimax"])
def test_float32_signals(criterion):
    result = ds.descramble(SIGNALS.astype(np.float32), criterion, tol=1e-4)
    assert result.rotation.matrix.dtype == np.float32
    assert result.optimality == "local"
    # Judged in float64.
    assert result.gradient_norm < 5e-4 * abs(result.objective)
    assert result.history[-1] == pytest.approx(result.objective, rel=1e-5)


def test_canonical_rows():
    signals = SIGNALS + 3
    result = ds.descramble(signals, "kurtosis")
    y = result.transform(signals)
    assert (np.diff(np.square(y).sum(axis=0)) <= 0).all()
    assert (y.mean(axis=0)[:-1] >= 0).all()


def test_an_iterator_is_gathered():
    parts = iter([SIGNALS[:300], SIGNALS[300:]])
    result = ds.descramble(parts, "entropy")
    assert result.objective == pytest.approx(ds.descramble(SIGNALS, "entropy").objective)


def test_zero_signals():
    for criterion in ORDINARY:
        value, gradient = criterion.value_and_gradient(np.eye(N), signals=np.zeros((3, N)))
        assert np.isfinite(value) and np.isfinite(gradient).all()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: criteria.Autocorrelation(0), ValueError, "lag must be"),
        (lambda: criteria.Periodicity(0.5), ValueError, "period must be"),
        (
            lambda: criteria.TargetCovariance([[0, 1], [2, 0]]),
            ValueError,
            "target must be symmetric",
        ),
        (lambda: criteria.TargetSpectrum([-1, 2]), ValueError, "target must be a power spectrum"),
        (lambda: criteria.TargetAutocorrelation([0.5]), ValueError, "must start with 1"),
        (lambda: criteria.Sparsity(0), ValueError, "width must be positive"),
        (lambda: criteria.Locality(np.inf), ValueError, "center must be finite"),
        (lambda: criteria.Orthomax(np.nan), ValueError, "gamma must be finite"),
        (lambda: 0 * criteria.Entropy(), ValueError, "weight .* must be finite and not zero"),
        (lambda: criteria.Entropy() + 1, TypeError, "unsupported operand"),
        (lambda: ds.descramble(ds.Gram(np.eye(3)), "entropy"), ValueError, "needs the signals"),
        (
            lambda: ds.descramble(SIGNALS, "entropy", method="exact"),
            ValueError,
            "no exact solution",
        ),
        (
            lambda: ds.descramble(SIGNALS, "entropy", method="polar"),
            ValueError,
            "maximizes kurtosis",
        ),
        (lambda: ds.descramble(SIGNALS, method="polar"), ValueError, "maximizes kurtosis"),
        (lambda: ds.descramble(SIGNALS, "entropy", rank=2), ValueError, "rank needs smoothness"),
        (lambda: ds.descramble(SIGNALS, "entropy", gauge="identity"), ValueError, "gauge must be"),
        (lambda: ds.descramble(SIGNALS, "entropy", n_starts=0), ValueError, "n_starts must be"),
        (lambda: ds.descramble(SIGNALS, "entropy", group="U"), ValueError, "group must be one of"),
        (lambda: ds.descramble(SIGNALS, criteria.TargetSpectrum([1, 2])), ValueError, "n // 2"),
        (lambda: ds.descramble(SIGNALS, criteria.TargetCovariance(np.eye(2))), ValueError, "8 x 8"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()
