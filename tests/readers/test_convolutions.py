"""Convolutions in one dimension: unrolled, equal to the model's own outputs, or refused by name."""

import io

import forked
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import descrambler as ds
from descrambler.cli import main
from descrambler.errors import WeightFileError
from descrambler.readers import _chain, load
from descrambler.readers._convolution import Convolution

torch = pytest.importorskip("torch")
nn = torch.nn
LENGTH = 23
SETTINGS = [
    {},
    {"stride": 3},
    {"dilation": 2},
    {"padding": 2},
    {"stride": 2, "dilation": 3, "padding": 4},
    {"padding": "same", "dilation": 2},
    {"padding": "valid", "bias": False},
]


def network_of(settings, *between, dtype=torch.float64):
    """A chain of two convolutions and two dense layers, and signals for it."""
    torch.manual_seed(0)
    first = nn.Conv1d(2, 4, 4, **settings)
    chain = nn.Sequential(first, *between, nn.Tanh(), nn.Conv1d(4, 3, 2), nn.ReLU()).eval()
    x = torch.randn(9, 2, LENGTH)
    ends = nn.Flatten(), nn.Linear(chain(x)[0].numel(), 5), nn.Tanh(), nn.Linear(5, 2)
    return nn.Sequential(*chain, *ends).to(dtype).eval(), x.to(dtype)


def outputs(model, x):
    with torch.no_grad():
        return model(x).numpy().reshape(len(x), -1)


def rows(x):
    return x.numpy().reshape(len(x), -1)


