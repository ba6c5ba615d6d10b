import builtins
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import savemat
from scipy.io.matlab import MatlabObject

from descrambler.errors import MissingExtraError, WeightFileError
from descrambler.network._network import Activation, Linear, Network, Renormalize
from descrambler.readers import _mat as mat
from descrambler.readers import _mat_child, _series, load
from descrambler.readers._build import Reading

DATA = os.environ.get("DESCRAMBLER_TEST_DATA")
needs_data = pytest.mark.skipif(DATA is None, reason="DESCRAMBLER_TEST_DATA is not set")

RNG = np.random.default_rng(0)
W1, W2 = RNG.standard_normal((5, 3)), RNG.standard_normal((4, 5))
B1, B2 = RNG.standard_normal(5), RNG.standard_normal(4)
X = RNG.standard_normal((10, 3))
NAMES = ["tanh", "logistic"]


def logistic(x):
    return 1 / (1 + np.exp(-x))


def expected(b1=B1, b2=B2):
    return logistic(np.tanh(X @ W1.T + b1) @ W2.T + b2)


def cells(*rows):
    """A MATLAB cell array; None is an empty cell."""
    out = np.empty((len(rows), len(rows[0])), object)
    for index in np.ndindex(out.shape):
        value = rows[index[0]][index[1]]
        out[index] = np.zeros((0, 0)) if value is None else value
    return out


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (builtins.open, (str(self.path), "w"))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.npz"


@pytest.fixture
def matfile(tmp_path):
    return tmp_path / "net.mat"


def refuse(path, message, activations=None):
    with pytest.raises(WeightFileError, match=message) as info:
        load(path, activations)
    assert str(path) in str(info.value)


class TestPlainNpz:
    def test_with_and_without_biases(self, path):
        np.savez(path, W1=W1, b1=B1, W2=W2)
        network = load(path, NAMES)
        np.testing.assert_allclose(network(X), expected(b2=0), rtol=1e-13)
        assert network.linear(2).bias is None

    def test_dtype_and_other_keys(self, path):
        np.savez(path, W1=W1.astype(np.float32), history=np.arange(3), note=np.array("x"))
        network = load(str(path), ["relu"])
        assert network.linear(1).weight.dtype == np.float32
        assert network.notes == ("not used: history, note",)

    @pytest.mark.parametrize(
        "other",
        [{"mean": B1}, {"gamma1": B2}, {"W_1": W1}, {"w2": W2}, {"scale": 2.0}, {"Wout": W2}]
        + [{"note": np.array({"mean": 3}, object)}, {"b01": B1}, {"W0": W1}],
    )
    def test_what_may_belong_to_the_network_is_refused_by_name(self, path, other):
        np.savez(path, W1=W1, b1=B1, history=np.arange(3), **other)
        refuse(
            path, f"(holds )?{next(iter(other))}(: cannot be read| beside the weights)", ["relu"]
        )

    @pytest.mark.parametrize(
        "name", ["x", "X_train", "inputs", "val_loss", "epoch", "labels", "n_layers", "layer_sizes"]
    )
    def test_data_and_the_course_of_the_training_are_noted(self, path, name):
        np.savez(path, W1=W1, **{name: B1})
        assert load(path, ["relu"]).notes == (f"not used: {name}",)

    @pytest.mark.parametrize("activations", [None, ["tanh"], "ta"])
    def test_activations_are_needed(self, path, activations):
        np.savez(path, W1=W1, W2=W2)
        refuse(path, "one for each of its 2 linear layers", activations)

    def test_unknown_activation(self, path):
        np.savez(path, W1=W1)
        refuse(path, "activations: .* got 'maxout'", ["maxout"])

    @pytest.mark.parametrize(
        ("arrays", "message"),
        [
            ({"W1": np.where(W1 > 0, W1, np.nan)}, "W1 must be finite"),
            ({"W1": W1, "b1": B1 * np.inf}, "b1 must be finite"),
            ({"W1": W1[0]}, "W1 must have 2 dimension"),
            ({"W1": W1 * 1j}, "W1 must be a real numeric array"),
            ({"W1": W1, "b1": B2}, "W1 and b1: bias must have 5 entries, got 4"),
            ({"W1": W1, "b1": W1}, "b1 must have 1 dimension"),
            ({"W1": W1, "b2": B2}, "b2: its weights"),
            ({"W1": W1, "W3": W2}, "W3: its weights, or those before them, are missing"),
            ({"weights": W1}, "neither schema nor W1 among its keys; found weights"),
            ({}, "found nothing"),
        ],
    )
    def test_refuses(self, path, arrays, message):
        np.savez(path, **arrays)
        refuse(path, message, ["tanh"])

    def test_sizes(self, path):
        np.savez(path, W1=W1, W2=W1)
        refuse(path, "layer 3, .* takes 3 inputs, but gets 5", NAMES)

    def test_pickled_array_is_not_executed(self, path, tmp_path):
        marker = tmp_path / "executed"
        np.savez(path, W1=np.array([Bomb(marker)], object), b1=B1)
        refuse(path, "W1: cannot be read .*allow_pickle", ["tanh"])
        assert not marker.exists()


