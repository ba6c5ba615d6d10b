"""ONNX files: what is read agrees with onnxruntime, and what is no chain is refused."""

from pathlib import Path

import forked
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from descrambler.errors import MissingExtraError, WeightFileError
from descrambler.network._network import Activation
from descrambler.readers import load

DATA = Path(__file__).parents[1] / "data"
RNG = np.random.default_rng(0)
W1, W2 = RNG.standard_normal((5, 6)).astype("f4"), RNG.standard_normal((4, 5)).astype("f4")
B1, B2 = RNG.standard_normal(5).astype("f4"), RNG.standard_normal(4).astype("f4")
V = RNG.uniform(0.5, 2, (4, 5)).astype("f4")
X = RNG.standard_normal((7, 6)).astype("f4")


def op(kind, *inputs, name="", **options):
    """An operation on the value before it ("x"), unless inputs are named."""
    return kind, inputs, name, options


def model(steps, constants, shape=("batch", 6), opset=17, inputs=None, outputs=None):
    """A chain of steps: each takes "x" (the value before it) and constants by name."""
    nodes, value = [], "input"
    for k, (kind, inputs_, name, options) in enumerate(steps):
        names = [value if given == "x" else given for given in (inputs_ or ("x",))]
        value = name or f"v{k}"
        nodes.append(helper.make_node(kind, names, [value], name=f"node{k}", **options))
    tensors = [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()]
    takes = inputs or [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)]
    gives = outputs or [helper.make_tensor_value_info(value, TensorProto.FLOAT, None)]
    graph = helper.make_graph(nodes, "g", takes, gives, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    forked.install(monkeypatch)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.onnx"


def check(path, made=None, x=X):
    """Compare with onnxruntime; return the network."""
    if made is not None:
        onnx.save(made, path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options)
    (expected,) = session.run(None, {session.get_inputs()[0].name: x})
    network = load(path)
    found = network(x.reshape(len(x), -1))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=2e-6)
    return network


GEMM = op("Gemm", "x", "W1", "b1", transB=1)
LAST = op("Gemm", "x", "W2", "b2", transB=1)
CONSTANTS = {"W1": W1, "b1": B1, "W2": W2, "b2": B2}


