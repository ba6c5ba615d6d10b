"""Models that Keras saved are read without it, and agree with its own predictions."""

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import forked
import h5py
import numpy as np
import pytest

from descrambler.errors import MissingExtraError, WeightFileError
from descrambler.network._network import Activation
from descrambler.readers import load

pytest.importorskip("torch", reason="PyTorch, the backend of Keras here, is not installed")
MAKE = Path(__file__).parents[1] / "helpers" / "make_keras.py"
RNG = np.random.default_rng(0)
W1, W2 = RNG.standard_normal((5, 6)).astype("f4"), RNG.standard_normal((4, 5)).astype("f4")
B1 = RNG.standard_normal(5).astype("f4")
X = RNG.standard_normal((7, 6))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    forked.install(monkeypatch)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What Keras wrote: models, and its predictions."""
    folder = tmp_path_factory.mktemp("keras")
    limits = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1")
    command = [sys.executable, "-W", "ignore", str(MAKE), str(folder)]
    subprocess.run(command, check=True, env=os.environ | limits, stderr=subprocess.DEVNULL)
    return folder


def refuse(path, message):
    with pytest.raises(WeightFileError, match=message) as info:
        load(path)
    assert str(path) in str(info.value)


@pytest.mark.parametrize("suffix", ["keras", "h5"])
class TestRealFiles:
    def test_agree_with_keras(self, folder, suffix):
        with np.load(folder / "predictions.npz") as archive:
            predictions = dict(archive)
        names = [key.removesuffix(".x") for key in predictions if key.endswith(".x")]
        assert len(names) == 36
        for name in names:
            network = load(folder / f"{name}.{suffix}")
            found, expected = network(predictions[f"{name}.x"]), predictions[f"{name}.y"]
            assert found.dtype == np.float32
            np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6, err_msg=name)

    def test_layers(self, folder, suffix):
        network = load(folder / f"functional.{suffix}")
        assert [network.linear(k).weight.shape for k in (1, 2)] == [(5, 6), (3, 5)]
        assert network.layers[1] == Activation("tanh")
        assert load(folder / f"leaky_relu.{suffix}").layers[1] == Activation("leaky_relu", 0.2)

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("branched", "'sum' .Add.: joins branches.*keras.Model.inputs, outputs..save"),
            ("shared", "'twice' .Dense.: is used more than once"),
            ("convolution", "'c' .Conv1D.: not a dense layer"),
            ("rows", "takes signals of shape"),
            ("layer_norm", "'n' .LayerNormalization.: not a dense layer"),
            ("nested", ".Sequential.: not a dense layer"),
            ("elu", "'e' .ELU.: not a dense layer"),
            ("channels", "'f' .Flatten.: not a dense layer"),
            ("squared", ".Multiply.: "),
            ("quotient", "divided by the signal"),
        ],
    )
    def test_what_is_no_chain(self, folder, suffix, name, message):
        refuse(folder / f"bad_{name}.{suffix}", message)

    @pytest.mark.parametrize("part", [0.2, 0.6, 0.98])
    def test_truncated(self, folder, suffix, tmp_path, part):
        path = tmp_path / f"net.{suffix}"
        whole = (folder / f"plain.{suffix}").read_bytes()
        path.write_bytes(whole[: int(part * len(whole))])
        refuse(path, "a damaged|not a known format")

    def test_names_its_own_activations(self, folder, suffix):
        with pytest.raises(ValueError, match="names its own"):
            load(folder / f"plain.{suffix}", ["tanh", "tanh"])

    def test_without_the_extra(self, folder, suffix, monkeypatch):
        monkeypatch.setitem(sys.modules, "h5py", None)
        with pytest.raises(MissingExtraError, match=r"descrambler\[keras\]"):
            load(folder / f"plain.{suffix}")


def test_weights_alone(folder):
    refuse(folder / "w.weights.h5", "has no model_config, so not a whole Keras model")


def dense(name, units, activation="linear", **more):
    config = {"name": name, "units": units, "activation": activation, "use_bias": False, **more}
    return {"class_name": "Dense", "config": config}


def model(*layers, kind="Sequential", **more):
    return {"class_name": kind, "config": {"name": "m", "layers": list(layers), **more}}


TWO = model(dense("a", 5, "tanh"), dense("b", 4))


@pytest.fixture
def h5(tmp_path):
    """Write an .h5 file as Keras 2 does; return its path."""

    def write(config=TWO, weights=None, version="2.15.0", **attributes):
        path = tmp_path / "net.h5"
        weights = {"a/a/kernel:0": W1.T, "b/b/kernel:0": W2.T} if weights is None else weights
        with h5py.File(path, "w") as file:
            text = config if isinstance(config, str) else json.dumps(config)
            file.attrs["model_config"] = text.encode()
            file.attrs["keras_version"] = version
            for name, value in weights.items():
                file[f"model_weights/{name}"] = value
        return path

    return write


class TestKeras2:
    def test_sequential(self, h5):
        np.testing.assert_allclose(load(h5())(X), np.tanh(X @ W1.T) @ W2.T, rtol=1e-5)

    def test_functional(self, h5):
        start = {
            "class_name": "InputLayer",
            "config": {"name": "i", "batch_input_shape": [None, 6]},
        }
        layers = [
            {**dense("b", 4), "inbound_nodes": [[["a", 0, 0, {}]]]},
            {**start, "inbound_nodes": []},
            {**dense("a", 5, "tanh"), "inbound_nodes": [[["i", 0, 0, {}]]]},
        ]
        path = h5(model(*layers, kind="Functional", output_layers=[["b", 0, 0]]))
        np.testing.assert_allclose(load(path)(X), np.tanh(X @ W1.T) @ W2.T, rtol=1e-5)

    def test_half_precision_is_read_as_float32(self, h5):
        path = h5(model(dense("a", 5)), {"a/a/kernel:0": W1.T.astype("f2")})
        assert load(path).linear(1).weight.dtype == np.float32

    @pytest.mark.parametrize(
        ("config", "weights", "message"),
        [
            ("[", None, "a damaged Keras file"),
            ("[" * 100_000, None, "a damaged Keras file"),
            ("3", None, "a damaged Keras file"),
            ("{}", None, "a damaged Keras file .KeyError"),
            ({"class_name": "Mine", "config": {}}, None, "of class 'Mine', neither Sequential nor"),
            (model(), {}, "no dense layers"),
            (model(dense("a", 5), dense("a", 5)), None, "two layers have the same name"),
            (model(dense("a", 5, "hard_sigmoid")), None, "'hard_sigmoid' is not known"),
            (model(dense("a", 5, "mine")), None, "layer 'a' .Dense.: activation must be one of"),
            (model(dense("a", 5, {"class_name": "function", "config": "f"})), None, "not known"),
            (model(dense("a", 5, use_bias=True)), None, "layer 'a': has 0 weights called bias"),
            (model(dense("c", 5)), None, "layer 'c': has 0 weights called kernel"),
            (model(dense(3, 5)), None, "a damaged Keras file .TypeError"),
            (TWO, {"a/k/kernel": W1.T, "a/kernel": W1}, "layer 'a': has 2 weights called kernel"),
            (TWO, {"a/kernel": W1, "b/kernel": W2.T}, "takes 5 inputs, but gets 6"),
            (TWO, {"a/kernel": W1.T * np.nan, "b/kernel": W2.T}, "'a', kernel must be finite|finite"),
            (TWO, {"a/kernel": W1.astype(int), "b/kernel": W2}, "int64 weights are quantized"),
            (TWO, {"a/kernel": B1, "b/kernel": W2.T}, "layer 'a' .Dense.: weight must have 2 dim"),
        ],
    )  # fmt: skip
    def test_refuses(self, h5, config, weights, message):
        refuse(h5(config, weights), message)

    def test_loops(self, h5):
        def between(name, source):
            return {**dense(name, 5), "inbound_nodes": [[[source, 0, 0, {}]]]}

        loop = model(
            between("a", "b"), between("b", "a"), kind="Model", output_layers=[["b", 0, 0]]
        )
        refuse(h5(loop), "the chain ends, but not the model")

    def test_data_in_other_files(self, h5, tmp_path):
        path = h5(model(dense("a", 2)), {})
        secret = tmp_path / "secret"
        secret.write_bytes(bytes(32))
        with h5py.File(path, "a") as file:
            group = file.create_group("model_weights/a")
            group.create_dataset("kernel", (2, 2), "f8", external=[(str(secret), 0, 32)])
        refuse(path, "'model_weights/a/kernel' is kept in another file")
        with h5py.File(path, "a") as file:
            del file["model_weights/a/kernel"]
            file["model_weights/a/kernel"] = h5py.ExternalLink(str(secret), "x")
        refuse(path, "layer 'a': has 0 weights called kernel")

    def test_groups_without_end(self, h5):
        path = h5()
        with h5py.File(path, "a") as file:
            file["model_weights/a/again"] = file["model_weights"]
        assert load(path).n_linear == 2

    def test_bombs(self, h5, monkeypatch):
        path = h5(model(dense("a", 2)), {})
        with h5py.File(path, "a") as file:
            shape, chunks = (2**20, 2**20), (2**10, 2**10)
            file.create_dataset("model_weights/a/kernel", shape, "f4", chunks=chunks)
        refuse(path, "reading it takes more than 16384 MB")


class TestArchives:
    @pytest.fixture
    def change(self, folder, tmp_path):
        """Copy a .keras file with other members; return its path."""

        def write(**members):
            path = tmp_path / "net.keras"
            with zipfile.ZipFile(folder / "plain.keras") as old, zipfile.ZipFile(path, "w") as new:
                for name in old.namelist():
                    content = members.get(name.split(".")[0], old.read(name))
                    new.writestr(name, content, zipfile.ZIP_DEFLATED)
            return path

        return write

    def test_same(self, change):
        assert load(change()).n_linear == 2

    @pytest.mark.parametrize("member", ["config", "metadata", "model"])
    def test_damaged_members(self, change, member):
        refuse(change(**{member: b"\x00\xff"}), "a damaged Keras file")

    def test_bombs(self, change, monkeypatch):
        refuse(change(config=b"[" + b" " * 2**28), "describes its layers in more than")

    def test_other_weights(self, change, folder):
        with zipfile.ZipFile(folder / "plain.keras") as old:
            stream = io.BytesIO(old.read("model.weights.h5"))
        with h5py.File(stream, "a") as file:
            file["layers/dense/vars"].attrs["name"] = "another"
        refuse(
            change(model=stream.getvalue()),
            "'dense' .Dense.: needs its weights .kernel, bias., but has none; the file holds layers/dense/vars/0",
        )
        with h5py.File(stream, "a") as file:
            del file["layers/dense_1/vars/0"]
            del file["layers/dense/vars"].attrs["name"]
        refuse(
            change(model=stream.getvalue()),
            "but has none; the file holds layers/dense/vars/0 .6, 5., layers/dense/vars/1 .5,",
        )
