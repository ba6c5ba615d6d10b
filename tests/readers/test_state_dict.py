"""Weights by the names of layers, in safetensors and PyTorch files."""

import builtins
import io
import json
import struct
import warnings

import forked
import numpy as np
import pytest
from safetensors.numpy import save_file

from descrambler.errors import MissingExtraError, WeightFileError
from descrambler.network._network import Activation
from descrambler.readers import load

torch = pytest.importorskip("torch", reason="PyTorch (the extra `torch`) is not installed")
nn = torch.nn

RNG = np.random.default_rng(0)
W1, W2, W3 = (RNG.standard_normal(s).astype("f4") for s in ((5, 6), (5, 5), (4, 5)))
B1, B2 = RNG.standard_normal(5).astype("f4"), RNG.standard_normal(5).astype("f4")
X = RNG.standard_normal((7, 6)).astype("f4")
PLAIN = {"net.0.weight": W1, "net.0.bias": B1, "net.2.weight": W2, "net.10.weight": W3}
NAMES = ["tanh", "relu", "logistic"]


def expected():
    hidden = np.maximum(np.tanh(X @ W1.T + B1) @ W2.T, 0)
    return 1 / (1 + np.exp(-hidden @ W3.T))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    forked.install(monkeypatch)


@pytest.fixture(params=["safetensors", "pt"])
def path(request, tmp_path):
    return tmp_path / f"net.{request.param}"


@pytest.fixture
def pt(tmp_path):
    return tmp_path / "net.pt"


def tensors(arrays):
    return {key: torch.from_numpy(value) for key, value in arrays.items()}


def save(path, arrays):
    if path.suffix == ".pt":
        torch.save(tensors(arrays), path)
    else:
        save_file({key: np.ascontiguousarray(value) for key, value in arrays.items()}, path)


def refuse(path, message, activations=None):
    with pytest.raises(WeightFileError, match=message) as info:
        load(path, activations)
    assert str(path) in str(info.value)


