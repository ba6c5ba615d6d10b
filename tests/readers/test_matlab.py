"""MATLAB files: numbers in any type, processing, layers of the toolbox, nothing left out in silence."""

from pathlib import Path

import forked
import numpy as np
import pytest
from scipy.io import savemat
from scipy.sparse import csc_matrix

from descrambler.errors import WeightFileError
from descrambler.network._network import Activation, Linear, Network
from descrambler.readers import _mat, _mat_child, _series, load
from descrambler.readers._build import Reading, floating

RNG = np.random.default_rng(5)
W1 = np.array([[1.0, 2, 0], [0, 1, 3], [2, 0, 1], [1, 1, 1]])
B1 = np.array([0.0, 1, 2, 3])
W2, B2 = np.array([[1.0, 0, 2, 1], [3, 1, 0, 2]]), np.array([5.0, 7])
X = RNG.uniform(0, 9, (20, 3))
DTYPES = ["u1", "i1", "i2", ">i2", "u2", "i4", ">f4", "f4", ">f8", "f8"]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    forked.install(monkeypatch)


@pytest.fixture
def matfile(tmp_path):
    return tmp_path / "net.mat"


def cells(*rows):
    out = np.empty((len(rows), len(rows[0])), object)
    for index in np.ndindex(out.shape):
        value = rows[index[0]][index[1]]
        out[index] = np.zeros((0, 0)) if value is None else value
    return out


def column(values):
    return np.asarray(values)[:, None]


def side(*functions):
    """One side of a network: pairs of a name and settings."""
    names, settings = zip(*functions, strict=True) if functions else ((), ())
    return {"processFcns": cells(list(names)), "processSettings": cells(list(settings))}


def net(inputs=(), outputs=(), functions=("tansig", "purelin"), **fields):
    return {
        "IW": cells([W1], [None]),
        "LW": cells([None, None], [W2, None]),
        "b": cells([column(B1)], [column(B2)]),
        "layers": cells(*([{"transferFcn": name}] for name in functions)),
        "inputs": cells([side(*inputs)]),
        "outputs": cells([None, side(*outputs)]),
        **fields,
    }


def refuse(path, message, activations=None):
    with pytest.raises(WeightFileError, match=message):
        load(path, activations)


class TestNumbers:
    """What a number is stored in takes no part in arithmetic."""

    @staticmethod
    def places(value, path=()):
        """Yield where the arrays of numbers lie in nested structs and cells."""
        if isinstance(value, dict):
            for key, part in value.items():
                yield from TestNumbers.places(part, (*path, key))
        elif isinstance(value, np.ndarray) and value.dtype == object:
            for index in np.ndindex(value.shape):
                yield from TestNumbers.places(value[index], (*path, index))
        elif isinstance(value, np.ndarray | float) and np.size(value):
            yield path

    @staticmethod
    def put(value, path, change):
        for step in path[:-1]:
            value = value[step]
        value[path[-1]] = change(value[path[-1]])

    def network(self):
        minmax = {"gain": column([0.0, 1, 2]), "xoffset": column([3.0, 0, 7]), "ymin": 2.0}
        minmax["gain"][0] = 1
        std = {"gain": column([2.0, 4]), "xoffset": column([1.0, 100]), "ymean": 3.0}
        return net([("mapminmax", minmax)], [("mapstd", std)], ("poslin", "purelin"))

    def test_each_array_in_turn_and_all(self, matfile):
        savemat(matfile, {"net": self.network()})
        want = load(matfile)(X)
        scaled = (X - [3, 0, 7]) * [1, 1, 2] + 2
        y = np.maximum(scaled @ W1.T + B1, 0) @ W2.T + B2
        np.testing.assert_allclose(want, (y - 3) / [2, 4] + [1, 100], rtol=1e-12)
        for dtype in DTYPES:
            paths = list(self.places(self.network()))
            assert len(paths) == 10
            for chosen in [*([path] for path in paths), paths]:
                changed = self.network()
                for path in chosen:
                    self.put(changed, path, lambda v, t=dtype: np.asfortranarray(v, dtype=t))
                savemat(matfile, {"net": changed})
                np.testing.assert_allclose(load(matfile)(X), want, rtol=1e-5, err_msg=str(chosen))

    def test_negative_range_of_whole_numbers(self, matfile):
        minmax = {"gain": column([0.5, 1, 2]), "xoffset": column([3, 0, 200]).astype("u1")}
        for ymin in (np.int16(-1), np.int8(-1), -0.9, 0.1):
            savemat(matfile, {"net": net([("mapminmax", {**minmax, "ymin": ymin})])})
            scaled = (X - [3, 0, 200]) * [0.5, 1, 2] + float(ymin)
            np.testing.assert_allclose(load(matfile)(X), np.tanh(scaled @ W1.T + B1) @ W2.T + B2)

    @pytest.mark.parametrize("dtype", [*DTYPES, "f2", ">f2", "?"])
    def test_floating(self, dtype):
        array = np.asfortranarray([[0, 1, 1], [1, 0, 1]], dtype=dtype)
        found = floating(array)
        small = np.dtype(dtype).kind == "f" and np.dtype(dtype).itemsize <= 4
        assert found.dtype == (np.float32 if small else np.float64)
        np.testing.assert_array_equal(found, array)

    @pytest.mark.parametrize("dtype", [*DTYPES, "f2", ">f2"])
    def test_weights_alone(self, matfile, dtype):
        arrays = {"W1": W1, "b1": B1, "W2": W2, "b2": B2}
        want = np.tanh(X @ W1.T + B1) @ W2.T + B2
        for chosen in [*([name] for name in arrays), list(arrays)]:
            stored = {
                k: np.asfortranarray(v, dtype=dtype) if k in chosen else v
                for k, v in arrays.items()
            }
            paths = [matfile.with_suffix(".npz")] + ([matfile] if "f2" not in dtype else [])
            np.savez(paths[0], **stored)
            savemat(paths[-1], stored) if len(paths) > 1 else None
            for path in paths:
                network = load(path, ["tanh", "identity"])
                np.testing.assert_allclose(network(X), want, rtol=1e-5)