class TestAgreesWithOnnxruntime:
    @pytest.mark.parametrize("name", ["torch_dynamo", "torch_script"])
    def test_on_what_pytorch_exports(self, name):
        network = check(DATA / f"{name}.onnx", x=X[:2])
        kinds = [layer for layer in network.layers if isinstance(layer, Activation)]
        slope = Activation("leaky_relu", 0.2)
        assert kinds == [Activation("silu"), Activation("gelu"), slope, Activation("softplus")]

    @pytest.mark.parametrize(
        "first",
        [
            GEMM,
            op("Gemm", "x", "W1T", "b1", alpha=0.5, beta=2.0),
            op("Gemm", "x", "W1T"),
            op("Gemm", "x", "W1T", "row", beta=0.5),
            op("Gemm", "x", "W1T", "one"),
            op("MatMul", "x", "W1T"),
        ],
    )
    def test_on_dense_layers(self, path, first):
        more = {"W1T": W1.T.copy(), "row": B1[None], "one": np.float32([2])}
        check(path, model([first, op("Tanh"), LAST], CONSTANTS | more))

    @pytest.mark.parametrize(
        "step",
        [
            op("Add", "x", "b1"),
            op("Add", "b1", "x"),
            op("Sub", "x", "b1"),
            op("Mul", "x", "u0"),
            op("Mul", "half", "x"),
            op("Div", "x", "u0"),
            op("Add", "x", "row"),
            op("BatchNormalization", "x", "u0", "b1", "b1", "u1", epsilon=0.01),
        ],
    )
    @pytest.mark.parametrize("place", [0, 1, 2])
    def test_on_affine_maps(self, path, step, place):
        more = {"u0": V[0], "u1": V[1], "half": np.float32(0.5), "row": B1[None]}
        if place == 0:  # before the first layer
            more |= {"b1": np.append(B1, 0.7).astype("f4"), "u0": np.append(V[0], 1).astype("f4")}
            more |= {"u1": np.append(V[1], 2).astype("f4"), "row": X[:1]}
            steps = [step, op("Gemm", "x", "W1", transB=1), op("Tanh"), LAST]
        elif place == 1:
            steps = [GEMM, step, op("Relu"), LAST]
        else:
            steps = [GEMM, op("Relu"), step, LAST]
        check(path, model(steps, CONSTANTS | more))

    @pytest.mark.parametrize(
        ("steps", "name"),
        [
            ([op("Clip", "x", "-1", "1")], "hard_tanh"),
            ([op("Clip", "x", "0")], "relu"),
            ([op("Elu")], "elu"),
            ([op("Exp")], "exponential"),
            ([op("Gelu")], "gelu"),
            ([op("Gelu", approximate="tanh")], "gelu_tanh"),
            ([op("HardSigmoid", alpha=1 / 6)], "hard_sigmoid"),
            ([op("LeakyRelu")], "leaky_relu"),
            ([op("LeakyRelu", alpha=0.3)], "leaky_relu"),
            ([op("PRelu", "x", "slopes")], "leaky_relu"),
            ([op("Relu")], "relu"),
            ([op("Selu")], "selu"),
            ([op("Sigmoid")], "logistic"),
            ([op("Softmax")], "softmax"),
            ([op("Softmax", axis=1)], "softmax"),
            ([op("Softplus")], "softplus"),
            ([op("Softsign")], "softsign"),
            ([op("Tanh")], "tanh"),
            ([op("Sigmoid", name="s"), op("Mul", "v0", "s")], "silu"),
            ([op("Sigmoid", name="s"), op("Mul", "s", "v0")], "silu"),
            (
                [
                    op("Div", "x", "root2"),
                    op("Erf"),
                    op("Add", "x", "1"),
                    op("Mul", "v0", "x"),
                    op("Mul", "x", "half"),
                ],
                "gelu",
            ),
            (
                [
                    op("Mul", "x", "1/root2"),
                    op("Erf"),
                    op("Add", "1", "x", name="e"),
                    op("Mul", "half", "v0"),
                    op("Mul", "x", "e"),
                ],
                "gelu",
            ),
            (
                [
                    op("Mul", "x", "1/root2"),
                    op("Erf"),
                    op("Add", "1", "x"),
                    op("Mul", "half", "x"),
                    op("Mul", "v0", "x"),
                ],
                "gelu",
            ),
            (
                [
                    op("Softplus", name="s"),
                    op("Greater", "v0", "20", name="g"),
                    op("Where", "g", "v0", "s"),
                ],
                "softplus",
            ),
        ],
    )
    def test_on_activations(self, path, steps, name):
        scalars = {"-1": -1, "0": 0, "1": 1, "20": 20, "half": 0.5, "root2": 2**0.5}
        scalars |= {"1/root2": 0.5**0.5}
        more = {key: np.float32(value) for key, value in scalars.items()}
        more["slopes"] = np.full(5, 0.1, "f4")
        network = check(path, model([GEMM, *steps, LAST], CONSTANTS | more, opset=20))
        assert network.layers[1].name == name
        assert len(network.layers) == 3

    @pytest.mark.parametrize(
        "step",
        [
            op("Identity"),
            op("Dropout"),
            op("Flatten"),
            op("Reshape", "x", "shape"),
            op("Cast", to=TensorProto.FLOAT),
        ],
    )
    def test_on_what_does_nothing(self, path, step):
        made = model([step, GEMM, step, op("Tanh"), LAST], CONSTANTS | {"shape": np.int64([0, -1])})
        assert len(check(path, made).layers) == 3

    def test_on_pictures_made_flat(self, path):
        made = model([op("Flatten"), GEMM], CONSTANTS, shape=("batch", 1, 2, 3))
        check(path, made, X.reshape(7, 1, 2, 3))

    def test_on_weights_computed_of_constants(self, path):
        made = model([op("MatMul", "x", "turned"), op("Add", "x", "same")], CONSTANTS)
        made.graph.node.insert(0, helper.make_node("Transpose", ["W1"], ["turned"], perm=[1, 0]))
        made.graph.node.insert(0, helper.make_node("Identity", ["b1"], ["same"]))
        check(path, made)

    def test_on_constant_nodes(self, path):
        made = model([op("MatMul", "x", "W"), op("Mul", "x", "two")], {})
        weight = numpy_helper.from_array(W1.T.copy())
        made.graph.node.insert(0, helper.make_node("Constant", [], ["W"], value=weight))
        made.graph.node.insert(0, helper.make_node("Constant", [], ["two"], value_float=2.0))
        check(path, made)

    @pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.BFLOAT16])
    def test_half_precision_is_read_as_float32(self, path, kind):
        made = model([op("Gemm", "x", "W", transB=1)], {})
        made.graph.initializer.append(helper.make_tensor("W", kind, W1.shape, W1.ravel()))
        onnx.save(made, path)
        weight = load(path).linear(1).weight
        assert weight.dtype == np.float32
        np.testing.assert_allclose(weight, W1, rtol=0.01)


