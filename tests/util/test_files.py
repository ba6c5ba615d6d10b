"""What is written is read again, also by later versions and by MATLAB; archives from strangers."""

import io
import os
import zipfile
from pathlib import Path

import forked
import numpy as np
import pytest
from scipy.io import loadmat

import descrambler as ds
from descrambler._util.files import read_arrays, read_bytes, write_arrays, write_bytes

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
        assert str(loaded) == str(saved)
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
        assert type(loaded) is type(result)
        names = ("objective", "bound", "gap", "rounding", "seconds", "method", "message", "status")
        more = ("n_iter", "n_eval", "initial_objective", "gradient_norm", "maximize", "optimality")
        for name in names + more:
            assert getattr(loaded, name) == getattr(result, name)
        kept = [row for row in result.table() if row[0] != "modes placed"]
        assert loaded.table() == kept
        loaded.save(tmp_path / "again.npz")
        assert str(ds.load_result(tmp_path / "again.npz")) == str(loaded)
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
        assert smooth.gap == 0  # the first files did not keep it
        assert smooth.converged and "lower bound" not in str(smooth)
        with pytest.raises(ValueError, match="criterion by name alone"):
            _ = smooth.gradient_norm
        assert smooth.eigenvalues.shape == (8,)
        diagonal = ds.load_result(DATA / f"result_{name}_norm_square.npz")
        assert diagonal.criterion == "maximum diagonal norm square"
        assert diagonal.gap == pytest.approx(2.1503e-11, rel=1e-3)
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
            ({"rotation": None}, "invalid shape"),
            ({"rotation": np.eye(8)[:7]}, "invalid shape"),
            ({"rotation": np.ones((8, 8))}, "not orthogonal, P P.T - 1 reaches 8"),
            ({"rotation": np.full((8, 8), np.nan)}, "rotation must be finite"),
            ({"rotation.core": np.eye(8)}, "invalid shape"),
            ({"rank": -1}, "invalid shape"),
            ({"rank": np.ones(3)}, "is not a saved result"),
            ({"objective": None}, "'objective'"),
            ({"objective": np.array("x")}, "is not a saved result"),
            ({"method": 3}, "method must be one value"),
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
        with pytest.raises(ds.WeightFileError, match="it holds more than 32 MB .*READ_MEGABYTES"):
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
        with pytest.raises(ds.WeightFileError, match="holds ../../escape, /etc/passwd beside"):
            ds.load(path, ["tanh"])
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


class TestArchivesOfOurOwn:
    """Damaged, foreign and oversized archives end in the ValueError that is documented."""

    def read(self, path):
        return read_arrays(path, "descrambler.test.v1")

    @pytest.fixture
    def path(self, tmp_path):
        path = tmp_path / "a.npz"
        write_arrays(path, "descrambler.test.v1", {"matrix": np.eye(3), "count": 4})
        return path

    def test_comes_back(self, path):
        assert self.read(path)["count"] == 4

    @pytest.mark.parametrize("method", [1, 9, 99])
    def test_unknown_compression(self, path, method):
        content = bytearray(path.read_bytes())
        content[8] = content[content.find(b"PK\x01\x02") + 10] = method
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"a\.npz is not a readable"):
            self.read(path)

    def test_encrypted(self, path):
        content = bytearray(path.read_bytes())
        for start in (6, content.find(b"PK\x01\x02") + 8):
            content[start] |= 1
        path.write_bytes(content)
        with pytest.raises(ValueError, match="encrypted"):
            self.read(path)

    @pytest.mark.parametrize(
        "header",
        ["{'descr': '<f8', 'shape': (7,\n", "{", "\x00", "{'descr': [], 'shape': 3}", "(" * 300]
        + ["{'descr': '<f8', 'fortran_order': False, 'shape': (10**15,)}"]
        + [f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({10**15},)}}"],
    )
    def test_header_of_an_array(self, path, header):
        text = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("other.npy", text + bytes(400))
        with pytest.raises(ValueError, match=r"a\.npz is not a readable"):
            self.read(path)

    def test_member_that_is_no_array(self, path):
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("note", b"text")
        with pytest.raises(ValueError, match="note is not a NumPy array"):
            self.read(path)

    @pytest.mark.parametrize("order", "<>")
    @pytest.mark.parametrize("code", [0x110000, 0xD800, 0xDFFF, 2**32 - 1])
    def test_text_that_is_not_unicode(self, path, code, order):
        text = np.array([[97, code]], f"{order}u4").view(f"{order}U2")
        np.savez(path, schema=text)
        with pytest.raises(ValueError, match="schema holds text that is not Unicode"):
            self.read(path)

    @pytest.mark.parametrize("text", ["", "a\u03b1\U0001f600", ["x", "yz"], []])
    @pytest.mark.parametrize("order", "<>")
    def test_text(self, path, text, order):
        array = np.array(text, "U").astype(f"{order}U3")
        np.savez(path, schema="descrambler.test.v1", text=array)
        np.testing.assert_array_equal(self.read(path)["text"], array)

    def test_too_large(self, path, monkeypatch):
        monkeypatch.setenv("DESCRAMBLER_READ_MEGABYTES", "1")
        assert self.read(path)["count"] == 4
        write_arrays(path, "descrambler.test.v1", {"matrix": np.zeros(2**17)})
        with pytest.raises(ValueError, match="more than 0 MB .*READ_MEGABYTES"):
            self.read(path)

    def test_many_members(self, path):
        with zipfile.ZipFile(path, "w") as archive:
            for k in range(50_000):
                archive.writestr(f"array_{k:040}.npy", b"")
        with pytest.raises(ValueError, match="list of members"):
            self.read(path)

    def test_escape_codes(self, path):
        write_arrays(path, "\x1b[31mred", {})
        with pytest.raises(ValueError, match=r"found \\x1b\[31mred"):
            self.read(path)

    def test_pipe(self, tmp_path):
        os.mkfifo(tmp_path / "a.npz")
        for read in (self.read, ds.load_result, ds.Gram.load):
            with pytest.raises(ValueError, match="must be a regular file"):
                read(tmp_path / "a.npz")

    def test_devices_and_folders(self, tmp_path):
        with pytest.raises(ValueError, match="must be a regular file"):
            self.read("/dev/zero")
        with pytest.raises(IsADirectoryError):
            self.read(tmp_path)
        with pytest.raises(FileNotFoundError):
            self.read(tmp_path / "no.npz")


