import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from descrambler.network._network import Activation, BatchNorm, Linear, Network, Renormalize
from descrambler.readers import load

SQRT_2 = math.sqrt(2)
CUBIC = math.sqrt(2 / math.pi)
FORMULAS = {
    "celu": lambda x: x if x > 0 else math.exp(x) - 1,
    "elu": lambda x: x if x > 0 else math.exp(x) - 1,
    "gelu": lambda x: x * math.erfc(-x / SQRT_2) / 2,
    "gelu_tanh": lambda x: x / 2 * (1 + math.tanh(CUBIC * (x + 0.044715 * x**3))),
    "hard_sigmoid": lambda x: min(max((x + 3) / 6, 0.0), 1.0),
    "hard_swish": lambda x: x * min(max(x + 3, 0.0), 6.0) / 6,
    "hard_tanh": lambda x: min(max(x, -1.0), 1.0),
    "satlins": lambda x: min(max(x, -1.0), 1.0),
    "selu": lambda x: 1.0507009873554805 * (x if x > 0 else 1.6732632423543772 * math.expm1(x)),
    "silu": lambda x: x / (1 + math.exp(-x)),
    "log_sigmoid": lambda x: -math.log(1 + math.exp(-x)),
    "mish": lambda x: x * math.tanh(math.log(1 + math.exp(x))),
    "relu6": lambda x: min(max(x, 0.0), 6.0),
    "softsign": lambda x: x / (1 + abs(x)),
    "swish": lambda x: x / (1 + math.exp(-x)),
    "tanh": math.tanh,
    "tansig": lambda x: 2 / (1 + math.exp(-2 * x)) - 1,
    "logistic": lambda x: 1 / (1 + math.exp(-x)),
    "logsig": lambda x: 1 / (1 + math.exp(-x)),
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "relu": lambda x: x if x > 0 else 0.0,
    "poslin": lambda x: x if x > 0 else 0.0,
    "leaky_relu": lambda x: x if x > 0 else 0.01 * x,
    "softplus": lambda x: math.log(1 + math.exp(x)),
    "identity": lambda x: x,
    "linear": lambda x: x,
    "purelin": lambda x: x,
}


def random_network(rng, sizes=(7, 5, 4), names=("tanh", "logistic"), dtype=np.float64):
    layers = []
    for n_in, n_out, name in zip(sizes[:-1], sizes[1:], names, strict=True):
        weight = rng.standard_normal((n_out, n_in)) / np.sqrt(n_in)
        bias = rng.standard_normal(n_out)
        layers += [Linear(weight.astype(dtype), bias.astype(dtype)), Activation(name)]
    return Network(layers)


def random_rotation(rng, n):
    q, r = np.linalg.qr(rng.standard_normal((n, n)))
    q *= np.sign(np.diag(r))
    q[0] *= np.linalg.det(q)
    return q


@pytest.fixture
def rng():
    return np.random.default_rng(0)