class TestModules:
    @pytest.mark.parametrize("settings", SETTINGS)
    def test_computes_the_same(self, settings):
        model, x = network_of(settings)
        network = load(model, input_shape=(2, LENGTH))
        np.testing.assert_allclose(network(rows(x)), outputs(model, x), rtol=1e-12, atol=1e-14)
        with torch.no_grad():
            hidden = model[:2](x)
        after = network.signals(rows(x), 1, "after")
        np.testing.assert_allclose(after, rows(hidden), rtol=1e-12, atol=1e-14)

    def test_length_follows_from_the_dense_layer(self):
        model, x = network_of({"dilation": 2, "padding": 1}, dtype=torch.float32)
        network = load(model)
        assert network.n_in == 2 * LENGTH
        assert network.linears[0].weight.dtype == np.float32
        np.testing.assert_allclose(network(rows(x)), outputs(model, x), rtol=1e-5, atol=1e-6)

    def test_asks_for_the_length_where_several_fit(self):
        model, _ = network_of({"stride": 3, "padding": 1})
        with pytest.raises(WeightFileError, match=r"23 to 25 places.*input_shape=\(2, 25\)"):
            load(model)
        # With padding these compute other things.
        networks = [load(model, input_shape=(2, n)) for n in (23, 24)]
        assert [network.n_in for network in networks] == [46, 48]
        with pytest.raises(WeightFileError, match="takes 21 inputs, but gets 24"):
            load(model, input_shape=(2, 26))

    def test_a_chain_that_ends_in_a_convolution(self):
        model = nn.Sequential(nn.Conv1d(1, 2, 3), nn.Tanh(), nn.Conv1d(2, 1, 3, padding=1))
        with pytest.raises(WeightFileError, match="no dense layer after its convolutions"):
            load(model)
        x = torch.randn(5, 1, 11)
        found = load(model, input_shape=(1, 11))(rows(x))
        np.testing.assert_allclose(found, outputs(model, x), rtol=1e-5, atol=1e-6)

    def test_batch_norms_act_on_channels(self):
        norm = nn.BatchNorm1d(4)
        norm.running_mean += torch.randn(4)
        norm.running_var *= torch.rand(4) + 0.5
        model, x = network_of({}, norm)
        np.testing.assert_allclose(load(model)(rows(x)), outputs(model, x), rtol=1e-12, atol=1e-14)

    def test_rows_that_become_one_channel(self):
        class Rows(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv, self.mean = nn.Conv1d(1, 3, 5), nn.Conv1d(3, 1, 1)
                self.last = nn.Linear(16, 2)

            def forward(self, x):
                signals = torch.relu(self.conv(x.unsqueeze(1)))
                return self.last(self.mean(signals).squeeze(1))

        model, x = Rows(), torch.randn(6, 20)
        network = load(model)
        np.testing.assert_allclose(network(x.numpy()), outputs(model, x), rtol=1e-5, atol=1e-6)

    def test_says_what_was_unrolled(self, tmp_path):
        model, _ = network_of({"stride": 2, "dilation": 3, "padding": 4})
        network = load(model, input_shape=(2, LENGTH))
        (first, second) = network.provenance["convolutions"]
        assert first == {
            "layer": 1, "channels": [2, 4], "places": [23, 11], "kernel": 4, "stride": 2,
            "dilation": 3, "padding": [4, 4],
        }  # fmt: skip
        assert second["layer"] == 2
        assert (
            "linear layer 1 is a convolution, as a matrix from 2 x 23 to 4 x 11" in network.notes[0]
        )
        network.save(tmp_path / "n.npz")
        assert load(tmp_path / "n.npz").provenance == network.provenance

    def test_layers_taken_alone_are_still_convolutions(self, tmp_path):
        model, _ = network_of({}, nn.BatchNorm1d(4))
        network = load(model)
        inputs = np.random.default_rng(0).standard_normal((40, network.n_in))
        network.save(tmp_path / "n.npz")
        size = network.linear(1).n_out
        for layers in (
            network.layers,
            load(tmp_path / "n.npz").layers,
            network.reduce(2).layers,
            network.with_rotation(np.eye(size), 1).layers,
        ):
            ds.Network(layers).save(tmp_path / "taken.npz")
            with pytest.raises(ValueError, match="this network has convolutions"):
                ds.interpret(ds.Network(layers), inputs)
            with pytest.raises(ValueError, match="this network has convolutions"):
                ds.interpret(tmp_path / "taken.npz", inputs)

    @pytest.mark.parametrize(
        ("layers", "message"),
        [
            ([nn.Conv1d(2, 4, 3, groups=2)], r"'0' \(Conv1d.*only convolutions with groups=1"),
            ([nn.Conv1d(2, 4, 3, padding=1, padding_mode="circular")], "'0'.*not 'circular'"),
            ([nn.Conv1d(2, 4, 3), nn.MaxPool1d(2)], r"'1' \(MaxPool1d"),
            ([nn.Conv1d(2, 4, 3), nn.AdaptiveAvgPool1d(1)], r"'1' \(AdaptiveAvgPool1d"),
            ([nn.Conv1d(2, 4, 3), nn.ConvTranspose1d(4, 2, 3)], "'1'.*not ConvTranspose1d"),
            ([nn.Conv1d(2, 4, 3), nn.Softmax(dim=1)], "does not compute what the model computes"),
            ([nn.Conv1d(2, 4, 3), nn.PReLU(4, init=0.1), nn.GroupNorm(2, 4)], "GroupNorm"),
            ([nn.Conv1d(2, 4, 30)], "reaches over 30 places, but the signals have 23"),
            ([nn.Linear(46, 8), nn.Conv1d(1, 2, 3)], "but gets rows"),
        ],
    )  # fmt: skip
    def test_refuses_by_name(self, layers, message):
        with pytest.raises(WeightFileError, match=message):
            load(nn.Sequential(*layers, nn.Flatten()), input_shape=(2, LENGTH))

    def test_refuses_two_dimensions(self):
        with pytest.raises(WeightFileError, match="only Conv1d is read, not Conv2d"):
            load(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(2, 2)))

    def test_refuses_matrices_that_are_too_large(self, monkeypatch):
        monkeypatch.setattr(_chain, "MAX_ENTRIES", 4_000)
        model, _ = network_of({})
        with pytest.raises(WeightFileError, match="entries; at most 4000 are made.*capture"):
            load(model)

    def test_shapes_are_for_modules(self, tmp_path):
        for source in (tmp_path / "net.onnx", {"a.weight": np.eye(2)}):
            with pytest.raises(ValueError, match="input_shape must be None"):
                load(source, input_shape=(1, 2))
        for shape in ((1, 2, 3), 23, (2, 23.5), ()):
            with pytest.raises(WeightFileError, match="must be .channels, places.*got"):
                load(network_of({})[0], input_shape=shape)
        for shape in ((1, 46), (47,)):
            with pytest.raises(WeightFileError, match="must have 2 channels.*got"):
                load(network_of({})[0], input_shape=shape)


def onnx_file(path, weight, bias, shape, last=None, **options):
    """A Conv, a Relu, and what follows it."""
    takes = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    gives = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], name="conv", **options),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("Flatten", ["r"], ["f"]),
        last or helper.make_node("Tanh", ["f"], ["y"]),
    ]
    tensors = [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(bias, "b")]
    graph = helper.make_graph(nodes, "g", [takes], [gives], tensors)
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)


