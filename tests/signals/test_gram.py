"""Gram matrices: one pass, every activation, either precision."""

import numpy as np
import pytest

import descrambler as ds

RNG = np.random.default_rng(0)


def reference_activation(name, z):
    return {
        "tanh": np.tanh,
        "logistic": lambda x: 1 / (1 + np.exp(-x)),
        "relu": lambda x: np.maximum(x, 0),
        "leaky_relu": lambda x: np.where(x < 0, 0.01 * x, x),
        "softplus": lambda x: np.logaddexp(0, x),
        "identity": lambda x: x,
        "softmax": lambda x: np.exp(x) / np.exp(x).sum(axis=1, keepdims=True),
    }[name](z)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "name", ["tanh", "logistic", "relu", "leaky_relu", "softplus", "identity", "softmax"]
)
def test_layer_gram(name, dtype):
    w, b = RNG.standard_normal((7, 5)).astype(dtype), RNG.standard_normal(7).astype(dtype)
    x = RNG.standard_normal((1300, 5)).astype(dtype)
    network = ds.Network([ds.Linear(w, b), ds.Activation(name), ds.Linear(np.eye(7, dtype=dtype))])
    gram = network.gram(x, 1, "after")
    s = reference_activation(name, x.astype(float) @ w.T.astype(float) + b)
    tolerance = 1e-13 if dtype == np.float64 else 1e-6
    assert np.abs(gram.matrix - s.T @ s).max() <= tolerance * np.abs(s.T @ s).max()
    np.testing.assert_allclose(gram.mean, s.mean(axis=0), atol=10 * tolerance)
    assert gram.count == 1300
    np.testing.assert_array_equal(gram.matrix, gram.matrix.T)
    deeper = network.gram(iter(np.split(x, 2)), 2, "before")
    assert np.abs(deeper.matrix - s.T @ s).max() <= tolerance * np.abs(s.T @ s).max()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tanh_is_accurate_everywhere(dtype):
    x = np.concatenate([np.logspace(-30, 2.5, 4000), [0.625, np.nextafter(0.625, 0), 0]])
    x = np.concatenate([x, -x]).astype(dtype)[:, None]
    network = ds.Network([ds.Linear(np.ones((1, 1), dtype)), ds.Activation("tanh")])
    # One input at a time: the mean of a single signal is the signal.
    values = np.array([network.gram(row[None], 1, "after").mean[0] for row in x])
    exact = np.tanh(x[:, 0].astype(float))
    assert np.all(np.abs(values - exact) <= 4 * np.finfo(dtype).eps * np.abs(exact))


def test_batches_and_addition():
    x = RNG.standard_normal((100, 4))
    whole = ds.gram(x)
    np.testing.assert_allclose(whole.matrix, x.T @ x, rtol=1e-12)
    for other in (ds.gram(iter([x[:30], x[30:]])), ds.gram(x[:30]) + ds.gram(x[30:])):
        np.testing.assert_allclose(other.matrix, whole.matrix, rtol=1e-12)
        np.testing.assert_allclose(other.mean, whole.mean, rtol=1e-10)
        assert other.count == 100
    assert (whole + ds.Gram(np.eye(4))).mean is None


def test_strided_integer_and_half_precision_input():
    x = RNG.integers(-5, 5, (40, 6))
    expected = x.T @ x
    for given in (x, np.asfortranarray(x, dtype=float), x.astype(np.float16)):
        np.testing.assert_array_equal(ds.gram(given).matrix, expected)
    np.testing.assert_array_equal(ds.gram(x[:, ::2]).matrix, expected[::2, ::2])


def test_save_and_load(tmp_path):
    gram = ds.gram(RNG.standard_normal((10, 3)))
    gram.save(tmp_path / "gram.npz")
    again = ds.Gram.load(tmp_path / "gram.npz")
    np.testing.assert_array_equal(again.matrix, gram.matrix)
    np.testing.assert_array_equal(again.mean, gram.mean)
    assert again.count == 10
    (tmp_path / "bad.npz").write_bytes(b"PK nonsense")
    with pytest.raises(ValueError, match=r"bad\.npz"):
        ds.Gram.load(tmp_path / "bad.npz")


def test_joint_gram():
    s, w = RNG.standard_normal((50, 4)), RNG.standard_normal((6, 4))
    c = np.linalg.norm(s, 2) / np.linalg.norm(w, 2)
    joined = np.concatenate([c * w, s])
    joint = ds.joint_gram(ds.gram(s), w)
    np.testing.assert_allclose(joint.matrix, joined.T @ joined, rtol=1e-12, atol=1e-12)
    assert joint.count == 50
    with pytest.raises(ValueError, match="next_weights must have 4 columns"):
        ds.joint_gram(ds.gram(s), w.T)


@pytest.mark.parametrize(
    ("signals", "error", "message"),
    [
        (np.full((2, 2), np.nan), ValueError, "finite"),
        (np.full((2, 2), 1e200), ValueError, "overflow"),
        (iter([]), ValueError, "at least one batch"),
        (iter([np.ones((2, 2)), np.ones((2, 3))]), ValueError, "3 columns, not 2"),
        (np.ones(3), ValueError, "2 dimension"),
        (np.ones((2, 2), complex), TypeError, "real numeric"),
    ],
)
def test_bad_signals(signals, error, message):
    with pytest.raises(error, match=message):
        ds.gram(signals)


@pytest.mark.parametrize("name", ["tanh", "logistic", "relu", "softplus", "identity"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_no_activation_hides_bad_inputs(name, bad):
    network = ds.Network([ds.Linear(np.eye(2)), ds.Activation(name)])
    with pytest.raises(ValueError, match="x must be finite"):
        network.gram(np.array([[0.0, bad]]), 1, "after")


def test_a_gram_does_not_follow_its_source():
    b = np.diag([4.0, 1, 0.25])
    result = ds.descramble(ds.Gram(b))
    b *= 2
    assert result.objective == result.bound == 1.25
    with pytest.raises(ValueError, match="read-only"):
        result.gram.matrix[0, 0] = 1


def test_bad_gram():
    with pytest.raises(ValueError, match="positive semidefinite"):
        ds.descramble(ds.Gram([[1.0, 2], [2, 1]]))
    with pytest.raises(ValueError, match="symmetric"):
        ds.Gram(np.triu(np.ones((3, 3))))
    with pytest.raises(ValueError, match="together"):
        ds.Gram(np.eye(2), np.zeros(2))
