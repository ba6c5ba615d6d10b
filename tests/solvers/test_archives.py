"""Saved results, Gram matrices and checkpoints with contents that are none."""

import json
import zipfile

import numpy as np
import pytest

import descrambler as ds

RNG = np.random.default_rng(0)
SIGNALS = RNG.standard_normal((300, 6)) * np.geomspace(4, 1, 6) + 0.5


def search(path, signals=SIGNALS):
    return ds.descramble(
        signals, "varimax", method="riemannian-lbfgs", random_state=1, max_iter=6, tol=0,
        checkpoint=path, checkpoint_every=2,
    )  # fmt: skip


def estimator(path):
    pytest.importorskip("sklearn", reason="scikit-learn (the extra `sklearn`) is not installed")
    return ds.interop.sklearn.Descrambler().fit(SIGNALS).save(path)


def load_estimator(path):
    return ds.interop.sklearn.Descrambler.load(path)


KINDS = {
    "result": (lambda path: ds.descramble(SIGNALS).save(path), ds.load_result),
    "low rank": (
        lambda path: ds.descramble(SIGNALS[:, [0]] * np.ones(6), rank=1).save(path),
        ds.load_result,
    ),
    "gram": (lambda path: ds.gram(SIGNALS, center=True).save(path), ds.Gram.load),
    "sum": (
        lambda path: ds.gram(SIGNALS[:200], checkpoint=path),
        lambda path: ds.gram(SIGNALS, checkpoint=path),
    ),
    "centered sum": (
        lambda path: ds.gram(SIGNALS[:200], checkpoint=path, center=True),
        lambda path: ds.gram(SIGNALS, checkpoint=path, center=True),
    ),
    "search": (search, search),
    "estimator": (estimator, load_estimator),
}


def rewrite(path, drop=(), **changes):
    with np.load(path) as archive:
        arrays = {key: value for key, value in archive.items() if key not in drop}
    np.savez(path, **(arrays | changes))


@pytest.mark.filterwarnings("ignore::descrambler.ConvergenceWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_any_array_may_be_missing_or_odd(kind, tmp_path):
    """Each array dropped, of another dtype, shape or order: the answer stays, or one error names the file."""
    path = tmp_path / "saved.npz"
    save, load = KINDS[kind]
    save(path)
    whole = path.read_bytes()
    with np.load(path) as archive:
        arrays = dict(archive)
    tried = 0
    for key, value in arrays.items():
        odd = [value.astype(object).astype("U5"), np.stack([value, value]), np.array(7)]
        if value.dtype.kind in "fiub":
            odd += [value.astype(np.float32), value * np.nan, value * 0 - 5, value.astype("c16")]
        for changes in [{}, *({key: other} for other in odd)]:
            path.write_bytes(whole)
            rewrite(path, () if changes else (key,), **changes)
            try:
                load(path)
            except ValueError as error:
                assert "saved.npz" in str(error), (key, changes)
            tried += 1
    assert tried > 20


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objective": np.array(np.nan)}, "objective is nan"),
        ({"objective": np.array(np.inf)}, "objective is inf"),
        ({"gap": np.array(-1.0)}, "gap is -1"),
        ({"gap": np.array(0.5)}, "not certified"),
        ({"rounding": np.array(-1.0)}, "rounding"),
        ({"eigenvalues": np.linspace(9, 1, 99)}, "99 eigenvalues for 6 units"),
        ({"eigenvalues": np.arange(6.0)}, "descend"),
        ({"eigenvalues": -np.arange(6.0)}, "descend"),
        ({"resolved": np.ones(5, bool)}, "6 booleans"),
        ({"status": np.array("splendid")}, "not a valid Status"),
        ({"rank": np.array([1, 2])}, "rank must be one value"),
        ({"rank": np.array(7)}, "rank 7"),
        ({"rotation": np.eye(5)}, "rank 6"),
        ({"rotation": np.eye(6)[:4]}, "invalid shape"),
        ({"rotation": np.eye(6) * 1.01}, "not orthogonal"),
        ({"rotation": np.diag([1, 1, 1, 1, 1, -1.0])}, "determinant"),
    ],
)
def test_results_that_are_none(changes, message, tmp_path):
    path = tmp_path / "result.npz"
    ds.descramble(SIGNALS).save(path)
    rewrite(path, **changes)
    with pytest.raises(ValueError, match=rf"result\.npz is not a saved result: .*{message}"):
        ds.load_result(path)