class TestOnnx:
    @pytest.fixture(autouse=True)
    def quick(self, monkeypatch):
        forked.install(monkeypatch)

    @pytest.fixture
    def weights(self):
        rng = np.random.default_rng(1)
        return rng.standard_normal((3, 2, 4)).astype("f4"), rng.standard_normal(3).astype("f4")

    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"strides": [3]},
            {"dilations": [2], "pads": [3, 1]},
            {"auto_pad": "SAME_UPPER", "strides": [2]},
            {"auto_pad": "SAME_LOWER"},
            {"auto_pad": "VALID", "kernel_shape": [4]},
        ],
    )
    def test_agrees_with_onnx_runtime(self, tmp_path, weights, options):
        onnx_file(tmp_path / "n.onnx", *weights, ("n", 2, LENGTH), **options)
        network = load(tmp_path / "n.onnx", verify=True)
        assert "verified" in network.notes[0]
        assert network.n_in == 2 * LENGTH

    @pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the exporter
    def test_as_pytorch_exports_it(self, tmp_path):
        model, x = network_of({"stride": 2, "padding": 1}, dtype=torch.float32)
        content = io.BytesIO()
        torch.onnx.export(model, (x,), content, dynamo=False, dynamic_axes={"input": {0: "n"}}, input_names=["input"])  # fmt: skip
        (tmp_path / "n.onnx").write_bytes(content.getvalue())
        found = load(tmp_path / "n.onnx", verify=True)(rows(x))
        np.testing.assert_allclose(found, outputs(model, x), rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize(
        ("shape", "options", "message"),
        [
            (("n", 2, LENGTH), {"group": 2}, r"'conv' \(Conv\): .*group=1"),
            (("n", 2, "length"), {}, "'conv'.*does not declare how long"),
            (("n", 2, "length"), {"auto_pad": "SAME_UPPER"}, "'conv'.*does not declare how long"),
            (("n", 2, LENGTH), {"auto_pad": "VALID", "pads": [1, 1]}, "padding is given twice"),
            (
                ("n", 2, LENGTH),
                {"kernel_shape": [5]},
                r"kernel_shape \[5\] is not that of its weight, 4",
            ),
            (("n", 2, LENGTH), {"strides": [1, 1]}, r"strides \[1, 1\] do not go with 1 dimension"),
            (("n", 3, LENGTH), {}, r"'conv'.*\(samples, 2, places\), but gets"),
        ],
    )
    def test_refuses(self, tmp_path, weights, shape, options, message):
        onnx_file(tmp_path / "n.onnx", *weights, shape, **options)
        with pytest.raises(WeightFileError, match=message):
            load(tmp_path / "n.onnx")

    def test_refuses_two_dimensions_and_pools(self, tmp_path, weights):
        onnx_file(tmp_path / "n.onnx", np.ones((3, 2, 2, 2), "f4"), weights[1], ("n", 2, 5, 5))
        with pytest.raises(
            WeightFileError, match="only convolutions in 1 dimension are read, not in 2"
        ):
            load(tmp_path / "n.onnx")
        pool = helper.make_node("GlobalMaxPool", ["f"], ["y"], name="pool")
        onnx_file(tmp_path / "n.onnx", *weights, ("n", 2, LENGTH), last=pool)
        with pytest.raises(WeightFileError, match=r"'pool' \(GlobalMaxPool\): not a dense layer"):
            load(tmp_path / "n.onnx")


class TestEvidence:
    """Nulls that redraw matrices have no bands, so that bands would look like learning."""

    def network(self, seed=0):
        torch.manual_seed(seed)
        return load(nn.Sequential(nn.Conv1d(1, 2, 3), nn.Tanh(), nn.Flatten(), nn.Linear(20, 3)))

    def test_needs_fresh_networks(self):
        x = np.random.default_rng(0).standard_normal((60, 12))
        for initial in (None, self.network(1)):
            with pytest.raises(ValueError, match="initial must be a function.*convolutions"):
                ds.interpret(self.network(), x, initial, nulls=20)
        weights = [self.network(seed) for seed in range(3)]
        low_rank = [d for d in ds.evidence.detectors.DETECTORS if "rank" in d.name]
        study = ds.interpret(
            weights[0], x, lambda seed: weights[1 + seed % 2], nulls=20, detectors=low_rank
        )
        assert study.findings
        assert not [f for f in study.findings if f.verdict in ("learnt", "present")]

    def test_the_command_says_what_it_cannot_do(self, tmp_path, capsys):
        self.network().save(tmp_path / "net.npz")
        np.save(tmp_path / "x.npy", np.random.default_rng(0).standard_normal((60, 12)))
        paths = [str(tmp_path / name) for name in ("net.npz", "x.npy", "out")]
        assert main(["interpret", paths[0], "--inputs", paths[1], "-o", paths[2]]) == 2
        assert (
            "NET has convolutions" in (text := capsys.readouterr().err) and "--initial" not in text
        )

    def test_an_ensemble_needs_untrained_weights(self):
        x = np.random.default_rng(0).standard_normal((60, 12))
        networks = [self.network(seed) for seed in range(2)]
        with pytest.raises(
            ValueError, match="must bring their untrained weights.*initial=untrained"
        ):
            ds.ensemble(networks, x)
        start = self.network(5)
        given = [ds.Network(n.layers, start, provenance=n.provenance) for n in networks]
        assert ds.ensemble(given, x).trained
        with pytest.raises(ValueError, match="initial must be a function"):
            ds.interpret(given[0], x, nulls=20)

    def test_is_not_refitted(self):
        x = np.ones((60, 12))
        with pytest.raises(ValueError, match="must be of dense layers"):
            ds.refit_controls(self.network(), x, x[:, :3])


def test_lengths_undo_places():
    convolution = Convolution(np.ones((1, 1, 3)), None, 3, 2, (1, 2))
    for places in (1, 4):
        low, high = convolution.lengths(places, places)
        assert {convolution.places(n) for n in range(low, high + 1)} == {places}
        assert convolution.places(high + 1) == places + 1