class TestExternalData:
    @pytest.fixture
    def outside(self, path):
        onnx.save(model([GEMM], CONSTANTS), path, save_as_external_data=True, location="w.data",
                  size_threshold=0)  # fmt: skip
        return path

    def test_beside_the_file_is_read(self, outside):
        assert (outside.parent / "w.data").exists()
        check(outside)

    @pytest.mark.parametrize(
        "place", ["../w.data", "/etc/passwd", "..", ".", "", "sub/w.data", "a\\b", "none", "link"]
    )
    def test_elsewhere_is_refused(self, outside, place):
        (outside.parent / "link").symlink_to("/etc/passwd")
        made = onnx.load(outside, load_external_data=False)
        for tensor in made.graph.initializer:
            tensor.external_data[0].value = place
        onnx.save(made, outside)
        refuse(outside, "'W1' is in another file")

    @pytest.mark.parametrize(
        ("key", "value"), [("offset", "1000"), ("length", "9" * 9), ("offset", "-4")]
    )
    def test_beyond_its_end_is_refused(self, outside, key, value):
        made = onnx.load(outside, load_external_data=False)
        tensor = made.graph.initializer[0]
        entries = {entry.key: entry.value for entry in tensor.external_data} | {key: value}
        del tensor.external_data[:]
        for name, text in entries.items():
            tensor.external_data.add(key=name, value=text)
        onnx.save(made, outside)
        refuse(outside, "too short or no file")

    def test_of_a_pipe_does_not_hang(self, outside):
        import os

        (outside.parent / "w.data").unlink()
        os.mkfifo(outside.parent / "w.data")
        refuse(outside, "too short or no file")


def refuse(path, message, made=None):
    if made is not None:
        onnx.save(made, path)
    with pytest.raises(WeightFileError, match=message) as info:
        load(path)
    assert str(path) in str(info.value)
    return str(info.value)


