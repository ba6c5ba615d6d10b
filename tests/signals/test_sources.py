"""Gram matrices of signals from every kind of source, resumed and centered."""

import math

import h5py
import ml_dtypes
import numpy as np
import pytest
import zarr

import descrambler as ds
from descrambler._signals import checkpoint

RNG = np.random.default_rng(0)
SIGNALS = (RNG.standard_normal((9000, 12)) * np.geomspace(1, 0.1, 12) + 0.2).astype(np.float32)
WHOLE = ds.gram(SIGNALS)


def batches():
    yield from np.split(SIGNALS, [1, 5000])


def memory_map(folder):
    np.save(folder / "signals.npy", SIGNALS)
    return np.load(folder / "signals.npy", mmap_mode="r")


def hdf5(folder):
    file = h5py.File(folder / "signals.h5", "w")
    return file.create_dataset("signals", data=SIGNALS, chunks=(700, 5))


def zarr_array(folder):
    array = zarr.open(folder / "signals.zarr", mode="w", shape=SIGNALS.shape, dtype="f4")
    array[...] = SIGNALS
    return array


SOURCES = {
    "memory-mapped": memory_map,
    "HDF5": hdf5,
    "zarr": zarr_array,
    "iterator": lambda folder: batches(),
    "function": lambda folder: batches,
    "Fortran order": lambda folder: np.asfortranarray(SIGNALS),
    "list": lambda folder: SIGNALS.tolist(),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_every_source_gives_what_the_array_gives(kind, tmp_path):
    gram = ds.gram(SOURCES[kind](tmp_path))
    np.testing.assert_allclose(gram.matrix, WHOLE.matrix, rtol=1e-12)
    np.testing.assert_allclose(gram.mean, WHOLE.mean, rtol=1e-12)
    assert gram.count == len(SIGNALS)
    np.testing.assert_array_equal(gram.matrix, gram.matrix.T)
    result, whole = ds.descramble(SOURCES[kind](tmp_path)), ds.descramble(SIGNALS)
    np.testing.assert_allclose(result.rotation.matrix, whole.rotation.matrix, atol=1e-6)
    np.testing.assert_array_equal(result.resolved, whole.resolved)


def test_a_file_is_read_by_whole_chunks_and_never_whole():
    class Dataset:
        shape, dtype, chunks = (30000, 12), np.dtype("f4"), (1000, 6)
        read: list[tuple[int, int]] = []

        def __getitem__(self, rows):
            self.read.append((rows.start, rows.stop))
            return np.ones((rows.stop - rows.start, 12), "f4")

    assert ds.gram(Dataset()).count == 30000
    assert max(stop - start for start, stop in Dataset.read) <= 4096
    assert all(start % 1000 == 0 for start, _ in Dataset.read)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.int8, np.float32])
def test_every_dtype_is_summed_in_float64(dtype):
    signals = (10 * RNG.standard_normal((5000, 6))).astype(dtype)
    exact = signals.astype(np.float64)
    gram = ds.gram(signals)
    np.testing.assert_allclose(gram.matrix, exact.T @ exact, rtol=1e-13, atol=1e-9)
    np.testing.assert_allclose(gram.mean, exact.mean(axis=0), rtol=1e-12)
    single = ds.gram(signals, dtype="float32")
    assert single.matrix.dtype == np.float64
    scale = np.abs(gram.matrix).max()
    np.testing.assert_allclose(single.matrix, gram.matrix, atol=1e-5 * scale)


def test_small_terms_are_not_lost_beside_large_ones():
    signals = np.full((2**17, 1), 1e-3, np.float32)
    signals[0] = 1e3
    exact = math.fsum(np.square(signals[:, 0].astype(np.float64)))
    assert ds.gram(signals).matrix[0, 0] == pytest.approx(exact, rel=1e-12)


def test_centering():
    shifted = SIGNALS.astype(np.float64) + np.arange(12)
    spread = shifted - shifted.mean(axis=0)
    centered = ds.gram(shifted, center=True)
    np.testing.assert_allclose(centered.matrix, spread.T @ spread, rtol=1e-9, atol=1e-8)
    np.testing.assert_allclose(centered.mean, shifted.mean(axis=0))
    assert centered.centered
    parts = ds.gram(shifted[:1000], center=True) + ds.gram(shifted[1000:] + 1, center=True)
    shifted[1000:] += 1
    np.testing.assert_allclose(parts.matrix, ds.gram(shifted, center=True).matrix, rtol=1e-9)
    with pytest.raises(ValueError, match="centered and an uncentered"):
        parts + ds.gram(shifted)
    with pytest.raises(ValueError, match="needs the mean"):
        ds.Gram(np.eye(3)).center()
    with pytest.raises(ValueError, match="centered needs"):
        ds.Gram(np.eye(3), centered=True)