class TestWhatIsNoArray:
    """Sparse matrices, which SciPy returns in another class, and files that it could read."""

    def test_sparse_weights_and_biases(self, matfile):
        weight, bias = np.round(RNG.standard_normal((3, 4))), np.array([[0.0], [2.0], [0.0]])
        for sparse in ({"W1"}, {"b1"}, {"W1", "b1"}):
            arrays = {"W1": weight, "b1": bias}
            savemat(matfile, arrays | {key: csc_matrix(arrays[key]) for key in sparse})
            network = load(matfile, ["identity"])
            np.testing.assert_array_equal(network.linear(1).weight, weight)
            np.testing.assert_array_equal(network.linear(1).bias, bias[:, 0])

    def test_sparse_numbers_that_are_not_known(self, matfile):
        savemat(matfile, {"W1": np.eye(3), "mu": csc_matrix(np.eye(3))})
        refuse(matfile, "holds mu beside", ["tanh"])

    def test_too_many_zeros(self):
        with pytest.raises(MemoryError):
            _mat_child.full(csc_matrix((2**20, 2**20)))

    def test_matlab_4(self, matfile):
        savemat(matfile, {"W1": np.eye(3)}, format="4")
        refuse(matfile, "a file of MATLAB 4: load it in MATLAB", ["tanh"])