class TestOwnNpz:
    @pytest.fixture
    def arrays(self, path):
        layers = [Linear(W1, B1), Activation("tanh"), Linear(W2), Renormalize()]
        Network(layers, initial=Network([Linear(W1), Linear(W2)])).save(path)
        with np.load(path) as archive:
            return dict(archive)

    def test_reads(self, path, arrays):
        y = np.tanh(X @ W1.T + B1) @ W2.T
        np.testing.assert_allclose(load(path)(X), y / y.mean(axis=1, keepdims=True), rtol=1e-12)

    def test_names_its_own_activations(self, path, arrays):
        with pytest.raises(ValueError, match="names its own"):
            load(path, NAMES)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"schema": np.array("v9")}, "schema: 'v9' is not known"),
            ({"schema": np.arange(3)}, "schema: must be text"),
            ({"layers": None}, "layers: missing"),
            ({"layers": np.array("[")}, "layers: not JSON"),
            ({"layers": np.array("[" * 100_000)}, "layers: not JSON"),
            ({"layers": np.array("{}")}, "layers: must be a JSON list"),
            ({"layers": np.array('[{"type": "conv2d"}]')}, "number 1: {'type': 'conv2d'} is not"),
            ({"layers": np.array("[3]")}, "number 1: 3 is not a known layer"),
            (
                {"layers": np.array('[{"type": "activation", "name": "maxout"}]')},
                "layers, number 1: .* got 'maxout'",
            ),
            (
                {"layers": np.array('[{"type": "activation", "name": "leaky_relu", "slope": []}]')},
                "layers, number 1",
            ),
            ({"layers": np.array("[]")}, "at least one Linear"),
            ({"provenance": np.array("3")}, "provenance: must be a JSON dict"),
            ({"linear_2.weight": None}, "linear_2.weight: missing"),
            ({"linear_2.weight": W2 * np.nan}, "linear_2.weight must be finite"),
            ({"linear_2.weight": W1}, "layers: layer 3, .* takes 3 inputs, but gets 5"),
            ({"linear_1.bias": B2}, "linear_1.bias: bias must have 5 entries"),
            ({"linear_1.bhas": B1}, "unknown keys linear_1.bhas"),
            ({"initial.linear_1.weight": None}, "initial.linear_1.weight: missing"),
            ({"initial.linear_2.weight": np.ones((9, 5))}, "initial must have weights of shapes"),
        ],
    )
    def test_refuses(self, path, arrays, changes, message):
        arrays = {k: v for k, v in {**arrays, **changes}.items() if v is not None}
        np.savez(path, **arrays)
        refuse(path, message)

    def test_pickled_array_is_not_executed(self, path, arrays, tmp_path):
        marker = tmp_path / "executed"
        arrays["linear_1.weight"] = np.array([Bomb(marker)], object)
        np.savez(path, **arrays)
        refuse(path, "linear_1.weight: cannot be read")
        assert not marker.exists()

    def test_truncated_anywhere(self, path, arrays):
        whole = path.read_bytes()
        for size in range(4, len(whole), 97):
            path.write_bytes(whole[:size])
            refuse(path, "a damaged zip archive")

    def test_flipped_bytes_never_pass_unnoticed_as_other_errors(self, path, arrays):
        whole = path.read_bytes()
        intact = load(path)(X)
        for place in range(4, len(whole), 61):
            damaged = bytearray(whole)
            damaged[place] ^= 0x55
            path.write_bytes(damaged)
            try:
                np.testing.assert_array_equal(load(path)(X), intact)
            except WeightFileError:
                continue

    def test_member_that_is_no_array(self, path, arrays):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("schema", "descrambler.network.v1")
        refuse(path, "schema: cannot be read .schema is not a NumPy array")