class TestRefuses:
    @pytest.mark.parametrize(
        ("steps", "message"),
        [
            ([op("Conv", "x", "W1")], r"'node0' \(Conv\): only convolutions in 1 dim"),
            ([op("MaxPool", "x")], r"'node0' \(MaxPool\): not a dense layer.*onnx.utils.extract_model"),
            ([GEMM, op("LayerNormalization", "x", "b1")], "'node1' .LayerNormalization"),
            ([op("Gemm", "x", "W1", transA=1)], "Gemm"),
            ([op("Gemm", "W1", "x")], "Gemm"),
            ([op("MatMul", "W1", "x")], "MatMul"),
            ([op("Gemm", "x", "nowhere")], "'nowhere' is not a constant"),
            ([op("Gemm", "x", "x")], "'input': after it the signal branches"),
            ([op("Gemm", "x", "whole")], "int8 weights are quantized"),
            ([op("Gemm", "x", "b1")], "weight must have 2 dim"),
            ([op("Gemm", "x", "W1", "W2", transB=1)], "differs between samples"),
            ([op("Gemm", "x", "nan", transB=1)], "must be finite"),
            ([GEMM, op("Elu", alpha=0.5)], "Elu"),
            ([GEMM, op("Softmax", axis=0)], "Softmax"),
            ([GEMM, op("HardSigmoid")], "HardSigmoid"),
            ([GEMM, op("Selu", alpha=1.0)], "Selu"),
            ([GEMM, op("Reshape", "x", "shape")], "Reshape"),
            ([GEMM, op("Tanh", "x", "b1", "b1")], None),
            ([GEMM, op("QuickGelu", domain="com.microsoft")], "com.microsoft.QuickGelu"),
            ([GEMM, op("Add", "x", "input")], "after it the signal branches|not part|not a constant"),
            ([GEMM, op("Tanh"), op("Add", "v0", "x")], "after it the signal branches"),
            ([GEMM, op("Sigmoid"), op("Add", "v0", "x"), LAST], "after it the signal branches"),
            ([GEMM, op("Gemm", "x", "W1", transB=1)], "takes 6 inputs, but gets 5"),
            ([op("Tanh")], "no dense layers"),
            ([op("If", then_branch=helper.make_graph([], "a", [], []), else_branch=helper.make_graph([], "b", [], []))], "If"),
            ([GEMM, op("Tanh", name="input")], "two values have this name|loop"),
            ([GEMM, op("Tanh", name="v0")], "two values have this name"),
            ([GEMM, op("Tanh", name="W1")], "two values have this name"),
        ],
    )  # fmt: skip
    def test_what_is_no_chain(self, path, steps, message):
        more = {"whole": np.int8(W1.T), "shape": np.int64([-1, 1]), "two": np.float32([2])}
        more["nan"] = W1 * np.float32(np.nan)
        made = model(steps, CONSTANTS | more)
        if message is not None:
            refuse(path, message, made)

    def test_loops(self, path):
        made = model([GEMM, op("Tanh"), LAST], CONSTANTS)
        made.graph.node[0].input[0] = "v1"
        made.graph.node[1].input[0] = "v0"
        refuse(path, "not part of one chain", made)
        made.graph.node[0].input[0] = "input"
        made.graph.node[1].output[0] = "v0"
        refuse(path, "two values have this name", made)

    def test_several_inputs_and_outputs(self, path):
        infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 6]) for n in "ab"]
        refuse(path, "2 inputs and 1 outputs", model([GEMM], CONSTANTS, inputs=infos))
        refuse(path, "1 inputs and 2 outputs", model([GEMM], CONSTANTS, outputs=infos))

    def test_an_output_inside(self, path):
        inner = [helper.make_tensor_value_info("v0", TensorProto.FLOAT, None)]
        refuse(path, "not part of one chain", model([GEMM, op("Tanh")], CONSTANTS, outputs=inner))

    def test_more_than_rows(self, path):
        refuse(path, "not rows", model([op("MatMul", "x", "W1")], CONSTANTS, shape=(1, 2, 6)))

    def test_graphs_without_end(self, path):
        refuse(path, "10001 nodes", model([op("Tanh")] * 10_001, {}))

    def test_absurd_sizes(self, path):
        made = model([GEMM], CONSTANTS)
        made.graph.initializer[0].dims[:] = [2**40, 2**40]
        refuse(path, "a damaged .onnx file", made)

    @pytest.mark.parametrize("part", [0.1, 0.5, 0.95])
    def test_truncated(self, path, part):
        onnx.save(model([GEMM], CONSTANTS), path)
        whole = path.read_bytes()
        path.write_bytes(whole[: int(part * len(whole))])
        refuse(path, "a damaged .onnx file|graph: it has")

    def test_activations_of_the_caller(self, path):
        onnx.save(model([GEMM], CONSTANTS), path)
        with pytest.raises(ValueError, match="names its own"):
            load(path, ["tanh"])

    def test_without_the_extra(self, path, monkeypatch):
        onnx.save(model([GEMM], CONSTANTS), path)
        monkeypatch.setitem(__import__("sys").modules, "onnx", None)
        with pytest.raises(MissingExtraError, match=r"descrambler\[onnx\]"):
            load(path)
