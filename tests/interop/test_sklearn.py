"""The scikit-learn estimator: scikit-learn's own checks, and what it computes."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import descrambler as ds
from descrambler._solvers import eigenpairs

Descrambler = ds.interop.sklearn.Descrambler
RNG = np.random.default_rng(0)
X = RNG.standard_normal((300, 12)) @ RNG.standard_normal((12, 12)) + 1


@parametrize_with_checks([Descrambler(), Descrambler(rank=1)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_it_is_what_descramble_finds():
    result, estimator = ds.descramble(X), Descrambler().fit(X)
    np.testing.assert_array_equal(estimator.rotation_.matrix, result.rotation.matrix)
    np.testing.assert_array_equal(estimator.transform(X), result.transform(X))
    np.testing.assert_allclose(estimator.inverse_transform(estimator.transform(X)), X, atol=1e-12)
    assert (estimator.gap_, estimator.objective_) == (result.gap, result.objective)
    assert list(estimator.get_feature_names_out())[::11] == ["descrambler0", "descrambler11"]


def test_parts_make_the_whole():
    parts = Descrambler()
    for rows in np.array_split(X, 7):
        parts.partial_fit(rows)
    whole = ds.descramble(ds.gram(X))
    assert parts.gram_.count == len(X)
    np.testing.assert_allclose(parts.rotation_.matrix, whole.rotation.matrix, atol=1e-10)


def test_parts_do_not_follow_a_fit_without_a_gram_matrix(monkeypatch):
    monkeypatch.setattr(eigenpairs, "LEAST_UNITS", 12)
    monkeypatch.setattr(eigenpairs, "STREAMED_SHARE", 0.5)
    estimator = Descrambler(rank=1).fit(np.hstack([X, X[::-1] / 9, np.roll(X, 7, axis=0) / 9]))
    assert estimator.gram_ is None
    with pytest.raises(ValueError, match="rank=1.*Begin with partial_fit"):
        estimator.partial_fit(np.ones((3, 36)))


def test_in_a_pipeline():
    pipeline = make_pipeline(StandardScaler(), Descrambler(rank=3)).fit(X)
    scaled = StandardScaler().fit_transform(X)
    np.testing.assert_allclose(
        pipeline.transform(X), ds.descramble(scaled, rank=3).transform(scaled), atol=1e-12
    )
    assert clone(pipeline)[-1].get_params()["rank"] == 3


@pytest.mark.parametrize(
    "criterion",
    [
        "smoothness",
        ds.criteria.Smoothness(1, "neumann"),
        ds.criteria.Smoothness(operator=np.eye(12)),
    ],
)
def test_save_and_load(criterion, tmp_path):
    saved = Descrambler(criterion, rank=5).fit(X.astype(np.float32))
    saved.save(tmp_path / "estimator.npz")
    loaded = Descrambler.load(tmp_path / "estimator.npz")
    np.testing.assert_array_equal(loaded.transform(X), saved.transform(X))
    assert str(loaded.get_params()["criterion"]) == str(criterion)
    assert loaded.gap_ == saved.gap_
    np.testing.assert_array_equal(loaded.resolved_, saved.resolved_)
    again = loaded.partial_fit(X), saved.partial_fit(X)
    np.testing.assert_array_equal(again[0].transform(X), again[1].transform(X))
    copied = pickle.loads(pickle.dumps(saved))
    np.testing.assert_array_equal(copied.transform(X), saved.transform(X))


def test_feature_names_are_saved(tmp_path):
    pandas = pytest.importorskip("pandas")
    names = [f"unit {i}" for i in range(12)]
    saved = Descrambler().fit(pandas.DataFrame(X, columns=names))
    saved.save(tmp_path / "estimator.npz")
    loaded = Descrambler.load(tmp_path / "estimator.npz")
    assert list(loaded.feature_names_in_) == names
    with pytest.raises(ValueError, match="feature names"):
        loaded.transform(pandas.DataFrame(X, columns=names[::-1]))


def test_bad_files_and_parameters(tmp_path):
    (tmp_path / "bad.npz").write_bytes(b"PK nonsense")
    with pytest.raises(ValueError, match=r"bad\.npz"):
        Descrambler.load(tmp_path / "bad.npz")
    with pytest.raises(ValueError, match="criterion must be one of"):
        Descrambler("beauty").fit(X)
    with pytest.raises(ValueError, match="12 columns"):
        Descrambler().fit(X).inverse_transform(X[:, 1:])


def test_parameters_that_are_objects_are_not_saved(tmp_path):
    path = tmp_path / "saved.npz"
    estimator = Descrambler(random_state=np.random.default_rng(0)).fit(X)
    with pytest.raises(ValueError, match="random_state must be a number.*got Generator"):
        estimator.save(path)
    assert not path.exists()
    estimator.set_params(random_state=np.int64(3)).save(path)
    assert Descrambler.load(path).random_state == 3
