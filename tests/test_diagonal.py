"""Maximum diagonality: global optima with certificates."""

import dataclasses

import numpy as np
import pytest
import scipy.linalg

import descrambler as ds

RNG = np.random.default_rng(0)


def weights(kind, n):
    random = RNG.standard_normal((n, n))
    rank = max(1, n // 8)
    return {
        "random": random,
        "rotated diagonal": ds.group.random_rotation(n, 1) * RNG.uniform(0.5, 2, n),
        "low rank": RNG.standard_normal((n, rank)) @ RNG.standard_normal((rank, n)),
        "column decay": random * np.logspace(0, -12, n),
        "tall": RNG.standard_normal((n, max(1, n // 2))),
        "wide": RNG.standard_normal((n, 2 * n)),
        "zero": np.zeros((n, n)),
    }[kind]


@pytest.mark.parametrize("criterion", ["sum", "norm_square"])
@pytest.mark.parametrize("n", [1, 2, 3, 8, 24, 80])
@pytest.mark.parametrize(
    "kind",
    ["random", "rotated diagonal", "low rank", "column decay", "tall", "wide", "zero"],
)
def test_certified_from_either_side(kind, n, criterion):
    w = weights(kind, n)
    for side, given in (("left", w), ("right", w.T)):
        result = ds.diagonalize(given, criterion, side=side)
        p = result.rotation.matrix
        diagonal = np.diagonal(p @ w)
        value = diagonal.sum() if criterion == "sum" else diagonal @ diagonal
        assert result.objective == pytest.approx(value, rel=1e-12, abs=1e-12)
        assert result.gap <= 1e-9
        assert result.optimality == "certified"
        assert result.orthogonality_error < 1e-12
        assert np.linalg.det(p) == pytest.approx(1)


@pytest.mark.parametrize("n", [2, 3, 5, 8, 13, 16])
def test_columns_decaying_over_twelve_decades(n):
    # Where columns fall below rounding, a null vector of W diag(d) may lean towards a small column.
    for seed in range(30):
        w = np.random.default_rng(seed).standard_normal((n, n)) * np.logspace(0, -12, n)
        result = ds.diagonalize(w, "norm_square", max_iter=1000)
        assert result.gap <= 1e-9, (seed, result.bound, result.message)
        assert result.objective <= result.bound * (1 + 1e-12)


@pytest.mark.parametrize("kind", ["random", "low rank", "tall", "wide"])
@pytest.mark.parametrize("criterion", ["sum", "norm_square"])
def test_sides_are_transposes_of_each_other(kind, criterion):
    w = weights(kind, 8)
    left, right = ds.diagonalize(w, criterion), ds.diagonalize(w.T, criterion, side="right")
    assert right.objective == pytest.approx(left.objective, rel=1e-9)
    for result, diagonal in (
        (left, np.diagonal(left.rotation.left(w))),
        (right, np.diagonal(right.rotation.right(w.T))),
    ):
        assert len(diagonal) == min(w.shape)
        value = diagonal.sum() if criterion == "sum" else diagonal @ diagonal
        assert result.objective == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("criterion", ["sum", "norm_square"])
def test_known_optima(criterion):
    q, d = ds.group.random_rotation(7, 3), np.arange(1.0, 8)
    value = d.sum() if criterion == "sum" else d @ d
    assert ds.diagonalize(q * d, criterion).objective == pytest.approx(value, rel=1e-9)
    # No rotation undoes a reflection: the sum pays twice the least singular value, the square nothing.
    reflected = q * d * np.where(d == 3, -1, 1)
    expected = value - 2 if criterion == "sum" else value
    result = ds.diagonalize(reflected, criterion)
    assert result.objective == pytest.approx(expected, rel=1e-9)
    assert np.linalg.det(result.rotation.matrix) == pytest.approx(1)
    assert result.bound >= result.objective * (1 - 1e-12)


@pytest.mark.parametrize("criterion", ["sum", "norm_square"])
@pytest.mark.parametrize("scale", [1e-100, 1e100])
def test_units_of_measurement_do_not_matter(scale, criterion):
    w = weights("random", 6)
    one, other = ds.diagonalize(w, criterion), ds.diagonalize(w * scale, criterion)
    assert other.gap <= 1e-9
    power = scale if criterion == "sum" else scale**2
    assert other.objective / power == pytest.approx(one.objective, rel=1e-9)


def test_gap_is_a_number_where_nothing_is_proven():
    result = ds.diagonalize(weights("random", 4), "norm_square")
    unproven = dataclasses.replace(result, bound=np.inf)
    assert unproven.gap == np.inf
    assert unproven.optimality == "unknown"


def test_sum_is_orthogonal_procrustes():
    w = weights("random", 9)
    w[:, 0] *= np.sign(np.linalg.det(w))
    result = ds.diagonalize(w, "sum")
    expected, value = scipy.linalg.orthogonal_procrustes(w.T, np.eye(9))
    np.testing.assert_allclose(result.rotation.matrix, expected.T, atol=1e-10)
    assert result.objective == pytest.approx(value)


@pytest.mark.parametrize("criterion", ["sum", "norm_square"])
@pytest.mark.parametrize("seed", range(8))
def test_two_units_against_every_angle(criterion, seed):
    w = np.random.default_rng(seed).standard_normal((2, 2))
    angle = np.linspace(0, 2 * np.pi, 20001)
    c, s = np.cos(angle), np.sin(angle)
    d = np.array([c * w[0, 0] - s * w[1, 0], s * w[0, 1] + c * w[1, 1]])
    best = (d.sum(axis=0) if criterion == "sum" else (d**2).sum(axis=0)).max()
    assert ds.diagonalize(w, criterion).objective == pytest.approx(best, rel=1e-6)


def test_iteration_from_random_starts_never_passes_the_bound():
    w = weights("random", 12)
    options = {"method": "riemannian-lbfgs", "retraction": "polar"}
    for criterion in ("sum", "norm_square"):
        best = ds.diagonalize(w, criterion)
        for seed in range(10):
            other = ds.diagonalize(w, criterion, random_state=seed, **options)
            assert other.objective <= best.bound * (1 + 1e-12)
            assert other.gap >= 0
            assert other.method == "riemannian-lbfgs"
            assert np.linalg.det(other.rotation.matrix) == pytest.approx(1)


def test_float32_and_signs():
    result = ds.diagonalize(weights("random", 20).astype(np.float32), "norm_square")
    assert result.rotation.matrix.dtype == np.float32
    assert result.gap < 1e-5
    assert result.sign_resolved.sum() >= 19


def test_callback_stops():
    w = weights("low rank", 24)
    result = ds.diagonalize(w, "norm_square", callback=lambda state: state.iteration >= 2)
    assert result.status is ds.Status.STOPPED
    assert result.n_iter == 2
    assert (np.diff(result.history) >= -1e-12 * result.history[-1]).all()


def test_bad_input():
    with pytest.raises(ValueError, match="criterion must be one of"):
        ds.diagonalize(np.eye(2), "trace")
    with pytest.raises(ValueError, match="side must be one of"):
        ds.diagonalize(np.eye(2), side="top")
    with pytest.raises(ValueError, match="weights must be finite"):
        ds.diagonalize([[np.inf]])
