"""Minimization of any function of a rotation; checkpoints."""

import numpy as np
import pytest

import descrambler as ds

W = np.random.default_rng(0).standard_normal((7, 7))


def trace(p):
    return -np.sum(p * W.T), -W.T.astype(p.dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", ["riemannian-lbfgs", "cayley-lbfgs"])
def test_procrustes_in_both_parts_of_the_group(method, dtype):
    values = []
    for sign in (1, -1):
        start = ds.group.random_rotation(7, 1) * np.append(np.ones(6), sign)
        best = ds.group.minimize(trace, start.astype(dtype), method=method, tol=1e-5)
        assert best.rotation.dtype == dtype
        assert best.converged and best.optimality == "local"
        assert np.linalg.det(best.rotation.matrix) == pytest.approx(sign, abs=1e-4)
        values.append(-best.objective)
    s = np.linalg.svd(W)[1]
    assert max(values) == pytest.approx(s.sum(), rel=1e-5)
    assert min(values) == pytest.approx(s.sum() - 2 * s[-1], rel=1e-5)


def test_maximize_and_autograd():
    torch = pytest.importorskip("torch")
    w = torch.tensor(W)
    best = ds.group.minimize(lambda p: (p @ w).trace(), np.eye(7), maximize=True, autograd=True)
    assert best.objective == pytest.approx(ds.diagonalize(W, "sum").objective)


def test_bad_input():
    with pytest.raises(ds.GradientError, match="fun disagrees"):
        ds.group.minimize(lambda p: (trace(p)[0], W.T), np.eye(7))
    with pytest.raises(ValueError, match="start must be orthogonal"):
        ds.group.minimize(trace, np.ones((7, 7)))
    with pytest.raises(ValueError, match="method must be one of"):
        ds.group.minimize(trace, np.eye(7), method="exact")
    with pytest.raises(TypeError, match=r"fun must return \(value, gradient\)"):
        ds.group.minimize(lambda p: 0, np.eye(7))


SIGNALS = np.random.default_rng(1).laplace(size=(300, 12)) @ np.random.default_rng(
    2
).standard_normal((12, 12))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("criterion", "method"),
    [
        ("entropy", "auto"),
        ("total_variation", "cayley-lbfgs"),
        ("kurtosis", "auto"),
        ("smoothness", "riemannian-lbfgs"),
    ],
)
def test_a_stopped_run_resumes_to_the_same_result(tmp_path, criterion, method):
    options = {"method": method, "tol": 1e-5, "random_state": 1, "checkpoint_every": 4}
    whole = ds.descramble(SIGNALS, criterion, checkpoint=tmp_path / "whole.npz", **options)
    assert whole.converged and whole.n_iter > 8
    options["checkpoint"] = tmp_path / "parts.npz"
    seen = []

    def stop(state):
        seen.append(state.iteration)
        return state.iteration in (2, 6, 9)

    for _ in range(2):
        ds.descramble(SIGNALS, criterion, callback=stop, **options)
    resumed = ds.descramble(SIGNALS, criterion, **options)
    np.testing.assert_array_equal(resumed.rotation.matrix, whole.rotation.matrix)
    np.testing.assert_array_equal(resumed.history, whole.history)
    assert (resumed.n_iter, resumed.n_eval) == (whole.n_iter, whole.n_eval)
    again = ds.descramble(SIGNALS, criterion, **options)
    np.testing.assert_array_equal(again.rotation.matrix, whole.rotation.matrix)


def test_checkpoints_of_something_else(tmp_path):
    options = {"checkpoint": tmp_path / "a.npz", "tol": 1e-3}
    ds.descramble(SIGNALS, "entropy", **options)
    with pytest.raises(ValueError, match="another start"):
        ds.descramble(SIGNALS, "entropy", random_state=3, **options)
    with pytest.raises(ValueError, match="other signals, or of another criterion"):
        ds.descramble(SIGNALS, "sparsity", **options)
    with pytest.raises(ValueError, match="checkpoint is for one start"):
        ds.descramble(SIGNALS, "entropy", n_starts=2, **options)
    with pytest.raises(ValueError, match="checkpoint needs an iterative"):
        ds.descramble(SIGNALS, **options)
    (tmp_path / "a.npz").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match=r"a\.npz"):
        ds.descramble(SIGNALS, "entropy", **options)


def test_progress_bar(capsys):
    ds.descramble(SIGNALS, "entropy", tol=1e-3, progress=True)
    assert "objective=" in capsys.readouterr().err
