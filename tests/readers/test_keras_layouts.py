"""Files of other versions of Keras: where they keep weights, and what else they hold."""

import io
import json
import sys
import zipfile

import forked
import h5py
import numpy as np
import pytest

from descrambler.errors import WeightFileError
from descrambler.readers import load

RNG = np.random.default_rng(4)
SIZES = (6, 5, 4, 3)
KERNELS = [RNG.standard_normal(shape).astype("f4") for shape in zip(SIZES, SIZES[1:], strict=False)]
X = RNG.standard_normal((7, 6)).astype("f4")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    forked.install(monkeypatch)


def layer(kind, name, **options):
    return {"class_name": kind, "config": {"name": name, **options}}


def dense(name, units, **options):
    return layer("Dense", name, units=units, use_bias=False, **options)


CONFIG = {
    "class_name": "Sequential",
    "config": {
        "name": "m",
        "layers": [
            dense("dense_7", 5, activation="tanh"),
            layer("Dropout", "dropout_2", rate=0.1),
            dense("dense_8", 4, activation="relu"),
            dense("dense_9", 3),
        ],
    },
}


def outputs():
    first, second, third = KERNELS
    return np.maximum(np.tanh(X @ first) @ second, 0) @ third


@pytest.fixture
def archive(tmp_path):
    """Write a .keras file of arrays by path; return its path."""

    def write(arrays, config=CONFIG, version="2.13.1", attributes=None):
        stream, path = io.BytesIO(), tmp_path / "net.keras"
        with h5py.File(stream, "w") as file:
            for place, array in arrays.items():
                file[place] = array
            for place, name in (attributes or {}).items():
                file[place].attrs["name"] = name
        with zipfile.ZipFile(path, "w") as members:
            members.writestr("config.json", json.dumps(config))
            members.writestr("metadata.json", json.dumps({"keras_version": version}))
            members.writestr("model.weights.h5", stream.getvalue())
        return path

    return write


def placed(pattern, numbers=("", "_1", "_2")):
    return {pattern.format(f"dense{n}"): kernel for n, kernel in zip(numbers, KERNELS, strict=True)}


@pytest.mark.parametrize(
    "pattern",
    [
        "layers/{}/vars/0",
        "_layers/{}/vars/0",
        "layers\\{}/vars/0",
        "_layer_checkpoint_dependencies/{}/vars/0",
        "_layer_checkpoint_dependencies\\{}/vars/0",
        "_layer_checkpoint_dependencies\\{}\\vars\\0",
    ],
)
@pytest.mark.parametrize("numbers", [("", "_1", "_2"), ("", "_2", "_4"), ("_7", "_8", "_10")])
def test_groups_of_every_version(archive, pattern, numbers):
    np.testing.assert_allclose(load(archive(placed(pattern, numbers)))(X), outputs(), rtol=1e-4)


def test_names_of_keras_3_come_before_numbers(archive):
    places = placed("layers/{}/vars/0")
    groups = [place.rpartition("/")[0] for place in places]
    shuffled = dict(zip(places, [KERNELS[2], KERNELS[0], KERNELS[1]], strict=True))
    names = dict(zip(groups, ["dense_9", "dense_7", "dense_8"], strict=True))
    path = archive(shuffled, version="3.0.0", attributes=names)
    np.testing.assert_allclose(load(path)(X), outputs(), rtol=1e-4)


def refuse(path, *parts):
    with pytest.raises(WeightFileError) as info:
        load(path)
    message = str(info.value)
    assert all(part in message for part in parts), message
    assert "torch" not in message.lower()