class TestActivation:
    @pytest.mark.parametrize("name", FORMULAS)
    def test_matches_its_formula(self, name):
        x = np.linspace(-5, 5, 42).reshape(6, 7)
        expected = np.vectorize(FORMULAS[name])(x)
        np.testing.assert_allclose(Activation(name)(x), expected, rtol=1e-13, atol=1e-15)

    def test_exponential(self):
        x = np.linspace(-5, 5, 42).reshape(6, 7)
        np.testing.assert_array_equal(Activation("exponential")(x), np.exp(x))

    def test_softmax(self):
        x = np.array([[0.0, math.log(2), math.log(5)], [1000.0, 1000.0, -1000.0]])
        expected = [[1 / 8, 2 / 8, 5 / 8], [0.5, 0.5, 0.0]]
        np.testing.assert_allclose(Activation("softmax")(x), expected, rtol=1e-14)

    def test_log_softmax(self):
        x = np.array([[0.0, math.log(2), math.log(5)], [1000.0, 1000.0, -1000.0]])
        expected = [
            [-math.log(8), -math.log(4), math.log(5 / 8)],
            [-math.log(2)] * 2 + [-2000 - math.log(2)],
        ]
        np.testing.assert_allclose(Activation("log_softmax")(x), expected, rtol=1e-14)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("name", [*FORMULAS, "softmax", "log_softmax"])
    def test_keeps_dtype_and_survives_extremes(self, name, dtype):
        x = np.array([[-1e30, -800, -0.0, 0, 800, 1e30]], dtype)
        before = x.copy()
        y = Activation(name)(x)
        assert y.dtype == dtype
        assert np.isfinite(y).all()
        np.testing.assert_array_equal(x, before)

    def test_tails_keep_relative_precision(self):
        x = np.array([[-600.0]])
        np.testing.assert_allclose(Activation("logistic")(x), np.exp(x), rtol=1e-13)
        np.testing.assert_allclose(Activation("softplus")(x), np.exp(x), rtol=1e-13)

    def test_slope(self):
        np.testing.assert_array_equal(
            Activation("leaky_relu", 0.5)(np.array([[-2.0, 3.0]])), [[-1.0, 3.0]]
        )
        assert Activation("leaky_relu").slope == 0.01

    def test_aliases_are_equal(self):
        assert Activation("tansig") == Activation("tanh")
        assert Activation("tansig").name == "tanh"

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("maxout",), "identity.*got 'maxout'"),
            (("tanh", 0.1), "slope is for leaky_relu alone"),
            (("leaky_relu", math.nan), "slope must be finite"),
        ],
    )
    def test_refuses(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            Activation(*arguments)


class TestLinear:
    def test_by_hand(self):
        layer = Linear([[1, 2], [3, 4], [5, 6]], [1, 0, -1])
        np.testing.assert_array_equal(layer(np.array([[1.0, -1.0]])), [[0, -1, -2]])
        assert (layer.n_in, layer.n_out) == (2, 3)

    def test_shares_memory_read_only_and_leaves_the_array_writeable(self, rng):
        weight = rng.standard_normal((3, 2)).astype(np.float32)
        layer = Linear(weight)
        assert np.shares_memory(layer.weight, weight)
        assert layer.weight.dtype == np.float32
        with pytest.raises(ValueError, match="read-only"):
            layer.weight[0, 0] = 1
        weight[0, 0] = 1

    def test_frozen(self):
        with pytest.raises(AttributeError):
            Linear(np.eye(2)).weight = np.eye(2)

    @pytest.mark.parametrize(
        ("weight", "bias", "message"),
        [
            (np.ones(3), None, "weight must have 2 dimension"),
            (np.ones((0, 3)), None, "weight must not be empty"),
            ([[1.0, np.nan]], None, "weight must be finite"),
            (np.ones((2, 3)), np.ones(3), "bias must have 2 entries, got 3"),
            (np.ones((2, 3)), [1, np.inf], "bias must be finite"),
        ],
    )
    def test_refuses(self, weight, bias, message):
        with pytest.raises(ValueError, match=message):
            Linear(weight, bias)


class TestBatchNorm:
    @settings(deadline=None)
    @given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**32 - 1))
    def test_folds_exactly_on_both_sides(self, n_in, n_out, seed):
        rng = np.random.default_rng(seed)
        weight, bias = rng.standard_normal((n_out, n_in)), rng.standard_normal(n_out)

        def norm(n):
            mean, scale, offset = rng.standard_normal((3, n))
            variance, epsilon = rng.uniform(0.3, 3, n), 1e-3
            layer = BatchNorm(mean, variance, scale, offset, epsilon)
            return layer, lambda x: scale * (x - mean) / np.sqrt(variance + epsilon) + offset

        (first, first_by_hand), (last, last_by_hand) = norm(n_in), norm(n_out)
        x = rng.standard_normal((9, n_in))
        for b in (None, bias):
            network = Network([first, Linear(weight, b), last, Activation("identity")])
            assert [type(layer) for layer in network.layers] == [Linear, Activation]
            expected = last_by_hand(first_by_hand(x) @ weight.T + (0 if b is None else b))
            np.testing.assert_allclose(network(x), expected, rtol=0, atol=1e-12)

    def test_after_an_activation_goes_into_the_next_linear_layer(self, rng):
        a, b = rng.standard_normal((4, 3)), rng.standard_normal((2, 4))
        norm = BatchNorm([1, 2, 3, 4], [1, 4, 9, 16], epsilon=0.0)
        network = Network([Linear(a), Activation("tanh"), norm, norm, Linear(b)])
        x = rng.standard_normal((5, 3))
        once = (np.tanh(x @ a.T) - [1, 2, 3, 4]) / [1, 2, 3, 4]
        expected = (once - [1, 2, 3, 4]) / [1, 2, 3, 4] @ b.T
        np.testing.assert_allclose(network(x), expected, rtol=1e-12)
        np.testing.assert_array_equal(network.linear(1).weight, a)

    def test_between_two_linear_layers_goes_into_the_first(self, rng):
        network = Network(
            [Linear(np.eye(2)), BatchNorm([0, 0], [3, 3], epsilon=1), Linear([[1, 2]])]
        )
        np.testing.assert_allclose(network.linear(1).weight, np.eye(2) / 2)
        np.testing.assert_array_equal(network.linear(2).weight, [[1, 2]])

    def test_float32_stays_float32(self):
        one = np.ones(2, np.float32)
        norm = BatchNorm(one, one)
        network = Network([norm, Linear(np.eye(2, dtype=np.float32)), norm])
        assert network.linear(1).weight.dtype == network.linear(1).bias.dtype == np.float32

    @pytest.mark.parametrize(
        "layers",
        [
            [Linear(np.eye(2)), Activation("tanh"), BatchNorm([0, 0], [1, 1])],
            [Linear(np.eye(2)), Activation("tanh"), BatchNorm([0, 0], [1, 1]), Activation("tanh")],
        ],
    )
    def test_without_a_linear_neighbor(self, layers):
        with pytest.raises(ValueError, match=r"layer 3, BatchNorm\(2, float64\), has no linear"):
            Network(layers)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (([0.0], [-1.0]), "not be negative"),
            (([0.0], [0.0], None, None, 0.0), "sum positive"),
            (([0.0], [1.0], None, None, -0.5), "not be negative"),
            (([0.0], [1.0, 1.0]), "variance must have 1 entries, got 2"),
            (([0.0], [1.0], [1.0, 2.0]), "scale must have 1 entries"),
            (([np.nan], [1.0]), "mean must be finite"),
        ],
    )
    def test_refuses(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            BatchNorm(*arguments)


class TestChain:
    @pytest.mark.parametrize(
        ("layers", "message"),
        [
            (
                [Linear(np.ones((3, 2))), Activation("tanh"), Linear(np.ones((2, 4)))],
                r"layer 3, Linear\(4 -> 2, float64\), takes 4 inputs, but gets 3",
            ),
            ([Linear(np.ones((3, 2))), BatchNorm([0], [1])], r"layer 2, .* takes 1 inputs, .* 3"),
            ([BatchNorm([0], [1]), Linear(np.ones((3, 2)))], r"layer 2, .* takes 2 inputs, .* 1"),
            ([Activation("tanh")], "at least one Linear"),
            ([], "at least one Linear"),
        ],
    )
    def test_sizes(self, layers, message):
        with pytest.raises(ValueError, match=message):
            Network(layers)

    def test_types(self):
        with pytest.raises(TypeError, match="layer 2 must be Linear, .* got str"):
            Network([Linear(np.eye(2)), "tanh"])

    def test_initial_and_provenance(self, rng):
        network = random_network(rng)
        with pytest.raises(ValueError, match=r"shapes \[\(5, 7\), \(4, 5\)\]"):
            Network(network.layers, initial=random_network(rng, (7, 6, 4)))
        child = Network(network.layers, initial=network)
        with pytest.raises(ValueError, match="initial network of its own"):
            Network(network.layers, initial=child)
        for bad in ({"a": np.ones(2)}, {"a": math.nan}):
            with pytest.raises((TypeError, ValueError), match="provenance must be"):
                Network(network.layers, provenance=bad)

    def test_notes(self, rng):
        layers = random_network(rng).layers
        assert Network(layers).notes == ()
        assert Network(layers, notes=["a\x1b[2J"]).notes == (r"a\x1b[2J",)

    def test_provenance_is_a_copy(self, rng):
        provenance = {"seeds": [1]}
        network = Network(random_network(rng).layers, provenance=provenance)
        provenance["seeds"].append(2)
        assert network.provenance == {"seeds": [1]}


class TestForward:
    def test_by_hand(self):
        network = Network(
            [
                Linear([[1, -1], [2, 0]], [0.5, -1]),
                Activation("tanh"),
                Linear([[1, 3]]),
                Activation("logistic"),
            ]
        )
        h = [math.tanh(0.3 - 0.7 + 0.5), math.tanh(0.6 - 1)]
        expected = 1 / (1 + math.exp(-(h[0] + 3 * h[1])))
        assert network([[0.3, 0.7]]).item() == pytest.approx(expected, rel=1e-14)

    def test_renormalize(self):
        network = Network([Linear(np.eye(3)), Renormalize()])
        np.testing.assert_allclose(network([[1, 2, 3], [0, 0, 6]]), [[0.5, 1, 1.5], [0, 0, 3]])

    @given(
        st.integers(1, 20),
        st.integers(1, 25),
        st.integers(1, 2),
        st.sampled_from(["before", "after"]),
    )
    @settings(deadline=None)
    def test_batches_change_nothing(self, m, batch_size, layer, tap):
        rng = np.random.default_rng(m)
        network, x = random_network(rng), rng.standard_normal((m, 7))
        whole = network.signals(x, layer, tap)
        parts = list(network.batches(x, layer, tap, batch_size))
        assert max(len(part) for part in parts) <= batch_size
        cut = rng.integers(0, m)
        uneven = (part for part in (x[:cut], x[cut:]) if len(part))
        streamed = list(network.batches(uneven, layer, tap, batch_size))
        for pieces in (parts, streamed, [network.signals(x, layer, tap, batch_size)]):
            np.testing.assert_allclose(np.concatenate(pieces), whole, rtol=1e-13, atol=1e-14)
        np.testing.assert_allclose(network(x, batch_size), network(x), rtol=1e-13)

    def test_taps(self, rng):
        network, x = random_network(rng), rng.standard_normal((6, 7))
        (w1, b1), (w2, b2) = ((network.linear(k).weight, network.linear(k).bias) for k in (1, 2))
        before = x @ w1.T + b1
        np.testing.assert_allclose(network.signals(x), before, rtol=1e-12)
        np.testing.assert_allclose(network.signals(x, 1, "after"), np.tanh(before), rtol=1e-12)
        np.testing.assert_allclose(
            network.signals(x, 2, "before"), np.tanh(before) @ w2.T + b2, rtol=1e-12
        )
        np.testing.assert_array_equal(network.signals(x, 2, "after"), network(x))

    def test_after_takes_all_that_follows(self, rng):
        weight = rng.uniform(size=(3, 3))
        network = Network([Linear(weight), Activation("softplus"), Renormalize(), Linear(weight)])
        after = network.signals(rng.standard_normal((4, 3)), 1, "after")
        np.testing.assert_allclose(after.mean(axis=1), 1, rtol=1e-14)

    def test_one_layer_object_used_twice(self):
        linear = Linear(np.diag([2.0, 3.0]))
        network = Network([linear, Activation("identity"), linear])
        np.testing.assert_array_equal(network.signals([[1, 1]], 2, "before"), [[4, 9]])

    @pytest.mark.parametrize(
        ("weights", "inputs", "expected"),
        [
            (np.float32, np.float32, np.float32),
            (np.float32, np.float64, np.float64),
            (np.float64, np.float32, np.float64),
            (np.float32, np.int64, np.float64),
        ],
    )
    def test_dtype(self, rng, weights, inputs, expected):
        network = random_network(rng, dtype=weights)
        x = rng.integers(0, 3, (5, 7)).astype(inputs)
        for tap in ("before", "after"):
            assert network.signals(x, 2, tap).dtype == expected
        assert network(x).dtype == expected

    def test_iterators_are_lazy(self, rng):
        network = random_network(rng)
        taken = []

        def source():
            for k in range(3):
                taken.append(k)
                yield rng.standard_normal((2, 7))

        batches = network.batches(source(), 1, "after")
        assert taken == []
        next(batches)
        assert taken == [0]

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ((np.ones((2, 3)),), r"x must have shape \(m, 7\), got \(2, 3\)"),
            ((np.ones(7),), r"x must have shape"),
            ((np.ones((0, 7)),), "x must not be empty"),
            ((np.full((1, 7), np.nan),), "x must be finite"),
            ((np.ones((1, 7)), 3), "layer must be between 1 and 2, got 3"),
            ((np.ones((1, 7)), 0), "layer must be between 1 and 2, got 0"),
            ((np.ones((1, 7)), 1, "during"), "tap must be one of 'before', 'after'"),
            ((np.ones((1, 7)), 1, "before", 0), "batch_size must be at least 1"),
        ],
    )
    def test_refuses(self, rng, arguments, message):
        with pytest.raises(ValueError, match=message):
            random_network(rng).signals(*arguments)

    def test_repr(self, rng):
        network = Network(
            [*random_network(rng).layers, Activation("leaky_relu", 0.1), Renormalize()]
        )
        assert repr(network) == "Network(7 -> 5 -> 4)"
        assert len(network.linears) == 2
        assert str(network).splitlines() == [
            "Network: 7 -> 4, 64 parameters",
            "linear  layer           in    out  bias  dtype",
            "     1  linear           7      5  yes   float64",
            "        tanh",
            "     2  linear           5      4  yes   float64",
            "        logistic",
            "        leaky_relu (0.1)",
            "        renormalize",
        ]