class TestReadBytes:
    def test_reads(self, tmp_path):
        (tmp_path / "a").write_bytes(b"1234")
        assert read_bytes(tmp_path / "a", 4) == b"1234"

    def test_too_large(self, tmp_path):
        (tmp_path / "a").write_bytes(b"12345")
        with pytest.raises(ValueError, match="a is too large: it holds 5 bytes; at most 4"):
            read_bytes(tmp_path / "a", 4)

    def test_sparse(self, tmp_path, monkeypatch):
        monkeypatch.setenv("DESCRAMBLER_READ_MEGABYTES", "2048")
        with (tmp_path / "a").open("wb") as file:
            file.truncate(2**40)
        with pytest.raises(ValueError, match="more than 1024 MB"):
            read_bytes(tmp_path / "a")


class TestWriting:
    def test_keeps_a_link_and_the_mode(self, tmp_path):
        target, link = tmp_path / "target", tmp_path / "link"
        target.write_bytes(b"old")
        target.chmod(0o640)
        link.symlink_to("target")
        write_bytes(link, b"new")
        assert link.is_symlink()
        assert target.read_bytes() == b"new"
        assert target.stat().st_mode & 0o777 == 0o640

    def test_link_to_what_is_not_there_yet(self, tmp_path):
        (tmp_path / "link").symlink_to("target")
        write_bytes(tmp_path / "link", b"new")
        assert (tmp_path / "target").read_bytes() == b"new"

    def test_new_files_have_the_usual_mode(self, tmp_path):
        write_bytes(tmp_path / "a", b"")
        (tmp_path / "b").touch()
        assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode

    @pytest.mark.parametrize("name", ["a" * 250, "\u00e4" * 125, "\U0001f600" * 62])
    def test_long_names(self, tmp_path, name):
        write_bytes(tmp_path / name, b"1")
        assert [file.name for file in tmp_path.iterdir()] == [name]

    def test_device(self):
        write_bytes("/dev/null", b"1")
        assert not Path("/dev/null").is_file()

    @pytest.mark.parametrize("suffix", [".MAT", ".Mat"])
    def test_suffix_in_capitals(self, tmp_path, suffix):
        network().save(tmp_path / f"net{suffix}")
        assert "W1" in loadmat(tmp_path / f"net{suffix}", appendmat=False)
        assert ds.load(tmp_path / f"net{suffix}").n_linear == 3
        ds.descramble(SIGNALS).save(tmp_path / f"r{suffix}")
        assert loadmat(tmp_path / f"r{suffix}", appendmat=False)["rotation"].shape == (8, 8)