MATLAB_73 = (b"MATLAB 7.3".ljust(124) + b"\x00\x02IM").ljust(512, b"\0")


class TestOtherFiles:
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "an empty file"),
            (pickle.dumps({"W1": 1}), "pickled data, .* refused"),
            (b"\x89HDF\r\n\x1a\n" + bytes(600), "a damaged Keras file"),
            (b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM", "begins with b'MATLAB 7.3"),
            (MATLAB_73 + b"\x89HDF\r\n\x1a\n", "a damaged .mat file"),
            (b"hello there", "begins with b'hello there'"),
            (b"MATLAB 5.0 MAT-file", "begins with b'MATLAB 5.0"),
        ],
    )
    @pytest.mark.parametrize("suffix", [".npz", ".mat", ".pt", ""])
    def test_refused_by_content(self, tmp_path, suffix, content, message):
        path = tmp_path / f"net{suffix}"
        path.write_bytes(content)
        refuse(path, message)

    def test_format_is_told_by_content(self, tmp_path):
        path = tmp_path / "net.mat"
        with path.open("wb") as file:
            np.savez(file, W1=W1)
        assert load(path, ["tanh"]).n_out == 5

    def test_zip_of_another_kind(self, tmp_path):
        path = tmp_path / "net.docx"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("word/document.xml", "text")
        refuse(path, "found word/document.xml")

    def test_no_file(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            load(tmp_path / "none.npz")


class TestPlainMat:
    @pytest.mark.parametrize("compressed", [False, True])
    def test_reads(self, matfile, compressed):
        arrays = {"W1": W1, "b1": B1, "W2": W2, "b2": B2[:, None], "tr": {"a": "b", "perf": 1}}
        savemat(matfile, arrays, do_compression=compressed)
        network = load(matfile, NAMES)
        np.testing.assert_allclose(network(X), expected(), rtol=1e-13)
        assert network.notes == ("not used: tr",)

    @pytest.mark.parametrize(
        ("name", "value"), [("mu", B1), ("settings", {"gain": 2.0}), ("V", W1), ("ps", {"a": [1]})]
    )
    def test_what_may_belong_to_the_network_is_refused_by_name(self, matfile, name, value):
        savemat(matfile, {"W1": W1, "b1": B1, name: value})
        refuse(matfile, rf"holds {name}(\.\w+)? beside the weights", ["tanh"])

    def test_activations_are_needed(self, matfile):
        savemat(matfile, {"W1": W1})
        refuse(matfile, r'activations=\["identity"\]')

    def test_names_what_it_found(self, matfile):
        savemat(matfile, {"trace": W1, "settings": {"noise": 1.0}})
        refuse(matfile, "neither a SeriesNetwork nor IW nor W1 .* found settings, trace")

    def test_refuses_nan(self, matfile):
        savemat(matfile, {"W1": W1 * np.nan})
        refuse(matfile, "W1 must be finite", ["tanh"])

    @pytest.mark.parametrize("part", [0.3, 0.9])
    @pytest.mark.parametrize("compressed", [False, True])
    def test_truncated(self, matfile, part, compressed):
        savemat(matfile, {"W1": RNG.standard_normal((60, 50))}, do_compression=compressed)
        whole = matfile.read_bytes()
        matfile.write_bytes(whole[: 128 + int(part * (len(whole) - 128))])
        refuse(matfile, "a damaged .mat file", ["tanh"])


class TestHdf5Mat:
    """MATLAB 7.3 files, as mat-io writes them."""

    @pytest.fixture
    def save(self, matfile):
        def write(arrays):
            code = f"import matio, pickle; matio.save_to_mat({str(matfile)!r}, pickle.loads({pickle.dumps(arrays)!r}))"
            subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)
            return matfile

        return write

    def test_plain(self, save):
        path = save({"W1": W1, "b1": B1, "W2": W2, "b2": B2[:, None], "note": "text"})
        np.testing.assert_allclose(load(path, NAMES)(X), expected(), rtol=1e-13)
        refuse(path, "one for each of its 2 linear layers")

    def test_shallow(self, save):
        empty = np.zeros((0, 0))
        net = {
            "IW": cells([W1], [None]),
            "LW": cells([None, None], [W2, None]),
            "b": cells([B1[:, None]], [empty]),
            "layers": TestShallow.LAYERS,
        }
        np.testing.assert_allclose(load(save({"net": net}))(X), expected(b2=0), rtol=1e-13)

    def test_data_in_other_files(self, save, tmp_path):
        path = save({"W1": W1})
        secret = tmp_path / "secret.h5"
        with h5py.File(secret, "w") as file:
            file["W2"] = W2
        with h5py.File(path, "a") as file:
            file["W2"] = h5py.ExternalLink(str(secret), "W2")
        refuse(path, "'W2' is a link to another place", NAMES)
        with h5py.File(path, "a") as file:
            del file["W2"]
            file.create_dataset("W2", (5, 4), "f8", external=[(str(secret), 0, 160)])
        refuse(path, "'W2' is kept in another file", NAMES)

    def test_without_mat_io(self, save, monkeypatch, tmp_path):
        path = save({"W1": W1})
        (tmp_path / "matio.py").write_text("raise ModuleNotFoundError('not here')")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "matio", raising=False)
        with pytest.raises(MissingExtraError, match="matlab"):
            load(path, ["tanh"])