class TestBoth:
    def test_numbered_layers(self, path):
        save(path, PLAIN)
        found = load(path, NAMES)(X)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected(), rtol=1e-6)

    def test_named_layers(self, path):
        save(path, {"out.weight": W3, "middle.weight": W2, "first.weight": W1, "first.bias": B1})
        order = {"first": "tanh", "middle": "relu", "out": "logistic"}
        np.testing.assert_allclose(load(path, order)(X), expected(), rtol=1e-6)

    def test_keys_of_npz(self, path):
        save(path, {"W1": W1, "b1": B1, "W2": W2, "W3": W3})
        np.testing.assert_allclose(load(path, NAMES)(X), expected(), rtol=1e-6)

    def test_a_single_layer(self, path):
        save(path, {"weight": W1, "bias": B1})
        np.testing.assert_allclose(load(path, ["identity"])(X), X @ W1.T + B1, rtol=1e-5)

    def test_told_by_content(self, path, tmp_path):
        save(path, PLAIN)
        other = path.rename(tmp_path / "net.dat")
        assert load(other, NAMES).n_out == 4

    def test_batch_norm(self, path):
        norm = {"running_mean": B1, "running_var": np.abs(B2), "weight": B2, "bias": B1}
        arrays = {"a.weight": W1, **{f"b.{key}": value for key, value in norm.items()}}
        save(path, {**arrays, "b.num_batches_tracked": np.array([3])[0:1], "c.weight": W3})
        scaled = (X @ W1.T - B1) / np.sqrt(np.abs(B2) + 1e-5) * B2 + B1
        before = load(path, {"a": "identity", "b": "tanh", "c": "identity"})
        np.testing.assert_allclose(before(X), np.tanh(scaled) @ W3.T, rtol=2e-5, atol=1e-5)
        after = load(path, {"a": "tanh", "b": "identity", "c": "identity"})
        scaled = (np.tanh(X @ W1.T) - B1) / np.sqrt(np.abs(B2) + 1e-5) * B2 + B1
        np.testing.assert_allclose(after(X), scaled @ W3.T, rtol=2e-5, atol=1e-5)
        refuse(path, "batch norms may stand before or after", ["tanh", "identity"])

    @pytest.mark.parametrize(
        ("arrays", "activations", "message"),
        [
            (PLAIN, None, "one for each of its 3 linear layers"),
            (PLAIN, ["tanh"], "one for each of its 3 linear layers"),
            (PLAIN, {"net.0": "tanh"}, "must name each of net.0, net.10, net.2; got net.0"),
            ({"a.weight": W1}, {"a": "maxout"}, "activations: .*got 'maxout'"),
            ({"a.weight": W1, "b.weight": W3}, {"b": "tanh", "a": "tanh"}, "takes 6 inputs"),
            ({"c.weight": W1[:, :, None]}, ["tanh"], "c: its weight has 3 .* convolution .*capture"),
            ({"n.weight": B1, "n.bias": B1}, ["tanh"], "n: .* a normalization of each sample"),
            ({"a.in_proj_weight": W1}, ["tanh"], "a: not a dense layer; it has in_proj_weight"),
            ({"a.bias": B1}, ["tanh"], r"a\.bias: not a part of a dense layer"),
            ({"table": W1}, ["tanh"], "net.*, table: not a part of a dense layer"),
            ({"a.weight": W1, "mean": B1, "std": B1}, ["tanh"], ", mean, std: not a part .*live"),
            ({"a.weight": W1, "b.weight": B1[:1]}, ["tanh"], "b: .* slopes of a PReLU"),
            ({"a.weight": W1, "loss.weight": B1}, ["tanh"], "loss: .* class weights of a loss"),
            ({"a.weight_g": B1[:, None], "a.weight_v": W1}, ["tanh"], "a: .*remove_weight_norm"),
            ({"a.weight_orig": W1, "a.weight_mask": W1}, ["tanh"], "a: .*prune.remove"),
            ({"a.weight_orig": W1, "a.weight_u": B1}, ["tanh"], "a: .*remove_spectral_norm"),
            (
                {"a.bias": B1, "a.parametrizations.weight.original0": W1},
                ["tanh"],
                "a: a parametrization .*remove_parametrizations",
            ),
            (
                {"a.base_layer.weight": W1, "a.lora_A.default.weight": W1[:2]},
                {"a.base_layer": "tanh"},
                "prefix= reads one part",
            ),
            ({"W1": W1, "b1": B1, "mean": B1}, ["tanh"], "mean"),
            ({"a.weight": W1 * np.float32("nan")}, ["tanh"], "a.weight must be finite"),
            ({"a.weight": W1, "a.bias": W3[0, :3]}, ["tanh"], "bias must have 5 entries"),
            ({"a.weight": W1.astype("i1")}, ["tanh"], "a.weight: int8 weights are quantized"),
            ({}, ["tanh"], "no weights of dense layers"),
        ],
    )  # fmt: skip
    def test_refuses(self, path, arrays, activations, message):
        save(path, arrays)
        refuse(path, message, activations)

    @pytest.mark.parametrize("part", [0.2, 0.6, 0.95])
    def test_truncated(self, path, part):
        save(path, PLAIN)
        whole = path.read_bytes()
        path.write_bytes(whole[: int(part * len(whole))])
        refuse(path, "damaged|no known|not a known format", NAMES)

    def test_one_of_two_towers(self, path):
        towers = {f"{part}.{k}": w for part in ("actor", "critic") for k, w in
                  (("0.weight", W1), ("0.bias", B1), ("2.weight", W2), ("4.weight", W3))}  # fmt: skip
        save(path, towers)
        if path.suffix == ".pt":
            refuse(path, "holds actor and critic, .* two networks .*prefix=", NAMES * 2)
        refuse(path, "prefix= reads one part", {"actor.0": "tanh"})
        np.testing.assert_allclose(load(path, NAMES, prefix="actor")(X), expected(), rtol=1e-6)
        named = dict(zip(["0", "2", "4"], NAMES, strict=True))
        np.testing.assert_allclose(load(path, named, prefix="critic")(X), expected(), rtol=1e-6)
        with pytest.raises(WeightFileError, match="no tensors under prefix='torso'"):
            load(path, NAMES, prefix="torso")

    def test_one_part_of_a_model_in_several_files(self, path):
        path = path.with_name(f"model-00001-of-00002{path.suffix}")
        save(path, PLAIN)
        refuse(path, "part 1 of a model in 2 files", NAMES)
        whole = path.rename(path.with_name(f"model-00001-of-00001{path.suffix}"))
        assert load(whole, NAMES).n_linear == 3