def test_centered_descrambling_takes_signs_from_the_mean(tmp_path):
    generator = np.random.default_rng(1)
    spread = generator.standard_normal((20000, 5)) * [16, 8, 4, 2, 1]
    signals = spread - spread.mean(axis=0) + [-3.0, 2, -1, 0.5, 0]
    result = ds.descramble(signals, center=True)
    assert result.sign_resolved.tolist() == [True] * 4 + [False]
    modes = result.criterion.basis(5).to_modes(result.rotation.left(signals.T)).mean(axis=1)
    assert (modes[:4] > 0).all()
    np.testing.assert_allclose(
        result.eigenvalues, np.linalg.eigvalsh(np.cov(signals.T))[::-1] * 19999
    )
    result.gram.save(tmp_path / "gram.npz")
    assert ds.Gram.load(tmp_path / "gram.npz").centered


@pytest.mark.parametrize("kind", ["memory-mapped", "iterator", "function"])
def test_resume_after_a_failure(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "SECONDS", 0)
    path = tmp_path / "partial.npz"

    def failing():
        yield SIGNALS[:4096]
        yield SIGNALS[4096:6000]
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="disk"):
        ds.gram(failing(), checkpoint=path)
    with np.load(path) as saved:
        assert saved["count"] == 6000
    gram = ds.gram(SOURCES[kind](tmp_path), checkpoint=path)
    np.testing.assert_allclose(gram.matrix, WHOLE.matrix, rtol=1e-12)
    assert gram.count == len(SIGNALS)
    again = ds.gram(SOURCES[kind](tmp_path), checkpoint=path)
    np.testing.assert_array_equal(again.matrix, gram.matrix)
    assert [entry.name for entry in tmp_path.iterdir() if ".part" in entry.name] == []


def test_a_checkpoint_of_other_signals_is_refused(tmp_path):
    path = tmp_path / "partial.npz"
    ds.gram(SIGNALS, checkpoint=path)
    for other in (SIGNALS + 1, SIGNALS[:, :4]):
        with pytest.raises(ValueError, match="other signals"):
            ds.gram(other, checkpoint=path)
    for short in (SIGNALS[:100], iter([SIGNALS[:100]])):
        with pytest.raises(ValueError, match="already done"):
            ds.gram(short, checkpoint=path)
    ds.gram(SIGNALS).save(path)
    with pytest.raises(ValueError, match="schema"):
        ds.gram(SIGNALS, checkpoint=path)


@pytest.mark.parametrize(
    ("signals", "error", "message"),
    [
        (lambda: [np.ones((2, 2))], TypeError, "must return an iterator"),
        (lambda: iter([]), ValueError, "empty iterator"),
        (np.zeros((3, 2), dtype="U1"), TypeError, "real numeric"),
        (np.zeros(3), ValueError, "2 dimension"),
        (np.zeros((0, 3)), ValueError, "not be empty"),
    ],
)
def test_bad_sources(signals, error, message):
    with pytest.raises(error, match=message):
        ds.gram(signals)


def test_bad_options():
    with pytest.raises(ValueError, match="dtype must be float32 or float64"):
        ds.gram(SIGNALS, dtype="float16")
    with pytest.raises(ValueError, match="dtype must be float32 or float64"):
        ds.descramble(SIGNALS, dtype=int)


def loader():
    torch = pytest.importorskip("torch", reason="PyTorch (the extra `torch`) is not installed")
    pairs = torch.utils.data.TensorDataset(torch.tensor(SIGNALS[:20]), torch.zeros(20))
    return torch.utils.data.DataLoader(pairs, 5)


def table(column, dtype):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pandas.DataFrame(SIGNALS[:20, :3], columns=["a", "b", "c"])
    frame[column] = frame[column].astype(dtype)
    return frame


def sparse(kind):
    scipy_sparse = pytest.importorskip("scipy.sparse")
    return getattr(scipy_sparse, kind)(SIGNALS[:20])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: sparse("csr_matrix"), TypeError, "dense, got a sparse csr_matrix: .*toarray"),
        (lambda: sparse("coo_array"), TypeError, "dense, got a sparse coo_array"),
        (lambda: iter([sparse("csc_matrix")]), TypeError, "dense, got a sparse csc_matrix"),
        (lambda: table("b", "Float64"), TypeError, "Float64 in column 'b': .*to_numpy"),
        (lambda: table("c", "object"), TypeError, "object in column 'c'"),
        (lambda: table("a", "str"), TypeError, "in column 'a'"),
        (loader, TypeError, "got DataLoader: pass iter"),
        (
            lambda: iter(loader()),
            TypeError,
            "batch 0 of signals must be one array, got a list of 2",
        ),
        (lambda: iter([{"x": SIGNALS}]), TypeError, r"got a dict: .*keys are \['x'\]"),
        (lambda: [[1, 2], [3]], ValueError, r"one length, got the shape \(1,\) in row 1"),
        (lambda: [[1, 2], [[3], 4]], ValueError, "one length, got the shape None in row 1"),
        (
            lambda: [SIGNALS, SIGNALS[:3]],
            ValueError,
            r"batches of the shapes .*pass iter\(signals\)",
        ),
        (lambda: {1, 2}, TypeError, "must be an array, an iterator"),
    ],
)
@pytest.mark.parametrize("call", [ds.gram, ds.descramble])
def test_what_is_no_array_is_told_by_its_name(make, error, message, call):
    with pytest.raises(error, match=message):
        call(make())