class TestSaysWhatIsThere:
    def test_where_weights_are_missing(self, archive):
        arrays = placed("layers/{}/vars/0")
        del arrays["layers/dense_1/vars/0"]
        refuse(archive(arrays), "layer 'dense_7'", "kernel", "layers/dense_2/vars/0 (4, 3)")

    def test_where_there_are_more_than_a_layer_has(self, archive):
        arrays = placed("layers/{}/vars/0") | {"layers/dense/vars/1": np.zeros(5, "f4")}
        refuse(archive(arrays), "layer 'dense_7'", "layers/dense/vars/1 (5,)")

    def test_where_two_layouts_are_mixed(self, archive):
        both = placed("layers/{}/vars/0") | placed("_layer_checkpoint_dependencies/{}/vars/0")
        refuse(archive(both), "two places", "layers", "_layer_checkpoint_dependencies")

    @pytest.mark.parametrize(
        "place", ["layers/scaler/vars/0", "layers/dense_3/mean", "vars/0", "extra", "tower/vars/0"]
    )
    def test_where_an_array_belongs_to_no_layer(self, archive, place):
        names = {f"layers/dense{n}/vars": f"dense_{k}" for n, k in (("", 7), ("_1", 8), ("_2", 9))}
        arrays = placed("layers/{}/vars/0") | {place: np.ones(6, "f4")}
        refuse(archive(arrays, attributes=names), "no layer of its configuration uses", place)

    def test_keras_1(self, tmp_path):
        path = tmp_path / "net.h5"
        with h5py.File(path, "w") as file:
            file.attrs["model_config"] = json.dumps(CONFIG)
            for k, kernel in enumerate(KERNELS, 1):
                file[f"model_weights/dense_{k}/dense_{k}_W"] = kernel
                file[f"model_weights/dense_{k}/dense_{k}_b"] = kernel[0]
        refuse(path, "Keras 1", "dense_1_W", "save it again")
        with h5py.File(path, "a") as file:
            file.attrs["keras_version"] = "1.2.2"
        refuse(path, "Keras 1", "save it again")


def test_what_training_leaves_is_no_layer(archive):
    training = ("optimizer/vars/0", "layers/dropout/seed_generator/vars/0", "metrics/mean/vars/0")
    arrays = placed("layers/{}/vars/0") | dict.fromkeys(training, np.ones(3))
    np.testing.assert_allclose(load(archive(arrays))(X), outputs(), rtol=1e-4)


@pytest.mark.parametrize("kind", ["keras", "h5"])
def test_bfloat16(archive, tmp_path, kind):
    halves = [(kernel.view("u4") >> 16).astype("u2") for kernel in KERNELS]
    exact = [(half.astype("u4") << 16).view("f4") for half in halves]
    wanted = np.maximum(np.tanh(X @ exact[0]) @ exact[1], 0) @ exact[2]
    config = json.loads(json.dumps(CONFIG).replace('"use_bias"', '"dtype": "bfloat16", "use_bias"'))
    if kind == "keras":
        places = dict(zip(placed("layers/{}/vars/0"), halves, strict=True))
        path = archive({k: v.view("V2") for k, v in places.items()}, config)
    else:
        path = tmp_path / "net.h5"
        with h5py.File(path, "w") as file:
            file.attrs["model_config"] = json.dumps(config)
            for name, half in zip(("dense_7", "dense_8", "dense_9"), halves, strict=True):
                file[f"model_weights/{name}/kernel"] = half.view("V2")
    network = load(path)
    assert network.linear(1).weight.dtype == np.float32
    np.testing.assert_allclose(network(X), wanted, rtol=1e-5)


def test_work_grows_as_the_file(tmp_path):
    def work(n):
        path, calls = tmp_path / "net.h5", 0
        config = {"name": "m", "layers": [dense(f"d{k}", 1) for k in range(n)]}
        with h5py.File(path, "w") as file:
            text = json.dumps({"class_name": "Sequential", "config": config}).encode()
            file.attrs["model_config"] = text
            for k in range(n):
                file[f"model_weights/d{k}/kernel"] = np.ones((1, 1), "f4")

        def count(_frame, event, _what):
            nonlocal calls
            calls += event in ("call", "c_call")

        sys.setprofile(count)
        try:
            load(path)
        finally:
            sys.setprofile(None)
        return calls

    work(10)
    assert work(400) < 4.5 * work(100)


def test_too_many_layers(archive):
    config = {
        "class_name": "Sequential",
        "config": [layer("Dropout", f"d{k}") for k in range(10_001)],
    }
    refuse(archive({}, config), "10001 layers")
