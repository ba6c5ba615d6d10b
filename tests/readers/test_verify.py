"""Networks of files, compared with what ONNX Runtime and Keras compute of the same file."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import forked
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from descrambler.cli import main
from descrambler.errors import WeightFileError
from descrambler.network import Activation, Linear, Network
from descrambler.readers import _onnx_steps, load
from descrambler.readers._keras_verify_child import Refused, check
from descrambler.readers._verify import NotVerified

RNG = np.random.default_rng(6)
W = RNG.standard_normal((5, 6)).astype("f4")
MODEL = """
import os, sys
import keras
from keras import layers
model = keras.Sequential([
    keras.Input((2, 3)), layers.Flatten(), layers.Rescaling(2.0, offset=1.0),
    layers.Dense(5, "gelu"), layers.BatchNormalization(), layers.Dense(3, "softmax"),
])
model.save(sys.argv[1])
"""


@pytest.fixture
def quick(monkeypatch):
    forked.install(monkeypatch)


def write(path, shape=("n", 6), kind="Sigmoid", dtype="f4", last=(), left=False, **options):
    """Write x W^T (or W x), then an activation and what follows it."""
    weight = W.astype(dtype) if left else W.T.astype(dtype)
    number = TensorProto.DOUBLE if dtype == "f8" else TensorProto.FLOAT
    made = [
        helper.make_node("MatMul", ["W", "x"] if left else ["x", "W"], ["h"]),
        helper.make_node(kind, ["h"], ["y"], **options),
        *last,
    ]
    ends = [helper.make_tensor_value_info("x", number, shape)]
    ends.append(helper.make_tensor_value_info(made[-1].output[0], 0, None))
    made_graph = helper.make_graph(made, "g", ends[:1], ends[1:], [numpy_helper.from_array(weight, "W")])  # fmt: skip
    made_model = helper.make_model(
        made_graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8
    )
    onnx.save(made_model, path)
    return path


class TestOnnx:
    @pytest.mark.parametrize(
        ("shape", "left"), [(("n", 6), 0), ((1, 6), 0), ((6,), 0), ((6, "n"), 1), (("n", 1, 6), 0)]
    )
    @pytest.mark.parametrize("dtype", ["f4", "f8"])
    def test_what_agrees_is_noted(self, quick, tmp_path, shape, left, dtype):
        network = load(write(tmp_path / "net.onnx", shape, dtype=dtype, left=left), verify=True)
        assert "verified: its outputs agree with those of ONNX Runtime" in network.notes[0]
        assert network.linear(1).weight.dtype == dtype

    def test_what_is_left_out_at_the_end_is_not_compared(self, quick, tmp_path):
        last = [helper.make_node("ArgMax", ["y"], ["c"], axis=1)]
        network = load(write(tmp_path / "net.onnx", last=last), verify=True)
        assert "verified" in network.notes[0] and "left out at the end" in network.notes[1]

    @pytest.mark.parametrize("kind", ["Tanh", "Relu", "Sigmoid"])
    def test_what_differs_is_refused(self, quick, tmp_path, monkeypatch, kind):
        wrong = {"Tanh": "softsign", "Relu": "softplus", "Sigmoid": "hard_sigmoid"}
        monkeypatch.setitem(_onnx_steps.activation.__globals__["_PLAIN"], kind, wrong[kind])
        path = write(tmp_path / "net.onnx", kind=kind)
        assert load(path).layers[1].name == wrong[kind]
        with pytest.raises(WeightFileError, match="does not compute what the model computes") as it:
            load(path, verify=True)
        assert not isinstance(it.value, NotVerified)

    def test_weights_that_a_saturated_output_hides(self, quick, tmp_path, monkeypatch):
        """A factor of 1.001 shows before a sigmoid, and not after it."""
        path = write(tmp_path / "net.onnx")
        old = _onnx_steps.Linear
        monkeypatch.setattr(_onnx_steps, "Linear", lambda w: old(w * np.float32(1 + 3e-5)))
        with pytest.raises(WeightFileError, match="does not compute"):
            load(path, verify=True)

    def test_what_cannot_be_run(self, quick, tmp_path):
        path = write(tmp_path / "net.onnx", kind="Swish")  # not in this opset
        with pytest.raises(NotVerified, match=r"not verified, since ONNX Runtime does not run it"):
            load(path, verify=True)

    def test_half_precision(self, quick, tmp_path):
        last = [helper.make_node("Cast", ["y"], ["z"], to=TensorProto.FLOAT16)]
        with pytest.raises(NotVerified, match="half precision"):
            load(write(tmp_path / "net.onnx", last=last), verify=True)

    def test_without_the_runtime(self, quick, tmp_path, monkeypatch):
        path = write(tmp_path / "net.onnx")
        find = "descrambler.readers._verify.find_spec"
        monkeypatch.setattr(find, lambda name: None)
        with pytest.raises(NotVerified, match="pip install onnxruntime"):
            load(path, verify=True)

    def test_inspect(self, quick, tmp_path, capsys):
        path = write(tmp_path / "net.onnx")
        assert main(["inspect", str(path)]) == 0
        assert "note: verified" in capsys.readouterr().out
        assert main(["inspect", "--json", str(path)]) == 0
        assert json.loads(capsys.readouterr().out)["verified"] is True

    def test_in_a_process_of_its_own(self, tmp_path):
        assert "verified" in load(write(tmp_path / "net.onnx"), verify=True).notes[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    pytest.importorskip("torch", reason="PyTorch, the backend of Keras here, is not installed")
    folder = tmp_path_factory.mktemp("verify")
    for name in ("net.keras", "net.h5"):
        command = [sys.executable, "-W", "ignore", "-c", MODEL, str(folder / name)]
        backend = {"KERAS_BACKEND": "torch"}
        subprocess.run(command, check=True, env=os.environ | backend, stderr=subprocess.DEVNULL)
    return folder


class TestKeras:
    @pytest.mark.parametrize("name", ["net.keras", "net.h5"])
    def test_what_agrees_is_noted(self, folder, name):
        network = load(folder / name, verify=True)
        assert "agree with those of Keras" in network.notes[0]

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ('"module": "keras.layers"', '"module": "os"'),
            ('"module": "keras.initializers"', '"module": "keras.utils"'),
            ('"class_name": "Zeros"', '"class_name": "Lambda"'),
            ('"class_name": "Zeros"', '"class_name": "function"'),
            ('"registered_name": null', '"registered_name": "mine>Dense"'),
        ],
    )
    def test_code_of_others_is_not_run(self, folder, old, new):
        with zipfile.ZipFile(folder / "net.keras") as archive:
            text = archive.read("config.json").decode()
        check(json.loads(text))
        assert old in text
        with pytest.raises(Refused, match="it names"):
            check(json.loads(text.replace(old, new, 1)))


def test_formats_without_a_runtime(tmp_path, capsys):
    path = Path(tmp_path / "net.npz")
    Network([Linear(W), Activation("tanh")]).save(path)
    with pytest.raises(NotVerified, match="npz files hold weights and no model to run"):
        load(path, verify=True)
    assert main(["inspect", str(path)]) == 0
    assert (
        "note: not verified: npz files hold weights and no model to run" in capsys.readouterr().out
    )