def test_two_towers_that_fit_one_another(tmp_path):
    square = W1.T @ W1
    save(tmp_path / "net.pt", {"one.0.weight": square, "two.0.weight": square})
    refuse(tmp_path / "net.pt", r"one\.0 and two\.0 take 6 inputs each", ["tanh", "tanh"])
    order = {"one.0": "tanh", "two.0": "tanh"}
    assert load(tmp_path / "net.pt", order).n_linear == 2


def test_heads_that_fit_no_chain(tmp_path):
    save(tmp_path / "net.pt", {"body.weight": W1, "a.weight": W3, "b.weight": W2})
    refuse(tmp_path / "net.pt", "b takes 5 inputs, and a before it gives 4.*prefix=", NAMES)


class TestMappings:
    def test_state_dicts(self):
        found = load(tensors(PLAIN), NAMES)
        np.testing.assert_allclose(found(X), expected(), rtol=1e-6)
        found = load({"net": tensors(PLAIN), "epoch": 1}, NAMES, prefix="net")
        np.testing.assert_allclose(found(X), expected(), rtol=1e-6)
        torch.manual_seed(0)
        module = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))
        theirs = module(torch.from_numpy(X)).detach().numpy()
        found = load(module.state_dict(keep_vars=True), ["tanh", "identity"])
        np.testing.assert_allclose(found(X), theirs, rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize("names", ["2 0", "fc2 fc1", "out hidden", "body first", "b.10 b.9"])
    def test_names_against_the_order_of_the_file(self, names):
        square = {f"{name}.weight": W1.T @ W1 for name in names.split()}
        with pytest.raises(WeightFileError, match=r"stands before \S+ in the file"):
            load(tensors(square), ["tanh", "identity"])
        order = dict.fromkeys(names.split(), "tanh")
        assert load(tensors(square), order).n_linear == 2

    @pytest.mark.parametrize("names", ["0 2", "fc9 fc10", "input hidden head", "out.0 out.1"])
    def test_names_in_the_order_of_the_file(self, names):
        square = {f"{name}.weight": W1.T @ W1 for name in names.split()}
        counted = tensors(square) | {"n_averaged": torch.tensor(3)}
        assert load(counted, ["tanh"] * len(square)).n_linear == len(square)

    def test_a_decoder_begins_after_the_end_of_an_encoder(self):
        both = {"encoder.out.weight": W1, "decoder.in.weight": W1.T}
        assert load(tensors(both), ["tanh", "identity"]).n_linear == 2

    @pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
    def test_nested_tensors(self):
        nested = torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)])
        with pytest.raises(WeightFileError, match="n is a nested tensor"):
            load({**tensors(PLAIN), "n": nested}, NAMES)

    def test_refuses(self):
        with pytest.raises(WeightFileError, match="the state dict: holds weights under 'a', 'b'"):
            load({"a": tensors(PLAIN), "b": tensors(PLAIN)}, NAMES)
        with pytest.raises(WeightFileError, match="the state dict: .*activations"):
            load(tensors(PLAIN))

    def test_models_of_keras(self):
        pytest.importorskip("h5py")
        keras = pytest.importorskip("keras")
        model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(5)])
        with pytest.raises(TypeError, match=r"Sequential, a model of Keras; save it with"):
            load(model)

    @pytest.mark.parametrize("source", [io.BytesIO(b"PK"), b"net.pt", {"W1": W1}, {"a": 1}])
    def test_other_sources(self, source):
        with pytest.raises(
            TypeError, match=r"source must be a path.*got (\w+; write its|dict of other values)"
        ):
            load(source, ["tanh"])

    def test_prefix_is_for_state_dicts(self, tmp_path):
        np.savez(tmp_path / "net.npz", W1=W1)
        for source in (tmp_path / "net.npz", nn.Linear(2, 3)):
            with pytest.raises(ValueError, match="prefix must be None: it is for state dicts"):
                load(source, ["tanh"], prefix="a")


