"""Pictures from two samples of the same inputs."""

import numpy as np
import pytest

import descrambler as ds
from descrambler import analysis

N = 12


def colored(m=8000, seed=0):
    generator = np.random.default_rng(seed)
    return (generator.standard_normal((m, N)) + 0.3) * np.geomspace(1, 0.1, N)


def test_more_inputs_resolve_more_and_agree_better():
    w = np.random.default_rng(1).standard_normal((N, 30))
    curve = analysis.split_half(colored(), w, [40, 300, 4000], n_splits=3)
    assert curve.similarity.shape == (3, 3)
    means = curve.resolved.mean(axis=1)
    assert means[0] < means[1] < means[2]
    assert (np.diff(curve.resolved_share.mean(axis=1)) > 0).all()
    assert curve.bound[2].min() > 0.95
    compared = curve.resolved > 0
    assert (curve.bound[compared] >= curve.similarity[compared] - 1e-12).all()


def test_rotated_units_give_the_same_curve():
    w = np.random.default_rng(1).standard_normal((N, 30))
    q = ds.group.random_rotation(N, 0)
    first, second = (
        analysis.split_half(x, y, [1000], n_splits=2)
        for x, y in ((colored(), w), (colored() @ q.T, q @ w))
    )
    np.testing.assert_array_equal(first.resolved, second.resolved)
    np.testing.assert_allclose(first.bound, second.bound, atol=1e-8)


def test_white_inputs_never_have_a_picture():
    white = np.random.default_rng(0).standard_normal((2000, N))
    curve = analysis.split_half(white.astype(np.float32), np.eye(N, dtype=np.float32))
    assert curve.sizes.tolist() == [31, 62, 125, 250, 500, 1000]
    assert curve.resolved.mean() < 0.3
    assert np.isnan(curve.similarity[curve.resolved == 0]).all()


def test_bad_input():
    with pytest.raises(ValueError, match="weights must have 12 rows"):
        analysis.split_half(colored(50), np.eye(3))
    with pytest.raises(ValueError, match=r"sizes must be between 2 and 25, got \[30\]"):
        analysis.split_half(colored(50), np.eye(N), [30])
    with pytest.raises(ValueError, match="n_splits must be at least 1, got 0"):
        analysis.split_half(colored(50), np.eye(N), n_splits=0)
