"""ONNX graphs as others write them: shapes, constants, activations of several operations."""

import json
import sys

import forked
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from descrambler.errors import WeightFileError
from descrambler.network import Activation, Linear
from descrambler.readers import load
from descrambler.readers._onnx_graph import MAX_COMPOSED

RNG = np.random.default_rng(1)
W, V = RNG.standard_normal((5, 6)).astype("f4"), RNG.standard_normal((3, 5)).astype("f4")
B, M, S = RNG.standard_normal(5).astype("f4"), RNG.random(6).astype("f4"), RNG.random(5)
NUMBERS = {"W": W, "WT": W.T.copy(), "V": V, "VT": V.T.copy(), "b": B, "m": M}
NUMBERS |= {
    "scale": (S + 0.5).astype("f4"),
    "w": W[:1].T.copy(),
    "bc": B[:, None],
    "mc": M[:, None],
}
for name_, value_ in {"2": 2, "3": 3, "6": 6, "1": 1, "half": 0.5, "20": 20, "0": 0, "-1": -1}.items():  # fmt: skip
    NUMBERS[name_] = np.float32(value_)
NUMBERS |= {"axis1": np.int64([1]), "axis0": np.int64([0]), "rows": np.int64([0, -1])}
NUMBERS |= {"flat": np.int64([-1]), "1x6": np.int64([1, 6]), "6x1": np.int64([6, 1])}
NUMBERS |= {
    "mean4": M.reshape(1, 1, 1, 6),
    "pair": np.float32([0.5, 2]),
    "1x1x6": np.int64([-1, 1, 6]),
}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    forked.install(monkeypatch)


def graph(text, shape, opset=20, more=None, **options):
    """Nodes in lines "result = Type input input {options}"; the last result is the output."""
    nodes = []
    for line in text.strip().splitlines():
        result, _, call = line.partition(" = ")
        call, _, written = call.partition(" {")
        kind, *inputs = call.split()
        domain, _, kind = kind.rpartition(".")
        given = json.loads("{" + written) if written else {}
        nodes.append(helper.make_node(kind, inputs, [result.strip()], domain=domain, **given))
    used = {name for node in nodes for name in node.input}
    numbers = {k: v for k, v in (NUMBERS | (more or {})).items() if k in used or k in (more or {})}
    stored = [numpy_helper.from_array(np.asarray(v), k) for k, v in numbers.items()]
    ends = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, shape),
        helper.make_tensor_value_info(nodes[-1].output[0], options.get("gives", 1), None),
    ]
    made = helper.make_graph(nodes, "g", ends[:1], ends[1:], stored)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    opsets.append(helper.make_opsetid("com.microsoft", 1))
    return helper.make_model(made, opset_imports=opsets, ir_version=8)


def check(tmp_path, text, shape=("n", 6), batch=7, axis=0, tolerance=2e-5, scale=3, **more):
    """Compare with ONNX Runtime, sample for sample; return the network."""
    path = tmp_path / "net.onnx"
    onnx.save(graph(text, shape, **more), path)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, settings)
    sizes = [batch if isinstance(n, str) else n for n in shape]
    x = (scale * RNG.standard_normal(sizes)).astype("f4")
    (want,) = session.run(None, {"x": x})
    single = len(shape) == 1
    rows = x[None] if single else np.moveaxis(x, axis, 0).reshape(sizes[axis], -1)
    want = want[None] if single else np.moveaxis(want, axis if want.ndim > axis else 0, 0)
    network = load(path)
    found = network(rows)
    np.testing.assert_allclose(found, want.reshape(found.shape), rtol=tolerance, atol=1e-5)
    return network


ROWS = ("n", 6)