class TestSafetensors:
    @pytest.fixture
    def path(self, tmp_path):
        return tmp_path / "net.safetensors"

    def test_order_must_be_known(self, path):
        save(path, {"first.weight": W1, "middle.weight": W2})
        refuse(path, "safetensors keep no order .* it has first, middle", ["tanh", "tanh"])

    @pytest.mark.parametrize("kind", ["F16", "BF16"])
    def test_half_precision_is_read_as_float32(self, path, kind):
        words = W1.view("u4") >> 16 if kind == "BF16" else W1.astype("f2")
        self.write(path, {"a.weight": (kind, W1.shape)}, words.astype("<u2", copy=False)
                   if kind == "BF16" else words)  # fmt: skip
        weight = load(path, ["tanh"]).linear(1).weight
        assert weight.dtype == np.float32
        np.testing.assert_allclose(weight, W1, rtol=0.01)

    @staticmethod
    def write(path, entries, data):
        head, place = {}, 0
        for name, (kind, shape) in entries.items():
            size = int(np.prod(shape)) * {"F16": 2, "BF16": 2, "F32": 4, "F8_E4M3": 1}[kind]
            head[name] = {"dtype": kind, "shape": shape, "data_offsets": [place, place + size]}
            place += size
        text = json.dumps(head).encode()
        path.write_bytes(struct.pack("<Q", len(text)) + text + np.asarray(data).tobytes())

    def test_other_types_are_refused(self, path):
        self.write(path, {"a.weight": ("F8_E4M3", (2, 2))}, np.zeros(4, "u1"))
        refuse(path, "a.weight has the type F8_E4M3", ["tanh"])

    @pytest.mark.parametrize("shape", [(2**31, 2**31), (5, 7), (-1, 6)])
    def test_absurd_sizes(self, path, shape):
        self.write(path, {"a.weight": ("F32", (5, 6))}, W1)
        content = path.read_bytes()
        text = content[8:].replace(b"[5, 6]", json.dumps(shape).encode(), 1)
        length = struct.unpack("<Q", content[:8])[0] + len(json.dumps(shape)) - 6
        path.write_bytes(struct.pack("<Q", length) + text)
        refuse(path, "a damaged safetensors file", ["tanh"])

    def test_without_the_extra(self, path, monkeypatch):
        save(path, PLAIN)
        monkeypatch.setitem(__import__("sys").modules, "safetensors", None)
        with pytest.raises(MissingExtraError, match=r"descrambler\[safetensors\]"):
            load(path, NAMES)


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (builtins.open, (str(self.path), "w"))


