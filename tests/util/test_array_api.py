"""Arrays of other libraries come back in their own kind, dtype and device."""

import array_api_strict as xp
import numpy as np
import pytest

import descrambler as ds

torch = pytest.importorskip("torch")
RNG = np.random.default_rng(0)
X = RNG.standard_normal((200, 6)) * np.geomspace(1, 0.1, 6) + 0.2
W = RNG.standard_normal((6, 4))
ELSEWHERE = xp.Device("device1")


def learning(values, dtype=torch.float32):
    return torch.tensor(values, dtype=dtype, requires_grad=True)


KINDS = {
    "torch float32": lambda v: torch.tensor(v, dtype=torch.float32),
    "torch float64": lambda v: torch.tensor(v, dtype=torch.float64),
    "torch bfloat16": lambda v: torch.tensor(v, dtype=torch.bfloat16),
    "torch float16": lambda v: torch.tensor(v, dtype=torch.float16),
    "torch with gradient": learning,
    "torch transposed": lambda v: torch.tensor(np.ascontiguousarray(np.transpose(v))).T,
    "strict float32": lambda v: xp.asarray(v, dtype=xp.float32),
    "strict float64": lambda v: xp.asarray(v, dtype=xp.float64),
    "strict on another device": lambda v: xp.asarray(v, device=ELSEWHERE),
}


def tolerance(array):
    for name, value in {"bfloat16": 3e-2, "float16": 3e-3, "float32": 3e-6}.items():
        if name in str(array.dtype):
            return value
    return 1e-12


def same_kind(result, given):
    assert type(result) is type(given)
    assert result.dtype == given.dtype
    assert result.device == given.device
    if hasattr(result, "detach"):
        assert not result.requires_grad
        return result.double().numpy()
    return np.from_dlpack(result)


@pytest.mark.parametrize("kind", KINDS)
def test_rotations_and_signals(kind):
    x, w = KINDS[kind](X), KINDS[kind](W)
    limit = tolerance(x)
    rotation = ds.descramble(X).rotation
    np.testing.assert_allclose(same_kind(rotation.left(w), w), rotation.left(W), atol=10 * limit)
    rotated = same_kind(rotation.right(x), x)
    np.testing.assert_allclose(rotated, rotation.right(X), atol=10 * limit)
    result = ds.descramble(x)
    same_kind(result.transform(x), x)
    single = "float32" in str(x.dtype) or "bfloat16" in str(x.dtype)
    assert result.rotation.matrix.dtype == (np.float32 if single else np.float64)
    assert result.rotation.matrix.shape == (6, 6)
    assert abs(result.objective / ds.descramble(X).objective - 1) < 20 * limit
    gram = ds.gram(iter([x[:50, :], x[50:, :]]))
    np.testing.assert_allclose(gram.matrix, X.T @ X, atol=200 * limit)
    assert gram.count == 200


@pytest.mark.parametrize("kind", KINDS)
def test_the_group(kind):
    skew = np.triu(RNG.standard_normal((6, 6)), 1)
    q = KINDS[kind]((skew - skew.T) / 4)
    exact = ds.group.cayley((skew - skew.T) / 4)
    np.testing.assert_allclose(same_kind(ds.group.cayley(q), q), exact, atol=10 * tolerance(q))
    same_kind(ds.group.exp(Q=q), q)
    same_kind(ds.group.polar(q + KINDS[kind](np.eye(6))), q)


@pytest.mark.parametrize(
    "array", [torch.arange(24).reshape(4, 6), xp.reshape(xp.arange(24), (4, 6))]
)
def test_integers_become_float64(array):
    result = ds.descramble(X).rotation.right(array)
    assert type(result) is type(array)
    assert "float64" in str(result.dtype)


def test_what_is_not_a_real_matrix_is_refused_by_name():
    for bad in (torch.ones(3), xp.ones(3)):
        with pytest.raises(ValueError, match="signals must have 2 dimension"):
            ds.descramble(bad)
    for bad in (torch.ones(3, 3, dtype=torch.complex64), xp.ones((3, 3), dtype=xp.complex64)):
        with pytest.raises(TypeError, match="real numeric"):
            ds.gram(bad)
    with pytest.raises(TypeError, match="got one on the device 'meta'"):
        ds.gram(torch.ones(3, 3, device="meta"))
    with pytest.raises(ValueError, match="weights must have 6 rows"):
        ds.descramble(X).rotation.left(torch.ones(3, 3))