def test_reflections_are_kept(tmp_path):
    """In O(n) a result may have the determinant -1: it is stored, and then it is no damage."""
    target = np.diag([1, 1, 1, 1, 1, -1.0])

    def function(p):
        return float(np.sum((p - target) ** 2)), 2 * (p - target)

    criterion = ds.criteria.Custom(function, of="rotation")
    result = ds.descramble(SIGNALS, criterion, group="O", random_state=0)
    assert result.rotation.determinant() == -1
    result.save(tmp_path / "result.npz")
    again = ds.load_result(tmp_path / "result.npz")
    np.testing.assert_array_equal(again.rotation.matrix, result.rotation.matrix)


def damages(path):
    """Kinds of damage that make zipfile, tokenize and NumPy raise errors of their own."""
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    at = whole.find(b"PK\x01\x02")
    method, encrypted = bytearray(whole), bytearray(whole)
    method[8] = method[at + 10] = 98
    encrypted[6] |= 1
    encrypted[at + 8] |= 1
    yield bytes(method)
    yield bytes(encrypted)
    yield whole[: len(whole) // 2]
    name = max(members, key=lambda key: len(members[key]))
    for text in ("{'descr': '<f8', 'shape': (6,\n", "{'descr': (1,2), 'shape': 3}\n", "9" * 5000):
        content = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()
        with zipfile.ZipFile(path, "w") as archive:
            for key, value in members.items():
                archive.writestr(key, content + bytes(400) if key == name else value)
        yield path.read_bytes()
    path.write_bytes(whole)


@pytest.mark.filterwarnings("ignore::descrambler.ConvergenceWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_one_error(kind, tmp_path):
    path = tmp_path / "saved.npz"
    save, load = KINDS[kind]
    save(path)
    for content in list(damages(path)):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"saved\.npz"):
            load(path)


@pytest.mark.parametrize("center", [False, True])
def test_partial_sums_of_other_signals(center, tmp_path):
    path = tmp_path / "sum.npz"
    other = SIGNALS.copy()
    other[150, 3] += 1e-9
    ds.gram(SIGNALS[:200], center=center, checkpoint=path)
    with pytest.raises(ValueError, match="other signals"):
        ds.gram(other, center=center, checkpoint=path)
    with pytest.raises(ValueError, match="centered"):
        ds.gram(SIGNALS, center=not center, checkpoint=path)
    with pytest.raises(ValueError, match="products float64, not float32"):
        ds.gram(SIGNALS, center=center, checkpoint=path, dtype="float32")
    resumed = ds.gram(SIGNALS, center=center, checkpoint=path)
    np.testing.assert_allclose(resumed.matrix, ds.gram(SIGNALS, center=center).matrix, rtol=1e-12)


def test_a_partial_sum_with_other_numbers(tmp_path):
    path = tmp_path / "sum.npz"
    ds.gram(SIGNALS[:200], checkpoint=path)
    with np.load(path) as archive:
        matrix = archive["matrix"]
    whole = path.read_bytes()
    for other in (matrix * (1 + 1e-15), matrix.astype("f4"), matrix.round().astype(int), matrix.T):
        path.write_bytes(whole)
        rewrite(path, matrix=other)
        with pytest.raises(ValueError, match="not what was written"):
            ds.gram(SIGNALS, checkpoint=path)
    path.write_bytes(whole)
    rewrite(path, matrix=np.asfortranarray(matrix))
    np.testing.assert_allclose(ds.gram(SIGNALS, checkpoint=path).matrix, SIGNALS.T @ SIGNALS)


def test_estimators_with_objects_for_parameters(tmp_path):
    sklearn = pytest.importorskip("descrambler.interop.sklearn")
    fitted = sklearn.Descrambler(random_state=np.random.default_rng(0)).fit(SIGNALS)
    with pytest.raises(ValueError, match="random_state must be"):
        fitted.save(tmp_path / "estimator.npz")


def test_settings_of_other_kinds(tmp_path):
    path = tmp_path / "estimator.npz"
    estimator(path)
    for parameters in ("[]", "{", json.dumps({"no": 1}), "null"):
        rewrite(path, parameters=np.array(parameters))
        with pytest.raises(ValueError, match="not a saved Descrambler"):
            load_estimator(path)
