"""Signals over many decades: solved from a factor of theirs, and certified."""

import numpy as np
import pytest

import descrambler as ds
from descrambler._signals.factor import with_factor

RNG = np.random.default_rng(2)


def relaxometry(n=64, m=1500, offset=0.0):
    """Signals of the third layer of a random network that sees decays: their variances span 30 decades."""
    rng = np.random.default_rng(0)
    signals = np.exp(-np.linspace(0, 3, 64) / rng.uniform(0.1, 3, (m, 1)))
    for inputs in (64, n, n):
        signals = np.tanh(signals @ rng.standard_normal((n, inputs)).T / np.sqrt(inputs))
    return signals + offset


def far_from_the_optimum(result, signals):
    """Relative distance to the smallest value that the singular values of the signals allow."""
    basis = result.criterion.basis(signals.shape[1])
    placed = basis.to_modes(result.rotation.matrix @ signals.T)
    value = basis.eigenvalues @ np.square(placed).sum(axis=1)
    singular = np.zeros(signals.shape[1])
    found = np.linalg.svd(signals, compute_uv=False)
    singular[: len(found)] = found
    bound = basis.eigenvalues @ singular**2
    return value / bound - 1, bound


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("n", [32, 65, 128])
def test_the_exact_solution_is_certified(n, center):
    signals = relaxometry(n)
    result = ds.descramble(signals, center=center)
    used = signals - signals.mean(axis=0) if center else signals
    distance, bound = far_from_the_optimum(result, used)
    assert result.optimality == "certified" and abs(distance) < 1e-11
    assert result.gram.factor is not None and result.orthogonality_error < 1e-12
    np.testing.assert_allclose([result.objective, result.bound], bound, rtol=1e-10)
    alone = ds.descramble(result.gram if center else ds.gram(signals))
    assert result.resolved.sum() > ds.descramble(ds.gram(signals)).resolved.sum()
    assert alone.resolved.sum() <= result.resolved.sum()


def test_gradient_is_that_of_the_gram_matrix():
    signals = relaxometry(16)
    gram = with_factor(ds.gram(signals), as_source(signals))
    p = ds.group.random_rotation(16, 0)
    criterion = ds.criteria.Smoothness()
    (value, gradient), (other, want) = (
        criterion.value_and_gradient(p, gram=g) for g in (gram, ds.gram(signals))
    )
    assert value == pytest.approx(other, rel=1e-12)
    np.testing.assert_allclose(gradient, want, rtol=1e-10, atol=1e-8 * np.abs(want).max())


def as_source(signals):
    from descrambler._signals.sources import as_source as of

    return of("signals", signals)


@pytest.mark.parametrize("rows", [1, 2, 5, 12, 13, 40, 5000])
@pytest.mark.parametrize("center", [False, True])
def test_factor_of_any_number_of_signals(rows, center):
    signals = RNG.standard_normal((rows, 12)) + (1e6 if center else 0.1)
    gram = with_factor(ds.gram(signals, center=center), as_source(signals))
    scale = np.abs(gram.matrix).max()
    np.testing.assert_allclose(gram.factor.T @ gram.factor, gram.matrix, atol=1e-12 * scale)
    assert gram.factor.shape[1] == 12


def test_factors_merge_as_a_tree():
    dask = pytest.importorskip("dask.array", reason="Dask (the extra `dask`) is not installed")
    signals = relaxometry(32)
    result = ds.descramble(dask.from_array(signals, chunks=(200, 20)), center=True)
    assert result.optimality == "certified"
    assert abs(far_from_the_optimum(result, signals - signals.mean(axis=0))[0]) < 1e-11


def test_no_factor_where_it_is_not_needed_or_cannot_be():
    ordinary = RNG.standard_normal((200, 16))
    assert ds.descramble(ordinary).gram.factor is None
    signals = relaxometry(64)
    assert ds.descramble(iter([signals])).gram.factor is None
    assert ds.descramble(signals, dtype="float32").gram.factor is None
    factored = ds.descramble(signals).gram
    assert (factored + factored).factor is None
    assert factored.center().factor is None


def test_weights_join_the_factor():
    signals, weights = relaxometry(64), RNG.standard_normal((20, 64)) / 1e6
    gram = ds.descramble(signals).gram
    joint = ds.joint_gram(gram, weights)
    scale = np.abs(joint.matrix).max()
    np.testing.assert_allclose(joint.factor.T @ joint.factor, joint.matrix, atol=1e-13 * scale)
    result = ds.descramble(joint)
    ratio = np.linalg.norm(signals, 2) / np.linalg.norm(weights, 2)
    distance, _ = far_from_the_optimum(result, np.vstack([signals, ratio * weights]))
    assert result.optimality == "certified" and abs(distance) < 1e-9


def test_other_criteria_of_a_factored_matrix():
    gram = ds.descramble(relaxometry(32)).gram
    criterion = ds.criteria.Smoothness() + ds.criteria.Locality(center=3.0)
    a, b = ds.descramble(gram, criterion), ds.descramble(ds.gram(relaxometry(32)), criterion)
    assert a.objective == pytest.approx(b.objective, rel=1e-9)