class TestProcessing:
    KEEP = {"xrows": 5.0, "yrows": 3.0, "keep": np.array([[1, 3, 4]], "u1")}
    REMOVE = {"xrows": 5.0, "yrows": 3.0, "remove": np.array([[2, 5]], "u1")}
    WIDE = RNG.uniform(0, 9, (20, 5))

    @pytest.mark.parametrize("settings", [KEEP, REMOVE])
    def test_constant_rows_of_the_inputs(self, matfile, settings):
        minmax = {"gain": column([1.0, 2, 3]), "xoffset": column([0.0, 1, 2]), "ymin": -1.0}
        inputs = [("removeconstantrows", settings), ("mapminmax", minmax)]
        savemat(matfile, {"net": net(inputs)})
        kept = self.WIDE[:, [0, 2, 3]]
        scaled = (kept - [0, 1, 2]) * [1, 2, 3] - 1
        network = load(matfile)
        assert network.n_in == 5
        np.testing.assert_allclose(network(self.WIDE), np.tanh(scaled @ W1.T + B1) @ W2.T + B2)

    @pytest.mark.parametrize("functions", [("tansig", "purelin"), ("tansig", "logsig")])
    def test_constant_rows_of_the_outputs(self, matfile, functions):
        rows = {"xrows": 4.0, "yrows": 2.0, "keep": [[2, 4]], "value": column([9.0, -1])}
        std = {"gain": column([0.5, 4]), "xoffset": column([1.0, 100]), "ymean": 0.0}
        outputs = [("removeconstantrows", rows), ("mapstd", std)]
        savemat(matfile, {"net": net((), outputs, functions)})
        y = np.tanh(X @ W1.T + B1) @ W2.T + B2
        y = 1 / (1 + np.exp(-y)) if functions[1] == "logsig" else y
        y = y / [0.5, 4] + [1, 100]
        want = np.stack([np.full(20, 9), y[:, 0], np.full(20, -1), y[:, 1]], axis=1)
        np.testing.assert_allclose(load(matfile)(X), want)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"keep": np.array([[1, 3, 6]])}, "keep must be different rows from 1 to 5"),
            ({"keep": np.array([[1, 3, 3]])}, "keep must be different rows"),
            ({"keep": np.array([[0, 1, 2]])}, "keep must be different rows"),
            ({"keep": np.array([[1, 2]])}, "yrows must be 2"),
            ({"xrows": 2.0**40}, "xrows must be a number of rows"),
            ({"keep": np.array([[1, 2]]), "yrows": 2.0}, "keeps 2 rows, where 3 are taken"),
        ],
    )
    def test_damaged_rows(self, matfile, change, message):
        savemat(matfile, {"net": net([("removeconstantrows", {**self.KEEP, **change})])})
        refuse(matfile, message)

    def test_all_fields_that_matlab_writes(self, matfile):
        low, high = np.array([1.0, 2, 3]), np.array([5.0, 4, 9])
        usual = {"xrows": 3.0, "yrows": 3.0, "name": "mapminmax", "no_change": False}
        usual |= {"xmin": column(low), "xmax": column(high), "xrange": column(high - low)}
        usual |= {"ymin": -1.0, "ymax": 1.0, "yrange": 2.0}
        usual |= {"xoffset": column(low), "gain": column(2 / (high - low))}
        rows = {"max_range": 0.0, "keep": [[1.0, 2, 3]], "remove": np.zeros((1, 0)), "value": []}
        rows |= {"xrows": 3.0, "yrows": 3.0, "constants": [], "no_change": True}
        inputs = [("removeconstantrows", rows), ("mapminmax", usual)]
        outputs = [("mapminmax", usual | {"no_change": True})]
        savemat(matfile, {"net": net(inputs, outputs)})
        scaled = 2 * (X - low) / (high - low) - 1
        np.testing.assert_allclose(load(matfile)(X), np.tanh(scaled @ W1.T + B1) @ W2.T + B2)

    def test_outputs_without_their_constants(self, matfile):
        rows = {"xrows": 4.0, "yrows": 2.0, "keep": [[2, 4]]}
        savemat(matfile, {"net": net((), [("removeconstantrows", rows)])})
        refuse(matfile, "bias must be finite")

    def test_sizes_that_do_not_fit(self, matfile):
        minmax = {"gain": column([1.0, 2]), "xoffset": column([0.0, 1]), "ymin": -1.0}
        savemat(matfile, {"net": net([("mapminmax", minmax)])})
        refuse(matfile, r"inputs\{1,1\}: 2 numbers do not fit rows of 3 entries")

    def test_gain_of_zero(self, matfile):
        minmax = {"gain": column([0.0, 2]), "xoffset": column([0.0, 1]), "ymin": -1.0}
        savemat(matfile, {"net": net((), [("mapminmax", minmax)])})
        refuse(matfile, r"outputs\{1,2\}: .*finite")

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"inputWeights": cells([{"weightFcn": "dist"}])}, "weightFcn: 'dist' is not supp"),
            ({"inputWeights": cells([{"delays": np.arange(2.0)}])}, "delays are not supported"),
            ({"layerWeights": cells([None, None], [{"weightFcn": "negdist"}, None])}, "negdist"),
        ],
    )
    def test_other_sums(self, matfile, fields, message):
        savemat(matfile, {"net": net(**fields)})
        refuse(matfile, message)