class TestTorch:
    @pytest.mark.parametrize("new", [False, True])
    @pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model", "net", "params"])
    def test_checkpoints(self, pt, key, new):
        momentum = {0: {"exp_avg": torch.zeros(5, 6), "step": torch.tensor(3.0)}}
        beside = {
            "epoch": 3,
            "optimizer": {"state": momentum, "param_groups": [{"lr": 0.1}]},
            "loss": torch.tensor(0.1),
            "train_losses": [0.3, 0.2],
            "rng_state": torch.get_rng_state(),
        }
        whole = tensors(PLAIN)
        for content in ({key: whole}, {"run": {key: whole}}, whole):
            torch.save(content | beside, pt, _use_new_zipfile_serialization=new)
            np.testing.assert_allclose(load(pt, NAMES)(X), expected(), rtol=1e-6)

    def test_layers_in_dictionaries(self, pt):
        layers = {
            "first": {"weight": W1, "bias": B1},
            "middle": {"weight": W2},
            "out": {"weight": W3},
        }
        torch.save({"net": {name: tensors(part) for name, part in layers.items()}, "epoch": 1}, pt)
        np.testing.assert_allclose(load(pt, NAMES)(X), expected(), rtol=1e-6)

    def test_a_prefix_chooses_one_of_several(self, pt):
        other = {"0.weight": 2 * W1}
        torch.save({"model": tensors(PLAIN), "ema": {"net": tensors(other)}}, pt)
        refuse(pt, "holds weights under 'model', 'ema.net'; choose one with prefix='model'", NAMES)
        np.testing.assert_allclose(load(pt, NAMES, prefix="model")(X), expected(), rtol=1e-6)
        np.testing.assert_allclose(load(pt, NAMES, prefix="model.net")(X), expected(), rtol=1e-6)
        found = load(pt, {"0": "identity"}, prefix="ema.net.")
        np.testing.assert_allclose(found(X), 2 * X @ W1.T, rtol=1e-5)
        with pytest.raises(
            WeightFileError, match="no tensors under prefix='nets'; .*'ema', 'model'"
        ):
            load(pt, NAMES, prefix="nets")

    @pytest.mark.parametrize(
        "beside",
        [
            {"mean": torch.ones(6)},
            {"input_std": [1.0, 2.0]},
            {"scaler": {"mean": torch.ones(6)}},
            {"x_max": 3.5},
            {"prior": torch.ones(3)},
        ],
    )
    def test_numbers_beside_the_weights(self, pt, beside):
        torch.save({"net": tensors(PLAIN), "epoch": 3} | beside, pt)
        name = next(iter(beside))
        refuse(pt, f"holds '{name}.* beside the weights under 'net', which may belong", NAMES)
        np.testing.assert_allclose(load(pt, NAMES, prefix="net")(X), expected(), rtol=1e-6)

    def test_agrees_with_the_module(self, pt):
        torch.manual_seed(0)
        module = nn.Sequential(nn.Linear(6, 5), nn.SiLU(), nn.Linear(5, 3), nn.Softmax(1))
        torch.save(module.state_dict(), pt)
        theirs = module(torch.from_numpy(X)).detach().numpy()
        np.testing.assert_allclose(load(pt, ["silu", "softmax"])(X), theirs, rtol=1e-5, atol=1e-7)

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_half_precision_is_read_as_float32(self, pt, dtype):
        torch.save({"a.weight": torch.from_numpy(W1).to(dtype)}, pt)
        weight = load(pt, ["tanh"]).linear(1).weight
        assert weight.dtype == np.float32
        np.testing.assert_allclose(weight, W1, rtol=0.01)

    def test_order_is_that_of_the_file(self, pt):
        save(pt, {"z.weight": W1, "y.weight": W2, "x.weight": W3})
        assert [load(pt, NAMES).linear(k).n_in for k in (1, 2, 3)] == [6, 5, 5]

    def test_pickled_objects_are_not_executed(self, pt, tmp_path):
        marker = tmp_path / "executed"
        torch.save({"a.weight": torch.from_numpy(W1), "b": Bomb(marker)}, pt)
        refuse(pt, r"pickled objects \(\S*open\), which could run code", ["tanh"])
        torch.save(nn.Linear(2, 3), pt)
        refuse(
            pt, "pickled objects .*torch.nn.modules.linear.Linear.* save model.state_dict", ["tanh"]
        )
        assert not marker.exists()

    def test_programs(self, pt):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.jit.save(torch.jit.script(nn.Linear(2, 3)), pt)
        refuse(pt, "a TorchScript program", ["tanh"])

    @pytest.mark.parametrize("thing", [[1, 2], torch.zeros(3), "text"])
    def test_other_things(self, pt, thing):
        torch.save(thing, pt)
        refuse(pt, "not a state dict", ["tanh"])

    def test_numbers_repeated_without_end(self, pt):
        torch.save({"a.weight": torch.zeros(1).expand(2**20, 2**20)}, pt)
        refuse(pt, "reading it takes more than 16384 MB", ["tanh"])

    def test_sparse_and_meta_tensors(self, pt):
        torch.save({"a.weight": torch.eye(3).to_sparse()}, pt)
        refuse(pt, "a.weight is sparse", ["tanh"])
        torch.save({"a.weight": torch.zeros(2, 2, device="meta")}, pt)
        refuse(pt, "a.weight is sparse, quantized or empty", ["tanh"])

    def test_old_files(self, pt, tmp_path):
        marker = tmp_path / "executed"
        bomb = {"a.weight": torch.from_numpy(W1), "b": Bomb(marker)}
        torch.save(bomb, pt, _use_new_zipfile_serialization=False)
        refuse(pt, r"pickled objects \(\S*open\), which could run code", ["tanh"])
        assert not marker.exists()

    def test_without_the_extra(self, pt, monkeypatch):
        save(pt, PLAIN)
        monkeypatch.setitem(__import__("sys").modules, "torch", None)
        with pytest.raises(MissingExtraError, match=r"descrambler\[torch\]"):
            load(pt, NAMES)


def test_activation_before_a_batch_norm_is_kept(pt):
    norm = {f"b.{key}": B1**2 for key in ("running_mean", "running_var")}
    save(pt, {"a.weight": W1, **norm, "c.weight": W3})
    network = load(pt, {"a": "relu", "b": "identity", "c": "tanh"})
    assert network.layers[1] == Activation("relu")
