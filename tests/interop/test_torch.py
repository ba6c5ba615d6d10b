"""PyTorch models: what is captured is what passed, the model stays as it was, P^T P changes nothing."""

import subprocess
import sys

import numpy as np
import pytest

import descrambler as ds

torch = pytest.importorskip("torch")
nn = torch.nn
bridge = ds.interop.torch
TAPS = ["0:output", "2:input"]


def make(dtype=torch.float32, widths=(6, 20, 4), seed=0):
    torch.manual_seed(seed)
    first, second = nn.Linear(*widths[:2]), nn.Linear(*widths[1:])
    return nn.Sequential(first, nn.Tanh(), second).to(dtype)


def inputs(*shape, dtype=torch.float32, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def hooks(model):
    return [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()]


def reference(rows):
    s = rows.detach().double().reshape(-1, rows.shape[-1]).numpy()
    return s.T @ s, s.mean(axis=0), len(s)


@pytest.mark.parametrize(
    ("n", "dtype", "scale"), [(6, "float64", 1e-200), (2100, "float32", 1e-22)]
)
def test_signals_whose_squares_vanish_are_refused(n, dtype, scale):
    dtype = getattr(torch, dtype)
    model = make(dtype, (n, 4, n))
    with pytest.raises(ValueError, match="at 0:input: signals must not be so small"):
        bridge.capture(model, [inputs(50, n, dtype=dtype) * scale], "0:input")
    nothing = bridge.capture(model, [torch.zeros(50, n, dtype=dtype)], "0:input")["0:input"]
    assert nothing.matrix.trace() == 0


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("widths", [(6, 20, 4), (20, 6, 4), (80, 600, 4)])
def test_grams_are_those_of_the_signals(dtype, widths):
    model = make(dtype, widths)
    batches = [inputs(3, 700, widths[0], dtype=dtype, seed=s) for s in range(3)] + [
        inputs(widths[0], dtype=dtype)
    ]
    grams = bridge.capture(model, batches, TAPS)
    signals = bridge.capture(model, batches, TAPS, keep="signals")
    assert list(grams) == list(signals) == TAPS
    for tap, gram in grams.items():
        assert signals[tap].dtype == dtype
        matrix, mean, count = reference(signals[tap])
        scale = np.sqrt(np.outer(matrix.diagonal(), matrix.diagonal()))
        single = gram.n > 512 and dtype != torch.float64
        # Of x a wide layer's outputs are computed here in float64, but in float32 by the model.
        tolerance = 5e-7 if single or dtype == torch.float32 else 1e-13
        assert (np.abs(gram.matrix - matrix) / scale).max() < tolerance
        np.testing.assert_array_equal(gram.matrix, gram.matrix.T)
        np.testing.assert_allclose(gram.mean, mean, atol=10 * tolerance)
        assert gram.count == count == 6301
    expected = torch.cat([model[0](b).reshape(-1, widths[1]) for b in batches])
    torch.testing.assert_close(signals["0:output"], expected, rtol=0, atol=0)


def test_a_mask_leaves_padding_out():
    model = make().double()
    x = inputs(4, 5, 6, dtype=torch.float64)
    mask = torch.arange(5) < torch.tensor([[5], [1], [3], [2]])
    batches = [{"input": x, "attention_mask": mask.long()}]
    grams = bridge.capture(
        model,
        batches,
        TAPS,
        mask="attention_mask",
        forward=lambda model, batch: model(batch["input"]),
    )
    matrix, mean, count = reference(torch.tanh(model[0](x[mask])))
    assert grams["2:input"].count == grams["0:output"].count == count == 11
    np.testing.assert_allclose(grams["2:input"].matrix, matrix, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(grams["2:input"].mean, mean, rtol=1e-12, atol=1e-14)
    with pytest.raises(ValueError, match=r"shape \(4, 5\) of the signals at 0:output"):
        bridge.capture(model, [x], TAPS, mask=lambda batch: mask[:2])
    assert not any(hooks(model))
    with pytest.raises(ValueError, match="at 0:output: the mask must leave"):
        bridge.capture(model, [x], TAPS, mask=lambda batch: torch.zeros(4, 5))


def test_the_model_is_left_as_it_was():
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, 2)).train()
    model[2].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    grams = bridge.capture(model, [inputs(9, 6)], "3:input")
    assert grams["3:input"].count == 9
    layers = bridge.descramble_module(model, grams)
    bridge.verify(model, layers, [inputs(9, 6)])
    assert [m.training for m in model] == [True, True, False, True]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(hooks(model))
    assert all(p.grad is None and p.requires_grad for p in model.parameters())


