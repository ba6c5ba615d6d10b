"""What is written is read again, also by later versions and by MATLAB; archives from strangers."""

import io
import zipfile
from pathlib import Path

import forked
import numpy as np
import pytest
from scipy.io import loadmat

import descrambler as ds

DATA = Path(__file__).parents[1] / "data"
RNG = np.random.default_rng(0)
SIGNALS = np.tanh(RNG.standard_normal((60, 5)) @ RNG.standard_normal((5, 8)))
X = RNG.standard_normal((7, 5))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    forked.install(monkeypatch)


def network(dtype="f4", initial=None):
    rng = np.random.default_rng(1)
    first = ds.Linear(
        rng.standard_normal((8, 5)).astype(dtype), rng.standard_normal(8).astype(dtype)
    )
    second = ds.Linear(rng.standard_normal((1, 8)).astype(dtype), np.ones(1, dtype))
    last = [ds.Activation("leaky_relu", 0.1), ds.Linear(np.ones((3, 1), dtype)), ds.Renormalize()]
    layers = [first, ds.Activation("tanh"), second, *last]
    return ds.Network(layers, initial, {"made": "here", "steps": 3})


class TestNetworks:
    @pytest.mark.parametrize("suffix", [".npz", ".mat"])
    @pytest.mark.parametrize("dtype", ["f4", "f8"])
    def test_come_back(self, tmp_path, suffix, dtype):
        path = tmp_path / f"net{suffix}"
        saved = network(dtype, network(dtype))
        saved.save(path)
        loaded = ds.load(path)
        assert repr(loaded) == repr(saved)
        assert loaded.layers[1:4:2] == saved.layers[1:4:2]
        assert loaded.provenance == saved.provenance
        np.testing.assert_array_equal(loaded(X), saved(X))
        np.testing.assert_array_equal(loaded.initial(X), saved.initial(X))
        with pytest.raises(ValueError, match="names its own"):
            ds.load(path, ["tanh"] * 3)

    def test_for_matlab(self, tmp_path):
        saved = network()
        saved.save(tmp_path / "net.mat")
        variables = loadmat(tmp_path / "net.mat")
        assert variables["W1"].dtype == np.float32
        np.testing.assert_array_equal(variables["W1"], saved.linear(1).weight)
        np.testing.assert_array_equal(variables["b1"][:, 0], saved.linear(1).bias)
        assert variables["schema"].item() == "descrambler.network.v1"

    def test_golden_file(self):
        loaded = ds.load(DATA / "network_v1.npz")
        assert loaded.provenance == {"made": "by 0.1.0"}
        assert loaded.layers[3] == ds.Activation("leaky_relu", 0.1)
        assert loaded.initial.linear(1).weight.sum() == 40

    @pytest.mark.parametrize("suffix", [".npz", ".mat"])
    def test_written_whole_or_not_at_all(self, tmp_path, suffix, monkeypatch):
        path = tmp_path / f"net{suffix}"
        network().save(path)
        before = path.read_bytes()

        def full(self, target):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "replace", full)
        with pytest.raises(OSError, match="No space"):
            network("f8").save(path)
        assert [file.name for file in tmp_path.iterdir()] == [path.name]
        assert path.read_bytes() == before