class TestAccount:
    """Every number is used, known to be harmless, or refused by name."""

    def test_usual_fields(self, matfile):
        fields = {
            "numInputs": 1.0, "numLayers": 2.0, "biasConnect": column([1, 1]), "sampleTime": 1.0,
            "inputConnect": column([1, 0]), "trainParam": {"epochs": 1000.0}, "performFcn": "mse",
            "biases": cells([{"size": 4.0}], [{"size": 2.0}]), "userdata": {"note": "x"},
            "inputWeights": cells([{"delays": 0.0, "weightFcn": "dotprod", "size": [4.0, 3]}]),
            "revert": {"IW": cells([W1], [None])}, "adaptParam": {"passes": 1.0},
        }  # fmt: skip
        savemat(matfile, {"net": net(**fields), "tr": {"perf": [1.0]}, "mu": B1})
        assert load(matfile).notes == ("not used: mu, tr",)

    @pytest.mark.parametrize(
        "fields",
        [
            {"mu": B1},
            {"scale": {"gain": 2.0}},
            {"W3": W1},
            {"inputs": {"processSettings": cells([{"gain": 2.0}])}},
            {"inputs": cells([{"processSettings": cells([{"gain": 2.0}])}])},
            {"outputs": cells([side(("mapstd", {"gain": 2.0, "xoffset": 1.0, "ymean": 0.0}))])},
        ],
    )
    def test_of_a_struct(self, matfile, fields):
        savemat(matfile, {"net": net() | fields})
        refuse(matfile, rf"net\.{next(iter(fields))}.*: not known what it does in the network")

    def test_of_cells(self, matfile):
        parts = {key: net()[key] for key in ("IW", "LW", "b")}
        savemat(matfile, {**parts, "x": X, "note": "text"})
        notes = load(matfile, ["tanh", "identity"]).notes
        assert notes[0] == "not used: x"
        assert "mapminmax" in notes[1]
        savemat(matfile, {**parts, "ps": {"gain": 2.0}})
        refuse(matfile, r"holds ps.gain beside the weights", ["tanh", "identity"])


class Opaque:
    def __init__(self, classname, properties):
        self.classname, self.properties = classname, properties


Opaque.__name__ = "MatlabOpaque"  # the flattener goes by the name


def name(text, **fields):
    return {"Name": np.array([text]), "Version": np.array([[2.0]]), **fields}


def full(text, weight, bias, n_in=None):
    sizes = {
        "InputSize": np.array([[n_in or weight.shape[1]]]),
        "OutputSize": np.array([[bias.size]]),
    }
    return name(text, **sizes, **{"Weights.Value": weight, "Bias.Value": bias})


def image(n, **fields):
    sizes = {"InputSize": np.array([[1, 1, n]]), "Normalization": np.zeros((0, 0))}
    return name("imageinput", **sizes) | fields


LOSS = name("out", LossFunction=np.array(["mse"]), ResponseNames=np.array(["y"]), N=np.ones(3))


def series(monkeypatch, *layers, **fields):
    """Load a SeriesNetwork as mat-io hands it out."""
    objects = np.empty((len(layers), 1), object)
    objects[:, 0] = [Opaque("nnet.cnn.layer.Layer", layer) for layer in layers]
    out = {}
    _mat_child.flatten("net", Opaque("SeriesNetwork", {"Layers": objects, **fields}), out)
    monkeypatch.setattr(_mat, "read_matlab", lambda path: out)
    return _mat.read(Path("net.mat"))