class TestRotation:
    @given(st.integers(1, 12), st.sampled_from(["tanh", "relu", "softplus", "softmax"]))
    @settings(deadline=None, max_examples=40)
    def test_changes_nothing_also_after_a_round_trip(self, tmp_path_factory, n, name):
        rng = np.random.default_rng(n)
        network = random_network(rng, (6, n, 5), (name, "logistic"))
        rotation = random_rotation(rng, n)
        rotated = network.with_rotation(rotation, 1)
        path = tmp_path_factory.mktemp("rotated") / "net.npz"
        rotated.save(path)
        x = rng.standard_normal((50, 6))
        for other in (rotated, load(path)):
            np.testing.assert_allclose(other(x), network(x), rtol=0, atol=1e-12)
            assert other.n_linear == 3
            np.testing.assert_allclose(
                other.signals(x, 2), network.signals(x, 1, "after") @ rotation.T, atol=1e-12
            )
            np.testing.assert_allclose(
                other.linear(3).weight, network.linear(2).weight @ rotation.T, atol=1e-14
            )

    def test_wide_float64(self, rng):
        network = random_network(rng, (64, 80, 64))
        x = rng.standard_normal((200, 64))
        rotated = network.with_rotation(random_rotation(rng, 80), 1)
        np.testing.assert_allclose(rotated(x), network(x), rtol=0, atol=1e-12)

    def test_float32_network_stays_float32(self, rng):
        network = random_network(rng, dtype=np.float32)
        rotated = network.with_rotation(random_rotation(rng, 5), 1)
        x = rng.standard_normal((9, 7)).astype(np.float32)
        assert rotated(x).dtype == np.float32
        np.testing.assert_allclose(rotated(x), network(x), atol=1e-6)

    def test_refuses(self, rng):
        network = random_network(rng)
        for matrix, layer, message in (
            (np.eye(5), 2, "layer 2 is the last"),
            (np.eye(4), 1, r"matrix must have shape \(5, 5\), got \(4, 4\)"),
            (np.ones((5, 5)), 1, "orthogonal"),
            (np.ones((5, 4)), 1, "square"),
            (np.eye(5), 3, "between 1 and 2"),
        ):
            with pytest.raises(ValueError, match=message):
                network.with_rotation(matrix, layer)