class TestResults:
    @pytest.mark.parametrize(
        "result",
        [
            ds.descramble(SIGNALS),
            ds.descramble(SIGNALS.astype("f4")),
            ds.descramble(SIGNALS, rank=2),
            ds.diagonalize(RNG.standard_normal((5, 5)), "norm_square"),
        ],
    )
    def test_come_back(self, tmp_path, result):
        result.save(tmp_path / "r.npz")
        loaded = ds.load_result(tmp_path / "r.npz")
        assert type(loaded.rotation) is type(result.rotation)
        assert loaded.rotation.rank == result.rotation.rank
        np.testing.assert_array_equal(loaded.rotation.matrix, result.rotation.matrix)
        for name in ("objective", "bound", "gap", "rounding", "seconds", "method", "message"):
            assert getattr(loaded, name) == getattr(result, name)
        for name in ("resolved", "sign_resolved", "history"):
            np.testing.assert_array_equal(getattr(loaded, name), getattr(result, name))
        rows = RNG.standard_normal((3, result.rotation.n))
        np.testing.assert_array_equal(loaded.transform(rows), result.transform(rows))
        assert str(result.criterion) in str(loaded)

    @pytest.mark.parametrize("name", ["v1", "v1b"])
    def test_golden_files(self, name):
        smooth = ds.load_result(DATA / f"result_{name}_smoothness.npz")
        assert smooth.rotation.rank == smooth.rotation.n == 8
        assert smooth.objective == pytest.approx(1242.5755, abs=1e-4)
        assert (smooth.optimality, smooth.status) == ("certified", "converged")
        assert (smooth.gap is None) == (name == "v1")
        assert smooth.eigenvalues.shape == (8,)
        diagonal = ds.load_result(DATA / f"result_{name}_norm_square.npz")
        assert diagonal.criterion == "maximum diagonal norm square"
        assert diagonal.eigenvalues is None

    def test_golden_file_of_low_rank(self):
        result = ds.load_result(DATA / "result_v1b_rank.npz")
        assert (result.rotation.n, result.rotation.rank) == (12, 2)
        p = result.rotation.matrix
        np.testing.assert_allclose(p @ p.T, np.eye(12), atol=1e-14)

    def test_for_matlab(self, tmp_path):
        result = ds.descramble(SIGNALS, rank=2)
        result.save(tmp_path / "r.mat")
        variables = loadmat(tmp_path / "r.mat")
        np.testing.assert_array_equal(variables["rotation"], result.rotation.matrix)
        assert variables["objective"].item() == result.objective
        assert variables["resolved"].dtype == np.uint8  # logical

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"rotation": None}, "no shape of one"),
            ({"rotation": np.eye(8)[:7]}, "no shape of one"),
            ({"rotation": np.ones((8, 8))}, "not orthogonal, P P.T - 1 reaches 8"),
            ({"rotation": np.full((8, 8), np.nan)}, "rotation must be finite"),
            ({"rotation.core": np.eye(8)}, "no shape of one"),
            ({"rank": -1}, "no shape of one"),
            ({"rank": np.ones(3)}, "is not a saved result"),
            ({"objective": None}, "'objective'"),
            ({"objective": np.array("x")}, "is not a saved result"),
            ({"method": 3}, "method must be text"),
            ({"resolved": np.ones(8)}, "resolved must be 8 booleans"),
            ({"resolved": np.ones(7, bool)}, "resolved must be 8 booleans"),
            ({"eigenvalues": np.eye(2)}, "eigenvalues must have 1 dim"),
            ({"schema": np.array("descrambler.result.v9")}, "must have the schema"),
        ],
    )
    def test_refuses(self, tmp_path, changes, message):
        with np.load(DATA / "result_v1b_smoothness.npz") as archive:
            arrays = {**archive, **changes}
        path = tmp_path / "r.npz"
        np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
        with pytest.raises(ValueError, match=message) as info:
            ds.load_result(path)
        assert str(path) in str(info.value)


class TestArchives:
    """Zip archives that nobody vouches for."""

    def test_bombs(self, tmp_path, monkeypatch):
        monkeypatch.setenv("DESCRAMBLER_READ_MEGABYTES", "64")
        path = tmp_path / "net.npz"
        np.savez_compressed(path, W1=np.zeros((2**11, 2**11)))
        with pytest.raises(ds.WeightFileError, match="holds more than 32 MB .*READ_MEGABYTES"):
            ds.load(path, ["tanh"])
        np.savez_compressed(path, W1=np.zeros((2**10, 2**10)))
        assert ds.load(path, ["tanh"]).n_in == 2**10

    def test_size_that_is_a_lie(self, tmp_path):
        path = tmp_path / "net.npz"
        np.savez_compressed(path, W1=np.zeros((2**10, 2**10)))
        whole = path.read_bytes()
        size = (8 * 2**20 + 128).to_bytes(4, "little")
        assert whole.count(size) >= 1
        path.write_bytes(whole.replace(size, (200).to_bytes(4, "little")))
        with pytest.raises(ds.WeightFileError, match="W1: cannot be read|damaged"):
            ds.load(path, ["tanh"])

    @pytest.mark.filterwarnings("ignore:Duplicate name")
    def test_two_members_of_one_name(self, tmp_path):
        path, stream = tmp_path / "net.npz", io.BytesIO()
        np.save(stream, np.eye(3))
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("W1.npy", stream.getvalue())
            archive.writestr("W1.npy", stream.getvalue())
        with pytest.raises(ds.WeightFileError, match="two members have the same name"):
            ds.load(path, ["tanh"])
        with pytest.raises(ValueError, match="two members have the same name"):
            ds.load_result(path)

    def test_members_with_paths(self, tmp_path):
        """They are names of arrays: nothing is unpacked."""
        path = tmp_path / "net.npz"
        np.savez(path, **{"W1": np.eye(3), "../../escape": np.eye(3), "/etc/passwd": np.eye(3)})
        assert ds.load(path, ["tanh"]).n_in == 3
        assert [file.name for file in tmp_path.iterdir()] == ["net.npz"]

    @pytest.mark.parametrize("shape", ["(10**15,)", "(2**62, 2**62)", "(-1, 3)", "(0, 2**70)"])
    def test_absurd_shapes(self, tmp_path, shape):
        path, stream = tmp_path / "net.npz", io.BytesIO()
        np.save(stream, np.eye(3))
        shown = str(eval(shape)).encode()
        content = stream.getvalue().replace(b"(3, 3)", shown)
        length = int.from_bytes(content[8:10], "little") + len(shown) - 6
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("W1.npy", content[:8] + length.to_bytes(2, "little") + content[10:])
        with pytest.raises(ds.WeightFileError):
            ds.load(path, ["tanh"])