class TestShallow:
    """``struct(net)`` of a two-layer network, and its cells saved one by one."""

    CELLS = {
        "IW": cells([W1], [None]),
        "LW": cells([None, None], [W2, None]),
        "b": cells([B1[:, None]], [B2[:, None]]),
    }
    LAYERS = cells(
        [{"transferFcn": "tansig", "netInputFcn": "netsum"}], [{"transferFcn": "logsig"}]
    )

    def test_cells(self, matfile):
        savemat(matfile, self.CELLS)
        np.testing.assert_allclose(load(matfile, NAMES)(X), expected(), rtol=1e-13)
        refuse(matfile, "one for each of its 2 linear layers")

    def test_struct(self, matfile):
        savemat(matfile, {"exported": {**self.CELLS, "layers": self.LAYERS}})
        network = load(matfile)
        np.testing.assert_allclose(network(X), expected(), rtol=1e-13)
        assert network.layers[1] == Activation("tanh")
        with pytest.raises(ValueError, match="names its own"):
            load(matfile, NAMES)

    def test_old_style_object(self, matfile):
        fields = {**self.CELLS, "layers": self.LAYERS}
        record = np.empty((1, 1), [(name, object) for name in fields])
        for name, value in fields.items():
            record[name][0, 0] = value
        savemat(matfile, {"net": MatlabObject(record, "network")})
        np.testing.assert_allclose(load(matfile)(X), expected(), rtol=1e-13)

    def test_without_biases(self, matfile):
        savemat(matfile, {**self.CELLS, "b": cells([None], [None])})
        network = load(matfile, NAMES)
        assert network.linear(1).bias is None
        np.testing.assert_allclose(network(X), expected(0, 0), rtol=1e-13)

    def test_processing_of_inputs_and_outputs(self, matfile):
        low, high = np.array([-2.0, -1, 0]), np.array([1.0, 5, 9])
        minmax = {"gain": (2 / (high - low))[:, None], "xoffset": low[:, None], "ymin": -1.0}
        std = {"gain": np.full((4, 1), 0.5), "xoffset": np.arange(4.0)[:, None], "ymean": 0.25}
        nothing = {"xrows": 3.0, "yrows": 3.0}
        inputs = {
            "processFcns": cells(["removeconstantrows", "mapminmax", "mapminmax"]),
            "processSettings": cells([nothing, minmax, {"no_change": True}]),
        }
        outputs = {"processFcns": cells(["mapstd"]), "processSettings": cells([std])}
        net = {
            **self.CELLS,
            "layers": cells([{"transferFcn": "tansig"}], [{"transferFcn": "purelin"}]),
            "inputs": cells([inputs]),
            "outputs": cells([None, outputs]),
        }
        savemat(matfile, {"net": net})
        scaled = 2 * (X - low) / (high - low) - 1
        y = np.tanh(scaled @ W1.T + B1) @ W2.T + B2
        np.testing.assert_allclose(load(matfile)(X), (y - 0.25) / 0.5 + np.arange(4), rtol=1e-12)
        net["layers"] = self.LAYERS
        savemat(matfile, {"net": net})
        y = logistic(np.tanh(scaled @ W1.T + B1) @ W2.T + B2)
        network = load(matfile)
        np.testing.assert_allclose(network(X), (y - 0.25) / 0.5 + np.arange(4), rtol=1e-12)
        assert "diagonal" in network.notes[0]
        inputs["processFcns"] = cells(["processpca"])
        inputs["processSettings"] = cells([nothing])
        savemat(matfile, {"net": net})
        refuse(matfile, r"processFcns\{1,1\}: 'processpca' is not supported")

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"LW": cells([None, None], [None, W2])}, r"LW\{2,2\}: not part of a chain"),
            ({"LW": cells([None, W2], [W2, None])}, r"LW\{1,2\}: not part of a chain"),
            ({"IW": cells([W1], [W2])}, r"IW\{2,1\}: not part of a chain"),
            ({"IW": cells([None], [None]), "LW": cells([None])}, r"IW\{1,1\}: empty"),
            ({"b": cells([B1, B2])}, r"b\{1,2\}: not part of a chain"),
            ({"b": cells([B2], [B2])}, r"bias must have 5 entries, got 4"),
            ({"IW": cells([W1 * np.inf], [None])}, r"IW\{1,1\} must be finite"),
            ({"net": {"IW": cells([W1])}}, "several networks: IW, net"),
            (
                {"layers": cells([{"transferFcn": "radbas"}], [{"transferFcn": "logsig"}])},
                r"layers\{1,1\}.transferFcn: .* got 'radbas'",
            ),
            (
                {
                    "layers": cells(
                        [{"transferFcn": "tansig", "netInputFcn": "netprod"}],
                        [{"transferFcn": "logsig"}],
                    )
                },
                r"netInputFcn: 'netprod' is not supported",
            ),
        ],
    )
    def test_refuses(self, matfile, changes, message):
        savemat(matfile, {**self.CELLS, **changes})
        refuse(matfile, message, None if "layers" in changes else NAMES)