class TestSave:
    def test_round_trip(self, rng, tmp_path):
        layers = [
            Linear(rng.standard_normal((5, 3)).astype(np.float32)),
            Activation("leaky_relu", 0.1 + 0.2),
            Linear(np.asfortranarray(rng.standard_normal((4, 5))), rng.standard_normal(4)),
            Activation("softmax"),
            Renormalize(),
        ]
        initial = Network([Linear(np.ones((5, 3))), Linear(np.ones((4, 5)))])
        provenance = {"seed": 1, "µ": [None, True, 0.1]}
        path = tmp_path / "any.name"
        Network(layers, initial, provenance).save(path)
        back = load(path)
        assert back.layers[1::2] == (layers[1], layers[3])
        assert back.layers[4] == layers[4]
        assert back.provenance == provenance
        assert back.initial.linear(2).bias is None
        np.testing.assert_array_equal(back.initial.linear(1).weight, np.ones((5, 3)))
        for k, layer in ((1, layers[0]), (2, layers[2])):
            np.testing.assert_array_equal(back.linear(k).weight, layer.weight)
            assert back.linear(k).weight.dtype == layer.weight.dtype
        assert back.linear(1).bias is None
        np.testing.assert_array_equal(back.linear(2).bias, layers[2].bias)

    def test_documented_keys(self, rng, tmp_path):
        path = tmp_path / "net.npz"
        network = random_network(rng)
        Network(network.layers, initial=network).save(path)
        with np.load(path, allow_pickle=False) as archive:
            own = {"layers", "provenance"} | {
                f"linear_{k}.{part}" for k in (1, 2) for part in ("weight", "bias")
            }
            assert set(archive.files) == own | {f"initial.{key}" for key in own} | {"schema"}
            assert str(archive["schema"]) == "descrambler.network.v1"
            assert json.loads(str(archive["layers"]))[1] == {"type": "activation", "name": "tanh"}

    def test_is_atomic(self, rng, tmp_path, monkeypatch):
        path = tmp_path / "net.npz"
        random_network(rng).save(path)
        before = path.read_bytes()

        def fail(file, **arrays):
            file.write(b"half")
            raise OSError("disk full")

        with monkeypatch.context() as patch:
            patch.setattr(np, "savez_compressed", fail)
            with pytest.raises(OSError, match="disk full"):
                random_network(rng).save(path)
        assert path.read_bytes() == before
        assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_takes_tensors_of_pytorch(rng, dtype):
    torch = pytest.importorskip("torch")
    network = random_network(rng, dtype=np.float32)
    x = torch.randn(9, 7).to(getattr(torch, dtype)).requires_grad_()
    plain = x.detach().float().numpy()
    np.testing.assert_array_equal(network(x), network(plain))
    np.testing.assert_array_equal(network.signals(x, layer=1), network.signals(plain, layer=1))
    np.testing.assert_array_equal(network.gram(iter([x])).matrix, network.gram(plain).matrix)