def test_hooks_go_on_exceptions_too():
    model = make()
    with pytest.raises(RuntimeError), bridge.Capture(model, TAPS):
        assert sum(hooks(model)) == 2
        model(inputs(3, 5))
    assert not any(hooks(model))
    with pytest.raises(ZeroDivisionError):
        bridge.capture(model, (inputs(1 // (2 - i), 6) for i in range(3)), TAPS)
    assert not any(hooks(model))
    layers = bridge.descramble_module(model, bridge.capture(model, [inputs(50, 6)], TAPS[1]))
    with pytest.raises(RuntimeError):
        bridge.verify(model, layers, [inputs(3, 5)])
    assert not any(hooks(model))


def test_modes_of_pytorch_change_nothing():
    model, x = make(), inputs(3000, 6)
    plain = bridge.capture(model, [x], TAPS)
    with bridge.Capture(model, TAPS) as mixed, torch.inference_mode():
        model(x[:1000])
        with torch.no_grad():
            model(x[1000:])
    with bridge.Capture(model, TAPS) as learning:
        model(x.requires_grad_()).sum().backward()
    with bridge.Capture(model, TAPS) as resumed, torch.no_grad():
        model(x[:1000])
    with resumed, torch.no_grad():
        model(x[1000:])
    for other in (mixed.result(), learning.result(), resumed.result()):
        for tap in TAPS:
            np.testing.assert_allclose(other[tap].matrix, plain[tap].matrix, rtol=1e-5, atol=1e-3)
    x = x.detach()
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        exact = bridge.capture(model, [x], "2:input")["2:input"]
    finally:
        torch.set_float32_matmul_precision(precision)
    signals = bridge.capture(model, [x], "2:input", keep="signals")["2:input"]
    np.testing.assert_allclose(exact.matrix, reference(signals)[0], rtol=1e-3, atol=1e-2)


def test_autocast_rounds_the_signals_but_not_their_gram():
    model, x = make(), inputs(500, 6)
    taps = ["0:input", "2:input"]
    with torch.autocast("cpu", torch.bfloat16):
        grams = bridge.capture(model, [x], taps)
        signals = bridge.capture(model, [x], taps, keep="signals")
    for tap in taps:
        matrix = reference(signals[tap])[0]
        assert np.abs(grams[tap].matrix - matrix).max() < 1e-6 * matrix.max()


def test_weights_that_change_meanwhile_are_noticed():
    model = make()
    with bridge.Capture(model, TAPS) as captured:
        model(inputs(10, 6))
        with torch.no_grad():
            model[0].weight.mul_(2)
    with pytest.raises(ValueError, match="at 0:output: weights must stay the same"):
        captured.result()


@pytest.mark.parametrize("kind", ["subclass", "hook"])
def test_outputs_are_taken_as_they_are(kind):
    class Doubled(nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    layer = Doubled(3, 5) if kind == "subclass" else nn.Linear(3, 5)
    model = nn.Sequential(layer)
    if kind == "hook":
        layer.register_forward_hook(lambda module, args, output: 2 * output)
    x = inputs(20, 3)
    gram = bridge.capture(model, [x], "0:output")["0:output"]
    np.testing.assert_allclose(gram.matrix, reference(model(x))[0], rtol=1e-5)


def test_transformer_encoder_layer_and_keyword_calls():
    torch.manual_seed(0)
    model = nn.TransformerEncoder(
        nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2, enable_nested_tensor=False
    )
    batches = [{"src": inputs(3, 7, 8)}, (inputs(2, 7, 8),)]
    grams = bridge.capture(model, batches, ["layers.*.linear2:input", "layers.*.linear1:output"])
    assert [g.count for g in grams.values()] == [35] * 4
    assert list(grams)[:2] == ["layers.0.linear2:input", "layers.1.linear2:input"]
    with pytest.raises(ValueError, match="no signals passed at layers.0.self_attn.out_proj:input"):
        bridge.capture(model, batches, "layers.*.self_attn.out_proj:input")


@pytest.mark.parametrize("tap", TAPS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_descrambled_layers_keep_the_function(tap, dtype, capsys):
    model = make(dtype)
    x = inputs(400, 6, dtype=dtype)
    grams = bridge.capture(model, [x], tap)
    layer = bridge.descramble_module(model, grams)[tap]
    p, linear = layer.result.rotation, model[int(tap[0])]
    expected = p.left(linear.weight.detach()) if "out" in tap else p.right(linear.weight.detach())
    np.testing.assert_allclose(layer.weight, expected, atol=1e-6)
    assert layer.weight.dtype == layer.bias.dtype == dtype
    found = bridge.verify(model, {tap: layer}, [x[:200], x[200:]])
    assert 0 < found.relative < 30 * torch.finfo(dtype).eps
    assert capsys.readouterr().out == f"{found}\n"
    assert "largest output difference" in str(found)


def test_verification_sees_a_wrong_rotation_and_nan():
    model, x = make(), inputs(400, 6)
    layers = bridge.descramble_module(model, bridge.capture(model, [x], "2:input"))
    layers["2:input"].weight.add_(0.01)
    assert bridge.verify(model, layers, [x]).relative > 1e-3
    layers["2:input"].weight.fill_(torch.nan)
    assert np.isnan(bridge.verify(model, layers, [x]).difference)


def test_signals_serve_as_well_as_grams():
    model, x = make(torch.float64), inputs(400, 6, dtype=torch.float64)
    results = [
        bridge.descramble_module(model, bridge.capture(model, [x], "2:input", keep=keep), rank=5)
        for keep in ("gram", "signals")
    ]
    a, b = (found["2:input"].result for found in results)
    assert abs(a.objective - b.objective) < 1e-9 * a.objective


@pytest.mark.parametrize(
    ("layers", "error", "message"),
    [
        ("0", ValueError, 'must end in.*write "0:output"'),
        ("0:inside", ValueError, 'must end in.*write "0:output"'),
        ("1:input", TypeError, "1 must be an nn.Linear or nn.Conv1d, got Tanh"),
        ("7:input", ValueError, "no linear layer or Conv1d named '7'; it has 0"),
        ("*.*:input", ValueError, "no linear layer or Conv1d named"),
    ],
)
def test_bad_taps(layers, error, message):
    with pytest.raises(error, match=message):
        bridge.capture(make(), [inputs(3, 6)], layers)


def test_bad_signals_and_arguments():
    model = make()
    with pytest.raises(ValueError, match="at 2:input: signals must be finite"):
        bridge.capture(model, [inputs(3, 6) * torch.nan], TAPS[::-1])
    with pytest.raises(ValueError, match="no signals passed at 0:output"):
        bridge.capture(model, [], TAPS)
    with pytest.raises(ValueError, match="keep must be one of"):
        bridge.capture(model, [], TAPS, keep="all")
    captured = bridge.capture(model, [inputs(30, 6)], ["2:input", "2:output"])
    with pytest.raises(ValueError, match="at most one tap"):
        bridge.verify(model, bridge.descramble_module(model, captured), [inputs(3, 6)])
    layers = bridge.descramble_module(model, {"2:input": captured["2:input"]})
    with pytest.raises(ValueError, match="batches must hold"):
        bridge.verify(model, layers, [])


def test_bridges_load_when_asked_for_and_name_their_extra():
    code = (
        "import sys\nimport descrambler as ds\n"
        "assert not {'torch', 'sklearn'} & set(sys.modules)\n"
        "for name in ('torch', 'sklearn'):\n"
        "    sys.modules[name] = None\n"
        "    try:\n        getattr(ds.interop, name)\n"
        "    except ds.MissingExtraError as error:\n        print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "descrambler[torch]" in done.stdout
    assert "descrambler[sklearn]" in done.stdout
    with pytest.raises(AttributeError, match="no attribute 'tensorflow'"):
        _ = ds.interop.tensorflow


def test_outputs_in_inference_mode():
    model, x = make(), inputs(50, 6)
    with torch.inference_mode():
        grams = bridge.capture(model, [x], "0:output")
    np.testing.assert_allclose(
        grams["0:output"].matrix, reference(model[0](x))[0], rtol=1e-5, atol=1e-5
    )


@pytest.mark.filterwarnings("ignore")
def test_taps_of_quantized_layers():
    model = torch.ao.quantization.quantize_dynamic(nn.Sequential(make()), {nn.Linear})
    for tap in ("0.0:input", "*.*:input"):
        with pytest.raises(
            TypeError, match=r"0\.0 must be an nn.Linear or nn.Conv1d, but is quantized"
        ):
            bridge.capture(model, [inputs(3, 6)], tap)


def test_batches_with_targets():
    model, x = make(), inputs(30, 6)
    pairs = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, x[:, :1]), 10)
    given = bridge.capture(model, pairs, "0:input", forward=lambda m, batch: m(batch[0]))
    assert given["0:input"].count == 30
    told = bridge.capture(model, pairs, "0:input")["0:input"]
    np.testing.assert_array_equal(told.matrix, given["0:input"].matrix)
    triples = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, x, x), 10)
    with pytest.raises(TypeError, match=r"batches must be .* got 3 item.*forward=lambda"):
        bridge.capture(model, triples, "0:input")
    with pytest.raises(TypeError, match=r"got one tensor: pass \[tensor\]"):
        bridge.capture(model, x, "0:input")


def test_shared_layers_have_taps_under_all_their_names():
    model, x = nn.Sequential(nn.Linear(6, 6), nn.Tanh()), inputs(30, 6)
    model.append(model[0])
    grams = bridge.capture(model, [x], ["0:output", "2:output"])
    assert [gram.count for gram in grams.values()] == [60, 60]
    assert list(bridge.capture(model, [x], "*:input")) == ["0:input"]


@pytest.mark.parametrize(
    "wrap", [nn.DataParallel, lambda model: torch.compile(model, backend="eager")]
)
def test_names_in_wrapped_models(wrap):
    model, x = make(), inputs(30, 6)
    with_names = bridge.capture(wrap(model), [x], "0:output")
    np.testing.assert_allclose(
        with_names["0:output"].matrix, bridge.capture(model, [x], "0:output")["0:output"].matrix
    )


@pytest.mark.filterwarnings("ignore")
def test_layers_that_compute_something_else_are_refused():
    class Adapted(nn.Linear):
        def forward(self, x):
            return super().forward(x) + 0.5 * x.sum(1, keepdim=True)

    x = inputs(300, 6)
    plain = bridge.descramble_module(make(), bridge.capture(make(), [x], "0:output"))
    hooked, stale, replaced = make(), make(), make()
    replaced[0].forward = lambda x: 2 * nn.Linear.forward(replaced[0], x)
    hooked[0].register_forward_hook(lambda module, args, output: 2 * output)
    nn.utils.weight_norm(stale[0])
    grams = bridge.capture(stale, [x], "0:output")
    with torch.no_grad():
        stale[0].weight_g *= 2
    for model, message in (
        (nn.Sequential(Adapted(6, 20)), "Adapted computes something else than W x"),
        (hooked, "Linear computes something else .* it has hooks"),
        (stale, "remove_weight_norm"),
        (replaced, "its method forward was replaced"),
    ):
        with pytest.raises(ValueError, match=f"0:output.*{message}"):
            bridge.descramble_module(model, grams)
        with pytest.raises(ValueError, match=f"0:output.*{message}"):
            bridge.verify(model, plain, [x])
    stale(x)  # computes its weight
    layers = bridge.descramble_module(stale, bridge.capture(stale, [x], "0:output"))
    assert bridge.verify(stale, layers, [x]).relative < 1e-5


def test_small_signals_whose_squares_float64_holds_are_taken():
    rows = inputs(50, 6, dtype=torch.float64) * 1e-22
    gram = bridge.capture(make(torch.float64), [rows], "0:input")["0:input"]
    np.testing.assert_allclose(gram.matrix, reference(rows)[0], rtol=1e-12)


@pytest.mark.parametrize("n", [600, 2100])
def test_gram_states_what_single_precision_products_lost(n):
    model, rows = make(widths=(n, 2, 2)), inputs(300, n)
    gram = bridge.capture(model, [rows], "0:input")["0:input"]
    x = rows.double().numpy()
    lost = np.linalg.norm(gram.matrix - x.T @ x)  # above the spectral norm
    assert (gram.uncertainty > 0) == (n > 2048)
    assert lost <= gram.uncertainty + 1e-12 * np.trace(gram.matrix)