class FakeObject:
    def __init__(self, classname, properties):
        self.classname, self.properties = classname, properties


FakeObject.__name__ = "MatlabOpaque"  # the flattener goes by the name


def packed(text):
    units = text.encode("utf-16-le")
    units += bytes(-len(units) % 8)
    return np.array([1, 2, 1, 1, len(text), *np.frombuffer(units, "<u8")], "<u8")


class TestSeries:
    """SeriesNetwork objects as mat-io gives them; the real ones are in test_released.py."""

    @staticmethod
    def arrays(*layers):
        column = np.empty((len(layers), 1), object)
        column[:, 0] = [FakeObject("nnet.cnn.layer.Layer", layer) for layer in layers]
        out = {}
        _mat_child.flatten("net", FakeObject("SeriesNetwork", {"Layers": column}), out)
        return out

    def layers(self, *layers):
        arrays = self.arrays(*layers)
        path = Path("net.mat")
        return _series.chain(path, arrays, Reading(path, arrays), "net").layers()

    INPUT = {
        "Name": np.array(["in"]),
        "InputSize": np.array([[3.0]]),
        "Normalization": np.zeros((0, 0)),
    }
    LOSS = {"Name": np.array(["out"]), "LossFunction": np.array(["mse"])}
    FULL = {
        "Name": np.array(["fc"]),
        "InputSize": np.array([[3.0]]),
        "OutputSize": np.array([[5.0]]),
        "Weights.Value": W1,
        "Bias.Value": B1[:, None],
    }

    def test_layers(self):
        norm = {
            "TrainedMean": B1[:, None],
            "TrainedVariance": B1[:, None] ** 2,
            "Scale.Value": B1[:, None],
            "Offset.Value": B1[:, None],
            "Epsilon": np.array([[0.1]]),
        }
        softplus = {"Type": FakeObject("string", {"any": packed("SoftplusLayer")})}
        logistic_layer = {"Description": np.array(["Logsigmoidal function"])}
        renorm = {"Type": np.array(["Renormalization"])}
        layers = self.layers(
            self.INPUT, self.FULL, norm, softplus, logistic_layer, renorm, self.LOSS
        )
        assert layers[1:] == [Activation("softplus"), Activation("logistic"), Renormalize()]
        expected = B1 * (X @ W1.T + B1 - B1) / np.sqrt(B1**2 + 0.1) + B1
        np.testing.assert_allclose(Network(layers[:1])(X), expected, rtol=1e-12)

    @pytest.mark.parametrize(
        ("layer", "message"),
        [
            (
                {"Name": np.array(["act"]), "Type": np.array(["Swish"])},
                r"Layers\{2,1\}: layer 'act' is of an unknown type \(Swish\)",
            ),
            (
                {"Name": np.array(["act_1"])},
                r"layer 'act_1' is of an unknown type \(fields Name\)",
            ),
            (
                {"Name": np.array(["conv"]), "FilterSize": np.ones((1, 2)), "Weights.Value": W1},
                "unknown type",
            ),
            ({**FULL, "Weights.Value": W1 * np.nan}, r"Layers\{2,1\}.Weights.Value must be finite"),
            (
                {k: v for k, v in FULL.items() if k != "Bias.Value"} | {"Bias": np.zeros((0, 0))},
                r"Layers\{2,1\}.Bias.Value: missing",
            ),
            (LOSS, "layer 'out' is of an unknown type"),
        ],
    )
    def test_refuses(self, layer, message):
        with pytest.raises(WeightFileError, match=message):
            self.layers(self.INPUT, layer, self.LOSS)

    def test_other_classes_are_named(self, matfile, monkeypatch):
        savemat(matfile, {"a": 1})
        out = {}
        _mat_child.flatten("net", FakeObject("dlnetwork", {"Version": np.array([[1.0]])}), out)
        monkeypatch.setattr(mat, "read_matlab", lambda path: out)
        refuse(matfile, r"found net \(of class dlnetwork\)")

    @needs_data
    def test_missing_extra(self, tmp_path, monkeypatch):
        (tmp_path / "matio.py").write_text("raise ModuleNotFoundError('not here')")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "matio", raising=False)
        with pytest.raises(MissingExtraError, match=r'pip install "descrambler\[matlab\]"'):
            load(Path(DATA) / "nets" / "deer64_net01.mat")

    @needs_data
    def test_reading_leaves_the_process_alone(self):
        code = (
            "import sys; from descrambler.readers import load; load(sys.argv[1]); "
            "sys.exit(not {'h5py', 'matio', 'pandas'}.isdisjoint(sys.modules))"
        )
        path = Path(DATA) / "nets" / "deer64_net01.mat"
        assert subprocess.run([sys.executable, "-c", code, path]).returncode == 0

    @needs_data
    @pytest.mark.parametrize("part", [0.5, 0.999])
    def test_truncated(self, tmp_path, part):
        whole = (Path(DATA) / "nets" / "deer64_net01.mat").read_bytes()
        path = tmp_path / "net.mat"
        path.write_bytes(whole[: int(part * len(whole))])
        refuse(path, "a damaged .mat file")


def test_child_leaves_out_what_is_not_an_array():
    out = {}
    record = np.empty((1, 2), [("x", object)])
    record["x"][0] = [np.eye(2), "text"]
    _mat_child.flatten("s", record, out)
    _mat_child.flatten("none", None, out)
    _mat_child.flatten("java", FakeObject("java.lang.String", "abc"), out)
    assert list(out) == ["s{1,1}.x"]