class TestShapes:
    @pytest.mark.parametrize(
        ("text", "shape"),
        [
            ("s = Sub x mean4\nf = Flatten s\ny = MatMul f WT", ("n", 1, 1, 6)),
            ("s = Sub x mean4\nf = Flatten s\ny = MatMul f WT", (1, 1, 1, 6)),
            ("f = Flatten x {\"axis\": 3}\ny = MatMul f WT", ("n", 1, 1, 6)),
            ("f = Flatten x {\"axis\": -1}\ny = MatMul f WT", ("n", 1, 6)),
            ("s = Mul x pair\nf = Flatten s\ny = MatMul f WT", ("n", 3, 2)),
            ("t = Tanh x\nf = Reshape t rows\ny = MatMul f WT", ("n", 3, 2)),
            ("y = MatMul x WT", ("n", 1, 6)),
            ("h = MatMul x WT\ns = Softmax h\nf = Flatten s\ny = MatMul f VT", ("n", 1, 6)),
            ("r = Reshape x 1x1x6\nh = MatMul r WT\na = Add h b\ny = Flatten a", ROWS),
            ("f = Squeeze x axis1\ny = MatMul f WT", ("n", 1, 6)),
            ("f = Squeeze x\ny = MatMul f WT", (4, 1, 6)),
            ("f = Unsqueeze x axis1\nh = MatMul f WT\ny = Squeeze h axis1", ROWS),
            ("f = Transpose x {\"perm\": [0, 2, 1]}\ng = Flatten f\ny = MatMul g WT", ("n", 6, 1)),
            ("h = MatMul W x\nf = Flatten h\nt = Tanh f\ny = MatMul t VT", ("n", 6, 1)),
        ],
    )  # fmt: skip
    def test_that_become_rows(self, tmp_path, text, shape):
        check(tmp_path, text, shape)

    @pytest.mark.parametrize(
        "text",
        [
            "z = Shape x\nn0 = Gather z i0\nn1 = Unsqueeze n0 i0\nk = Concat n1 flat {\"axis\": 0}\n"
            "f = Reshape x k\ny = MatMul f WT",
            "z = Shape x\nn1 = Slice z axis0 axis1 axis0\nk = Concat n1 flat {\"axis\": 0}\n"
            "f = Reshape x k\ny = MatMul f WT",
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("shape", [("n", 1, 2, 3), (4, 6), (1, 6, 1)])
    def test_targets_that_are_computed(self, tmp_path, text, shape):
        more = {"i0": np.int64(0)} if "Gather" in text else {}
        check(tmp_path, text.replace("Unsqueeze n0 i0", "Unsqueeze n0 axis0"), shape, more=more)

    @pytest.mark.parametrize("place", [1, 2])
    def test_targets_that_are_no_rows(self, tmp_path, place):
        text = (
            "z = Shape x\nn1 = Gather z i\nk = Concat n1 flat {\"axis\": 0}\nf = Reshape x k\n"
            "y = MatMul f WT"
        )  # fmt: skip
        more = {"i": np.int64([place])}
        refuse(tmp_path, "make no known activation", text, ("n", 2, 6), more=more)

    @pytest.mark.parametrize(
        "text",
        [
            "h = MatMul W x\ny = Relu h",
            "s = Sub x m\nh = MatMul W s\na = Add h b\nt = Tanh a\ny = MatMul V t",
            "h = MatMul x WT\na = Add h b\nt = Softmax a\ny = MatMul t VT",
            "r = Reshape x 1x6\nh = Gemm r W b {\"transB\": 1}\ny = Relu h",
            "r = Reshape x 6x1\nh = Gemm W r bc\nt = Tanh h\ny = MatMul V t",
            "r = Unsqueeze x axis0\nh = MatMul r WT\ny = Relu h",
            "r = Unsqueeze x axis1\nh = MatMul W r\na = Add h bc\ny = Relu a",
            "r = Flatten x {\"axis\": 0}\ny = MatMul r WT",
        ],
    )  # fmt: skip
    def test_one_sample_as_a_vector(self, tmp_path, text):
        check(tmp_path, text, (6,))

    @pytest.mark.parametrize(
        "text",
        [
            "h = MatMul W x\na = Add h bc\nt = Tanh a\ny = MatMul V t",
            "h = Gemm W x bc\nt = Relu h\ny = Gemm V t",
            's = Sub x mc\nh = MatMul W s\nt = Softmax h {"axis": 0}\ny = MatMul V t',
            'r = Gemm x W b {"transA": 1, "transB": 1}\nt = Tanh r\n'
            "z = MatMul t VT\ny = Transpose z",
            "r = Transpose x\nh = MatMul r WT\nt = Tanh h\nz = MatMul t VT\ny = Transpose z",
        ],
    )
    @pytest.mark.parametrize("shape", [(6, "n"), (6, 1)])
    def test_samples_in_columns(self, tmp_path, text, shape):
        check(tmp_path, text, shape, axis=1)

    @pytest.mark.parametrize(
        ("text", "shape", "message"),
        [
            ("y = MatMul x WT", ("n", 2, 6), "not rows"),
            ("y = MatMul W x", ("n", "k"), "not rows|takes"),
            ("y = Gemm x W {\"transA\": 1}", ("n", 6), "Gemm"),
            ("f = Flatten x {\"axis\": 2}\ny = MatMul f WT", ("n", 2, 6), "Flatten"),
            ("f = Reshape x flat\ny = MatMul f WT", ("n", 6), "Reshape"),
            ("f = Reshape x 6x1\ny = MatMul f w", ("n", 6), "Reshape"),
            ("h = MatMul x WT\ny = Softmax h {\"axis\": 0}", ("n", 6), "Softmax"),
            ("h = MatMul x WT\ny = Softmax h {\"axis\": 1}", ("n", 1, 6), "Softmax"),
            ("a = Add x bc\ny = MatMul a WT", (5, 6), "differs between samples"),
            ("a = Add x b\nf = Flatten a\ny = MatMul f WT", ("n", 6, 1), "does not fit"),
            ("t = Transpose x {\"perm\": [0, 2, 1]}\nf = Flatten t\ny = MatMul f WT", ("n", 3, 2),
             "Transpose"),
        ],
    )  # fmt: skip
    def test_that_mix_samples_or_entries(self, tmp_path, text, shape, message):
        refuse(tmp_path, message, text, shape)


class TestConstants:
    @pytest.mark.parametrize(
        "text",
        [
            "d = Div x m\nh = MatMul d WT\ny = Neg h",
            "n = Neg x\nh = MatMul n WT\ny = Sub 2 h",
            "h = MatMul x WT\nt = Sigmoid h\nm1 = Mul t 6\ny = Sub m1 2",
            "h = MatMul x WT\nt = Sigmoid h\nm1 = Mul scale t\na = Add m1 b\ny = MatMul a VT",
            "h = MatMul x WT\nt = Tanh h\nm1 = Mul scale t\na = Add m1 b\nr = Relu a\ny = MatMul r VT",
            "h = MatMul x WT\nt = Relu h\ny = BatchNormalization t scale b b scale",
            "f = ai.onnx.ml.Scaler x {\"offset\": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], \"scale\": [2.0, 1.0, 3.0, 1.0, 2.0, 0.5]}\n"
            "y = MatMul f WT",
            "f = Sum x m\ny = MatMul f WT",
        ],
    )  # fmt: skip
    def test_wherever_they_stand(self, tmp_path, text):
        check(tmp_path, text)

    def test_a_batch_norm_of_channels(self, tmp_path):
        text = "n = BatchNormalization x pair pair pair pair\nf = Flatten n\ny = MatMul f WT"
        check(tmp_path, text, ("n", 2, 3))

    def test_a_diagonal_layer_at_the_end_is_noted(self, tmp_path):
        network = check(tmp_path, "h = MatMul x WT\nt = Relu h\ny = Mul t scale")
        assert isinstance(network.layers[-1], Linear) and network.n_linear == 2

    def test_fused_layers(self, tmp_path):
        text = (
            'h = com.microsoft.FusedGemm x W b {"transB": 1, "activation": "LeakyRelu", '
            '"activation_alpha": 0.25}\ny = MatMul h VT'
        )
        network = check(tmp_path, text)
        assert network.layers[1] == Activation("leaky_relu", 0.25)


ACTIVATIONS = [
    ("y = Clip h 0 6", "relu6"),
    ("r = Relu h\ny = Clip r 0 6", "relu6"),
    ("y = Max h 0", "relu"),
    ("y = HardSwish h", "hard_swish"),
    ("a = Add h 3\nc = Clip a 0 6\np = Mul h c\ny = Div p 6", "hard_swish"),
    ("a = Add h 3\nc = Clip a 0 6\nd = Div c 6\ny = Mul h d", "hard_swish"),
    ('g = HardSigmoid h {"alpha": 0.1666667}\ny = Mul g h', "hard_swish"),
    ("y = Mish h", "mish"),
    ("s1 = Softplus h\nt = Tanh s1\ny = Mul h t", "mish"),
    ("e = Exp h\na = Add e 1\nl = Log a\nt = Tanh l\ny = Mul h t", "mish"),
    ("a = Abs h\nd = Add 1 a\ny = Div h d", "softsign"),
    ("y = Softsign h", "softsign"),
    ("e = Exp h\na = Add e 1\ny = Log a", None),
    ("n = Neg h\ns1 = Softplus n\ny = Neg s1", "softplus"),
    ("s1 = Sigmoid h\ny = Log s1", "log_logistic"),
    ("s1 = Sigmoid h\ny = Mul h s1", "silu"),
    ("n = Neg h\ne = Exp n\na = Add e 1\ny = Div h a", "silu"),
    ('y = com.microsoft.Gelu h', "gelu"),
    ("q = Mul h h\np = Mul q h\nk = Mul p c3\na = Add h k\nm1 = Mul a r2\nt = Tanh m1\n"
     "o = Add t 1\nz = Mul h o\ny = Mul z half", "gelu_tanh"),
    ("p = Pow h 3\nk = Mul p c3\na = Add h k\nm1 = Mul a r2\nt = Tanh m1\n"
     "o = Add t 1\nz = Mul half h\ny = Mul z o", "gelu_tanh"),
    ("q = Mul h h\nk = Mul q c3\na = Add k 1\nm1 = Mul h r2\nv = Mul m1 a\nt = Tanh v\n"
     "o = Add 1 t\nz = Mul half h\ny = Mul z o", "gelu_tanh"),
    ("d = Mul h h2\ne = Erf d\no = Add e 1\ny = Mul h o", "gelu"),  # twice
    ("y = Clip h -1 3", "hard_tanh"),
    ("y = Clip h half", "relu"),
    ('y = Celu h {"alpha": 0.5}', "elu"),
    ("y = PRelu h half", "leaky_relu"),
    ("a = Add h h\ny = Tanh a", "tanh"),
    ('y = Celu h {"alpha": 1.0}', "elu"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "name"), ACTIVATIONS)
def test_activations(tmp_path, text, name):
    more = {"c3": np.float32(0.044715), "r2": np.float32((2 / np.pi) ** 0.5)}
    more["h2"] = np.float32(0.5**0.5)
    text = f"h = Gemm x W b {{\"transB\": 1}}\n{text}\nz9 = Gemm y V {{\"transB\": 1}}"  # fmt: skip
    if name is None:
        refuse(tmp_path, "not a dense layer|make no known|no Op registered", text, more=more)
        return
    # ONNX Runtime's sigmoid is an approximation, whose logarithm is wrong where it is small.
    network = check(tmp_path, text, more=more, scale=0.3 if name == "log_logistic" else 3)
    assert network.layers[1].name == name
    assert network.n_linear == 2


class TestEnds:
    @pytest.mark.parametrize(
        "end",
        [
            "y = ArgMax h {\"axis\": 1}",
            "a = ArgMax h {\"axis\": -1, \"keepdims\": 0}\ny = Cast a {\"to\": 6}",
        ],
    )  # fmt: skip
    def test_of_classifiers_are_left_out(self, tmp_path, end):
        path = tmp_path / "net.onnx"
        onnx.save(graph(f"h = MatMul x WT\n{end}", ROWS), path)
        network, x = load(path), RNG.standard_normal((4, 6)).astype("f4")
        np.testing.assert_allclose(network(x), x @ W.T, rtol=1e-4, atol=1e-5)
        assert len(network.layers) == 1

    def test_what_follows_them_is_refused(self, tmp_path):
        for end in ("MatMul l VT", "Mul l 2", "Relu l"):
            text = f'h = MatMul x WT\nl = ArgMax h {{"axis": 1}}\ny = {end}'
            refuse(tmp_path, "left out only at the end", text)

    @pytest.mark.parametrize("end", ["y = LogSoftmax h", "p = Softmax h\ny = Log p"])
    def test_logarithms_of_probabilities(self, tmp_path, end):
        network = check(tmp_path, f"h = MatMul x WT\n{end}", tolerance=1e-4)
        assert network.layers[-1].name == "log_softmax"

    @pytest.mark.parametrize("end", ["Squeeze h axis1", "Squeeze h", "Reshape h flat"])
    def test_one_column_may_become_a_vector(self, tmp_path, end):
        check(tmp_path, f"h = MatMul x w\ny = {end}")


def refuse(tmp_path, message, text, shape=ROWS, **more):
    path = tmp_path / "net.onnx"
    onnx.save(graph(text, shape, **more), path)
    with pytest.raises(WeightFileError, match=message) as info:
        load(path)
    assert "BatchNorm(" not in str(info.value) and "torch" not in str(info.value)


class TestNamesWhatIsThere:
    def test_branches(self, tmp_path):
        text = "h = MatMul x WT\nt = Tanh h\ns1 = Shape h\ny = MatMul t VT"
        refuse(tmp_path, r"'h': after it the signal branches.*'s1' \(Shape\)", text)

    def test_several_outputs(self, tmp_path):
        made = graph("h = MatMul x WT\ny = Tanh h", ROWS)
        made.graph.output.add().CopyFrom(helper.make_tensor_value_info("h", 1, None))
        onnx.save(made, tmp_path / "net.onnx")
        with pytest.raises(WeightFileError, match=r"2 outputs .x -> h, y."):
            load(tmp_path / "net.onnx")

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "an empty file"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS"),
            (b"<!DOCTYPE html><html></html>", "web page"),
            (b"\x08\x01\x12\x02\x0a\x00", "holds no graph|SavedModel"),
        ],
    )
    def test_other_files(self, tmp_path, content, message):
        path = tmp_path / "net.onnx"
        path.write_bytes(content)
        with pytest.raises(WeightFileError, match=message) as info:
            load(path)
        assert "damaged" not in str(info.value)