class TestSeries:
    DEEP = np.asfortranarray(W1.T.reshape(1, 1, 3, 4))

    def layers(self, first, *between):
        return (first, full("fc_1", self.DEEP, B1.reshape(1, 1, 4), 3), *between, LOSS)

    def test_images_of_one_pixel(self, monkeypatch):
        last = full("fc_2", W2[0].reshape(1, 1, 4), B2[:1].reshape(1, 1, 1), 4)
        layers = self.layers(image(3), name("tanh_1"), last)
        network = series(monkeypatch, *layers)
        np.testing.assert_allclose(network(X), np.tanh(X @ W1.T + B1) @ W2[:1].T + B2[:1])

    def test_images_of_more_pixels(self, monkeypatch):
        with pytest.raises(WeightFileError, match="images of 2 x 3 pixels"):
            series(monkeypatch, image(3), full("fc", np.ones((2, 3, 1, 4)), B1, 6), LOSS)

    @pytest.mark.parametrize(
        ("layer", "activation"),
        [
            (name("relu_1"), Activation("relu")),
            (name("relu"), Activation("relu")),
            (name("tanh_12"), Activation("tanh")),
            (name("softmax"), Activation("softmax")),
            (name("sigmoid"), Activation("logistic")),
            (name("leakyrelu_1", Scale=np.array([[0.2]])), Activation("leaky_relu", 0.2)),
            (name("clippedrelu", Ceiling=np.array([[6.0]])), Activation("relu6")),
            (name("elu_1", Alpha=np.array([[1.0]])), Activation("elu")),
        ],
    )
    def test_activations(self, monkeypatch, layer, activation):
        network = series(monkeypatch, *self.layers(image(3), layer))
        assert network.layers[1:] == (activation,)

    def test_dropout(self, monkeypatch):
        layer = name("dropout_1", Probability=np.array([[0.5]]))
        assert len(series(monkeypatch, *self.layers(image(3), layer)).layers) == 1

    @pytest.mark.parametrize(
        ("layer", "message"),
        [
            (name("relu_1", Gain=np.ones(3)), "unknown type"),
            (name("my layer"), "unknown type"),
            (name("clippedrelu", Ceiling=np.array([[10.0]])), "Ceiling must be 6"),
            (name("elu", Alpha=np.array([[0.5]])), "Alpha must be 1"),
            (
                name("SP", Type=np.array(["SoftplusLayer"]), Beta=np.array([[2.0]])),
                "Beta: not known",
            ),
        ],
    )
    def test_other_layers(self, monkeypatch, layer, message):
        with pytest.raises(WeightFileError, match=message):
            series(monkeypatch, *self.layers(image(3), layer))

    MEAN, LOW, HIGH = np.array([1.0, 2, 3]), np.array([0.0, -1, 2]), np.array([4.0, 1, 10])

    @pytest.mark.parametrize(
        ("kind", "numbers", "scaled"),
        [
            ("zerocenter", {"Mean": MEAN}, X - MEAN),
            ("zscore", {"Mean": MEAN, "StandardDeviation": HIGH}, (X - MEAN) / HIGH),
            ("rescale-symmetric", {"Min": LOW, "Max": HIGH}, 2 * (X - LOW) / (HIGH - LOW) - 1),
            ("rescale-zero-one", {"Min": LOW, "Max": HIGH}, (X - LOW) / (HIGH - LOW)),
            ("none", {"Mean": MEAN}, X),
        ],
    )
    @pytest.mark.parametrize("place", ["object", "text"])
    def test_normalization(self, monkeypatch, kind, numbers, scaled, place):
        deep = {key: value.reshape(1, 1, 3) for key, value in numbers.items()}
        if place == "object":
            told = {"Type": np.array([kind]), **deep}
            first = image(3, Normalization=Opaque("nnet.internal.Normalization", told))
        else:
            first = image(3, Normalization=np.array([kind]), **deep)
        network = series(monkeypatch, *self.layers(first))
        np.testing.assert_allclose(network(X), scaled @ W1.T + B1)

    @pytest.mark.parametrize(
        ("told", "message"),
        [
            ({"Type": np.array(["zerocenter"])}, "its Mean is not in the file"),
            ({"Type": np.array(["zerocenter"]), "Mean": np.zeros((0, 0))}, "its Mean is not in"),
            ({"Type": np.array(["zerocenter"]), "Mean": np.ones(2)}, "takes 3 inputs, but gets 2"),
            ({"Type": np.array(["whiten"])}, "this normalization is not supported"),
            ({"Mean": np.ones(3)}, "Normalization.Mean is a normalization without a type"),
            (
                {"Type": np.array(["zscore"]), "Mean": MEAN, "StandardDeviation": np.zeros(3)},
                "does not vary",
            ),
        ],
    )
    def test_normalization_that_is_not_known(self, monkeypatch, told, message):
        first = image(3, Normalization=Opaque("nnet.internal.Normalization", told))
        with pytest.raises(WeightFileError, match=message):
            series(monkeypatch, *self.layers(first))

    @pytest.mark.parametrize(
        "extra", [{"PrototypeWeights": W1}, {"Connections": np.array([[1.0, 2]])}]
    )
    def test_numbers_that_are_not_known(self, monkeypatch, extra):
        with pytest.raises(WeightFileError, match=f"net.{next(iter(extra))}: not known what"):
            series(monkeypatch, *self.layers(image(3)), **extra)

    def test_sizes_that_are_told(self, monkeypatch):
        with pytest.raises(WeightFileError, match=r"has shape \(4, 3\), where \(4, 6\) are told"):
            series(monkeypatch, image(3), full("fc", W1, B1, 6), LOSS)

    @pytest.mark.parametrize("dtype", ["u1", "i2", ">f4", "f8"])
    def test_numbers_in_any_type(self, dtype):
        arrays = {}
        parts = {"TrainedMean": B1, "TrainedVariance": B1, "Scale.Value": B1, "Offset.Value": B1}
        norm = name("norm", Epsilon=np.array([[1.0]]), **parts)
        layers = [full("fc", W1, B1), norm]
        for k, layer in enumerate(layers, 1):
            for key, value in layer.items():
                stored = value.astype(dtype) if value.dtype.kind == "f" else value
                arrays[f"net.Layers{{{k},1}}.{key}"] = stored
        chain = _series.chain(Path("net.mat"), arrays, Reading("net.mat", arrays), "net")
        want = B1 * (X @ W1.T + B1 - B1) / np.sqrt(B1 + 1) + B1
        np.testing.assert_allclose(Network(chain.layers())(X), want, rtol=1e-5)
        assert isinstance(chain.layers()[0], Linear)