def test_reduced_layers_are_the_nearest_of_their_rank():
    rng = np.random.default_rng(0)
    layers = [Linear(rng.standard_normal((6, 9)), np.ones(6)), Activation("tanh")]
    network = Network([*layers, Linear(rng.standard_normal((4, 6)).astype(np.float32))])
    reduced = network.reduce(rank=2)
    for before, after in zip(network.linears, reduced.linears, strict=True):
        values = np.linalg.svd(before.weight, compute_uv=False)
        lost = np.linalg.norm(before.weight - after.weight)
        assert lost == pytest.approx(np.sqrt(np.square(values[2:]).sum()), rel=1e-5)
        assert after.weight.dtype == before.weight.dtype
        np.testing.assert_array_equal(after.bias, before.bias)
    one = network.reduce(rank=4, layer=1)
    assert one.linear(2) is network.linear(2)
    assert np.linalg.matrix_rank(one.linear(1).weight) == 4
    np.testing.assert_array_equal(network.reduce(rank=6)(np.eye(9)), network(np.eye(9)))
    with pytest.raises(ValueError, match="rank must be at least 1, got 0"):
        network.reduce(rank=0)
    with pytest.raises(ValueError, match="layer must be between 1 and 2, got 3"):
        network.reduce(rank=2, layer=3)