class TestLimits:
    def test_activations_that_double_with_each_node(self, tmp_path):
        for kind in ("Mul", "Sub", "Add", "Div"):
            lines = ["h = MatMul x WT", f"a0 = {kind} h h"]
            lines += [f"a{k + 1} = {kind} a{k} a{k}" for k in range(60)]
            refuse(tmp_path, f"more than {MAX_COMPOSED}", "\n".join([*lines, "y = Mul h a60"]))

    def test_work_grows_as_the_file(self, tmp_path):
        path = tmp_path / "net.onnx"

        def work(n):
            lines = ["h = MatMul x WT", "v0 = Relu h"]
            for k in range(n):  # single operations, and activations of several
                lines += [f"s{k} = Sigmoid v{k}", f"m{k} = Mul v{k} s{k}"]
                lines += [f"v{k + 1} = Mul m{k} half"]
            onnx.save(graph("\n".join(lines), ROWS), path)
            calls = 0

            def count(_frame, event, _what):
                nonlocal calls
                calls += event == "call"

            sys.setprofile(count)
            try:
                load(path)
            finally:
                sys.setprofile(None)
            return calls

        work(10)
        assert work(800) < 4.5 * work(200)

    def test_many_names_that_are_there_twice(self, tmp_path):
        made = graph("h = MatMul x WT\ny = Tanh h", ROWS)
        node = helper.make_node("Split", ["h"], ["t"] * 200_000)
        made.graph.node.append(node)
        onnx.save(made, tmp_path / "net.onnx")
        with pytest.raises(WeightFileError, match="'t': two values have this name"):
            load(tmp_path / "net.onnx")
