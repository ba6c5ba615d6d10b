"""A model of one's own is described in ten lines; what is left out, or is no symmetry, is found."""

import dataclasses

import numpy as np
import pytest
import torch

import descrambler as ds

bridge = ds.interop.torch
nn = torch.nn
D, VOCABULARY = 16, 30


class BareLayerNorm(nn.Module):
    """A LayerNorm without attribute eps, as in nanoGPT."""

    def __init__(self, bias=True):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(D))
        self.bias = nn.Parameter(torch.zeros(D)) if bias else None

    def forward(self, x):
        return nn.functional.layer_norm(x, (D,), self.weight, self.bias, 1e-5)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(D, 3 * D, bias=False)
        self.out = nn.Linear(D, D)

    def forward(self, x):
        q, k, v = (t.unflatten(-1, (4, 4)).transpose(1, 2) for t in self.qkv(x).chunk(3, -1))
        y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(y.transpose(1, 2).flatten(2))


class Block(nn.Module):
    def __init__(self, norm):
        super().__init__()
        self.norm1, self.attention = norm(), Attention()
        self.norm2 = norm()
        self.up, self.down = nn.Linear(D, 24), nn.Linear(24, D)

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.down(nn.functional.gelu(self.up(self.norm2(x))))


class Small(nn.Module):
    def __init__(self, norm=BareLayerNorm, block=Block, tied=True):
        super().__init__()
        self.tokens, self.places = nn.Embedding(VOCABULARY, D), nn.Embedding(8, D)
        self.blocks = nn.ModuleList([block(norm) for _ in range(2)])
        self.norm, self.head = norm(), nn.Linear(D, VOCABULARY, bias=False)
        if tied:
            self.head.weight = self.tokens.weight

    def forward(self, ids):
        x = self.tokens(ids) + self.places(torch.arange(ids.shape[1]))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


SPEC = bridge.Stream(
    writers=["tokens", "places", "blocks.*.attention.out", "blocks.*.down"],
    norms={
        "blocks.*.norm1": "blocks.*.attention.qkv",
        "blocks.*.norm2": "blocks.*.up",
        "norm": "head",
    },
)


def make(*args, dtype=torch.float64, **options):
    torch.manual_seed(0)
    model = Small(*args, **options).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape))
    return model.to(dtype)


def ids(seed=1):
    return torch.randint(VOCABULARY, (3, 7), generator=torch.Generator().manual_seed(seed))


def run(model):
    with torch.no_grad():
        return model(ids())


def apart(a, b):
    return float((a - b).abs().max() / a.abs().max())


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize(
    "norm", [BareLayerNorm, lambda: BareLayerNorm(False), lambda: nn.RMSNorm(D)]
)
def test_a_model_of_ones_own(norm, keep, tmp_path):
    model = make(norm)
    before = run(model)
    stream = bridge.residual_stream(model, SPEC)
    stream.fold(keep_architecture=keep)
    assert apart(before, run(model)) < 1e-13
    stream.rotate(stream.random_rotation(0))
    assert stream.verify([ids()]).exact < 1e-13
    assert apart(before, run(model)) < 1e-13
    assert stream.untied == ("head.weight",)
    stream.save(tmp_path / "own.safetensors")
    loaded = bridge.load_rotated(make(norm), tmp_path / "own.safetensors")
    assert apart(before, run(loaded)) < 1e-13


def test_the_table_says_what_happens():
    model = make()
    stream = bridge.residual_stream(model, SPEC)
    text = str(stream)
    for words in (
        "exact for O(d-1); fixes the vector of ones",
        "blocks.*.attention.out.weight",
        "g to fold",
    ):
        assert words in text
    assert "tied: tokens.weight = head.weight" in text
    stream.fold()
    assert "untied: head.weight" in str(stream) and "g to fold" not in str(stream)


def test_a_rotation_folds_and_rounds_once():
    once, twice, exact = (make(dtype=torch.bfloat16) for _ in range(3))
    exact.double()
    p = bridge.residual_stream(exact, SPEC).random_rotation(0)
    bridge.residual_stream(exact, SPEC).rotate(p)
    bridge.residual_stream(once, SPEC).rotate(p)
    bridge.residual_stream(twice, SPEC).fold().rotate(p)
    right = exact.head.weight.detach()
    errors = [float((m.head.weight.detach() - right).norm() / right.norm()) for m in (once, twice)]
    assert errors[0] < 2**-9 and errors[1] > 1.3 * errors[0]


@pytest.mark.parametrize("left_out", SPEC.writers)
def test_a_writer_left_out_is_found(left_out):
    spec = dataclasses.replace(SPEC, writers=[w for w in SPEC.writers if w != left_out])
    stream = bridge.residual_stream(make(), spec)
    name = left_out.replace("*", "0")
    with pytest.raises(ValueError, match=f"no described weight wrote.*{name}"):
        stream.fold()
    with pytest.raises(ValueError, match="does not compute what it did") as caught:
        stream.verify([ids()])
    assert caught.value.verification.exact > 1e-3


@pytest.mark.parametrize("left_out", SPEC.norms)
def test_a_gain_left_out_is_found(left_out):
    norms = {key: value for key, value in SPEC.norms.items() if key != left_out}
    spec = dataclasses.replace(SPEC, norms=norms, readers=SPEC.norms[left_out])
    stream = bridge.residual_stream(make(), spec)
    with pytest.raises(ValueError, match=left_out.replace("*", "0").replace(".", r"\.")):
        stream.fold()
    with pytest.raises(ValueError, match="does not compute what it did") as caught:
        stream.verify([ids()])
    assert caught.value.verification.exact > 1e-3


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("norm", SPEC.norms)
def test_a_reader_left_out_is_found(norm, dtype):
    model = make(dtype=dtype)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    spec = dataclasses.replace(SPEC, norms={**SPEC.norms, norm: ()})
    stream = bridge.residual_stream(model, spec)
    reader = SPEC.norms[norm][0].replace("*", "0")
    with pytest.raises(ValueError, match=f"{reader} .*takes what {norm.replace('*', '0')} gives"):
        stream.rotate(stream.random_rotation(0))
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_a_reader_that_reads_something_else_is_found():
    norms = {**SPEC.norms, "blocks.*.norm1": ["blocks.*.attention.qkv", "blocks.*.attention.out"]}
    stream = bridge.residual_stream(make(), dataclasses.replace(SPEC, norms=norms))
    with pytest.raises(
        ValueError, match=r"attention\.out is described as a reader of blocks\.0\.norm1"
    ):
        stream.fold()


class GatedReader(Block):
    def __init__(self, norm):
        super().__init__(norm)
        self.gate = nn.Parameter(torch.ones(D))

    def forward(self, x):
        x = x + self.attention(self.gate * self.norm1(x))
        return x + self.down(nn.functional.gelu(self.up(self.norm2(x))))


class CurvedReader(Block):
    def __init__(self, norm):
        super().__init__(norm)
        self.curve = nn.Tanh()

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.down(nn.functional.gelu(self.up(self.curve(self.norm2(x)))))


@pytest.mark.parametrize(
    ("block", "message"),
    [(GatedReader, "qkv .*stands between"), (CurvedReader, r"at blocks\.0\.curve.*norm2 gives")],
)
def test_what_stands_between_a_norm_and_its_reader_is_found(block, message):
    with pytest.raises(ValueError, match=message):
        bridge.residual_stream(make(block=block), SPEC, ids())


class Functional(Small):
    """The embedding is the head, without a module that is called for it."""

    def forward(self, ids):
        x = self.tokens(ids) + self.places(torch.arange(ids.shape[1]))
        for block in self.blocks:
            x = block(x)
        return nn.functional.linear(self.norm(x), self.tokens.weight)


def test_an_embedding_that_is_read_as_the_head():
    torch.manual_seed(0)
    model = Functional(lambda: nn.RMSNorm(D)).double().eval()
    before = run(model)
    forgotten = dataclasses.replace(SPEC, norms={**SPEC.norms, "norm": ()})
    with pytest.raises(ValueError, match="in the output the model depends on .* norm gives"):
        bridge.residual_stream(model, forgotten, ids())
    spec = dataclasses.replace(SPEC, norms={**SPEC.norms, "norm": "tokens"})
    stream = bridge.residual_stream(model, spec, ids())
    stream.rotate(stream.random_rotation(0))
    assert apart(before, run(model)) < 1e-13 and stream.verify([ids()]).passed


class Returning(Small):
    """Returns what its head reads, as well."""

    def forward(self, ids):
        kept = []
        hook = self.norm.register_forward_hook(lambda module, args, output: kept.append(output))
        result = super().forward(ids)
        hook.remove()
        return result, kept[0]


def test_a_model_that_returns_the_stream_is_refused():
    with pytest.raises(ValueError, match="in the output .* the model returns it"):
        bridge.residual_stream(Returning().double().eval(), SPEC, ids())


def test_a_trace_that_fails_leaves_the_weights(monkeypatch):
    model = make()
    places = {name: id(value) for name, value in model.named_parameters(remove_duplicate=False)}
    calls = []

    def interrupted(x):
        calls.append(x)
        if len(calls) == 2 * 2 + 1:  # in the third run, inside of the first block
            raise KeyboardInterrupt
        return x

    monkeypatch.setattr(nn.functional, "gelu", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bridge.residual_stream(model, SPEC, ids())
    after = model.named_parameters(remove_duplicate=False)
    assert {name: id(value) for name, value in after} == places
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize("one", [ids(), {"ids": ids()}, 3])
@pytest.mark.parametrize("what", ["verify", "gram", "signals", "canonical"])
def test_one_batch_in_place_of_batches_is_refused(what, one):
    stream = bridge.residual_stream(make(), SPEC)
    with pytest.raises(TypeError, match="batches must be an iterable of batches"):
        getattr(stream, what)(one)


@pytest.mark.parametrize(
    "batch", ["text", ["some", "texts"], np.zeros((2, 3)), None, {"ids": "text"}]
)
def test_batches_without_tensors_are_refused_in_our_words(batch):
    stream = bridge.residual_stream(make(), SPEC)
    with pytest.raises(TypeError, match="each of the batches must hold tensors, got"):
        stream.verify([batch])
    with pytest.raises(TypeError, match="an iterable of batches of tensors, got a text"):
        stream.verify("text")


def test_a_stream_is_no_signal():
    stream = bridge.residual_stream(make(), SPEC)
    with pytest.raises(TypeError, match="^signals must be an array of real numbers, got Residual"):
        ds.evidence.privileged_basis(stream)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_a_forgotten_untying_is_found(dtype):
    model = make(dtype=dtype)
    stream = bridge.residual_stream(model, SPEC)
    stream.rotate(stream.random_rotation(0), backup=True)
    assert stream.verify([ids()]).passed
    model.head.weight = model.tokens.weight
    with pytest.raises(ValueError, match="does not compute what it did") as caught:
        stream.verify([ids()])
    found = caught.value.verification
    assert found.exact > 1e-3 if dtype == torch.float64 else found.stored["head.weight"] > 0.1


class Gated(Block):
    def __init__(self, norm):
        super().__init__(norm)
        self.gate = nn.Parameter(torch.ones(D))

    def forward(self, x):
        return super().forward(self.gate * x)


class PostNorm(Block):
    def forward(self, x):
        x = self.norm1(x + self.attention(x))
        return self.norm2(x + self.down(nn.functional.gelu(self.up(x))))


class NormedBranch(Block):
    def __init__(self, norm):
        super().__init__(norm)
        self.after = nn.RMSNorm(D)

    def forward(self, x):
        x = x + self.after(self.attention(self.norm1(x)))
        return x + self.down(nn.functional.gelu(self.up(self.norm2(x))))


class Adapted(Block):
    def __init__(self, norm):
        super().__init__(norm)
        self.adapter = nn.Linear(D, D, bias=False)

    def forward(self, x):
        return super().forward(x + self.adapter(x))


@pytest.mark.parametrize("block", [Gated, PostNorm, NormedBranch, Adapted])
def test_what_is_no_symmetry_is_refused(block):
    model = make(block=block)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    stream = bridge.residual_stream(model, SPEC)
    for change in (stream.fold, lambda: stream.rotate(stream.random_rotation(0))):
        with pytest.raises(ValueError, match="not in the description"):
            change()
    with pytest.raises(ValueError, match="not in the description"):
        bridge.residual_stream(model, SPEC, ids())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


class Scaled(Block):
    def __init__(self, norm):
        super().__init__(norm)
        self.scale = nn.Parameter(torch.ones(D))

    def forward(self, x):
        x = x + self.scale * self.attention(self.norm1(x))
        return x + self.down(nn.functional.gelu(self.up(self.norm2(x))))


@pytest.mark.parametrize("keep", [True, False])
def test_scales_of_a_branch_are_folded_into_its_writer(keep):
    model = make(block=Scaled)
    before = run(model)
    spec = dataclasses.replace(SPEC, scales={"blocks.*.scale": "blocks.*.attention.out"})
    stream = bridge.residual_stream(model, spec).fold(keep_architecture=keep)
    assert torch.equal(model.blocks[0].scale, torch.ones(D, dtype=torch.float64))
    stream.rotate(stream.random_rotation(0))
    assert stream.verify([ids()]).passed
    assert apart(before, run(model)) < 1e-13


class Function(nn.Module):
    """An RMSNorm that is a function: no module, no gain."""

    def __init__(self):
        super().__init__()
        self.tokens, self.up = nn.Embedding(VOCABULARY, D), nn.Linear(D, 24)
        self.down, self.head = nn.Linear(24, D), nn.Linear(D, VOCABULARY)

    def forward(self, ids):
        x = self.tokens(ids)
        x = x + self.down(torch.relu(self.up(nn.functional.rms_norm(x, (D,)))))
        return self.head(nn.functional.rms_norm(x, (D,)))


def test_readers_behind_a_function():
    model = Function().double().eval()
    before = run(model)
    stream = bridge.residual_stream(
        model, bridge.Stream(["tokens", "down"], norms={}, readers=["up", "head"])
    )
    stream.rotate(stream.random_rotation(0))
    assert apart(before, run(model)) < 1e-13 and stream.verify([ids()]).passed


def test_layers_of_pytorch_with_their_fused_path():
    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens = nn.Embedding(VOCABULARY, D)
            layer = nn.TransformerEncoderLayer(D, 4, 24, 0.1, batch_first=True, norm_first=True)
            self.encoder = nn.TransformerEncoder(
                layer, 2, nn.LayerNorm(D), enable_nested_tensor=False
            )
            self.head = nn.Linear(D, VOCABULARY)

        def forward(self, ids):
            return self.head(self.encoder(self.tokens(ids)))

    torch.manual_seed(0)
    model = Encoder().double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape))
    layer = "encoder.layers.*"
    spec = bridge.Stream(
        writers=["tokens", f"{layer}.self_attn.out_proj", f"{layer}.linear2"],
        norms={
            f"{layer}.norm1": f"{layer}.self_attn.in_proj_weight",
            f"{layer}.norm2": f"{layer}.linear1",
            "encoder.norm": "head",
        },
        storage={f"{layer}.self_attn.in_proj_weight": "(out, in)"},
    )
    before = run(model)
    stream = bridge.residual_stream(model, spec)
    with pytest.raises(ValueError, match="fused kernel takes"):
        stream.fold(keep_architecture=False)
    stream.rotate(stream.random_rotation(0))
    assert apart(before, run(model)) < 1e-13 and stream.verify([ids()]).passed
    without = dataclasses.replace(spec, writers=["tokens", f"{layer}.linear2"])
    with pytest.raises(ValueError, match="no described weight wrote"):
        bridge.residual_stream(model, without).fold()


def test_a_backup_restores_bit_for_bit():
    model = make(dtype=torch.float32)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    stream = bridge.residual_stream(model, SPEC)
    with pytest.raises(RuntimeError, match="no operation was called with backup=True"):
        stream.restore()
    stream.fold(keep_architecture=False, backup=True)
    stream.rotate(stream.random_rotation(0))
    found = stream.verify([ids()])
    assert found.reference == "the original" and 0 < found.own < 1e-5
    stream.restore()
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert model.head.weight is model.tokens.weight and isinstance(model.norm, BareLayerNorm)
    assert stream.untied == ()


@pytest.mark.parametrize("backup", [True, False])
def test_after_an_interrupt_the_stream_refuses_use(backup, monkeypatch):
    from descrambler.interop.torch import _stream_write as writing

    model = make()
    before = run(model)
    stream = bridge.residual_stream(model, SPEC)
    calls = []

    def interrupted(*args):
        calls.append(args)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return transformed(*args)

    transformed = writing.transformed
    monkeypatch.setattr(writing, "transformed", interrupted)
    with pytest.raises(KeyboardInterrupt):
        stream.rotate(stream.random_rotation(0), backup=backup)
    monkeypatch.undo()
    for use in (stream.fold, lambda: stream.verify([ids()]), lambda: stream.gram([ids()])):
        with pytest.raises(RuntimeError, match="half rotated"):
            use()
    with pytest.raises(RuntimeError, match="half rotated"):
        bridge.residual_stream(model, SPEC)
    if backup:
        stream.restore()
        assert torch.equal(before, run(model))
        stream.fold()


def test_a_zero_gain_with_a_shift_cannot_stay_in_the_norm():
    model = make()
    with torch.no_grad():
        model.norm.weight[3] = 0
    before = run(model)
    stream = bridge.residual_stream(model, SPEC)
    with pytest.raises(ValueError, match=r"norm has a gain of \(nearly\) zero"):
        stream.fold()
    stream.fold(keep_architecture=False)
    stream.rotate(stream.random_rotation(0))
    assert stream.verify([ids()]).passed and apart(before, run(model)) < 1e-13


def test_rotations_that_do_not_fit_are_refused():
    model = make()
    stream = bridge.residual_stream(model, SPEC)
    before = run(model)
    q = torch.linalg.qr(torch.randn(D, D, dtype=torch.float64))[0]
    for wrong, words in (
        (q, "fix the vector of ones"),
        (torch.ones(D, D), "orthogonal"),
        (q.float(), "compute it in float64"),
        (q[:5, :5], "orthogonal"),
        (torch.eye(5), "must have shape"),
        (torch.ones(3), "square"),
    ):
        with pytest.raises(ValueError, match=words):
            stream.rotate(wrong)
    assert torch.equal(before, run(model))
    small = torch.linalg.qr(torch.randn(D - 1, D - 1, dtype=torch.float64))[0]
    stream.rotate(small)
    assert apart(before, run(model)) < 1e-13


def test_descriptions_that_do_not_fit_are_refused():
    def opened(**changes):
        return bridge.residual_stream(make(), dataclasses.replace(SPEC, **changes))

    with pytest.raises(ValueError, match="no module or parameter named 'other'"):
        opened(writers=["tokens", "other"])
    with pytest.raises(ValueError, match=r"no module named 'blocks.*.ln'"):
        opened(norms={"blocks.*.ln": "head"})
    with pytest.raises(TypeError, match="Block"):
        opened(writers=["tokens", "blocks.0"])
    with pytest.raises(ValueError, match="must have 16 entries"):
        opened(storage={"blocks.*.down": "(in, out)"})
    with pytest.raises(ValueError, match=r'"\(out, in\)" or'):
        opened(storage={"head": "rows"})
    with pytest.raises(ValueError, match="spec must be given"):
        bridge.residual_stream(make())
    with pytest.raises(ValueError, match="batch must be given"):
        bridge.residual_stream(
            nn.Sequential(nn.Linear(3, D), nn.RMSNorm(D), nn.Linear(D, 2)),
            bridge.Stream(["0"], {"1": "2"}),
        ).fold()


def test_arguments_of_another_kind_are_refused():
    with pytest.raises(TypeError, match="norms must be a mapping, got list"):
        bridge.Stream(["tokens"], norms=["norm"])
    for opened in (bridge.residual_stream, bridge.heads):
        with pytest.raises(TypeError, match=r"model must be a torch\.nn\.Module, got str"):
            opened("gpt2")
    result = ds.descramble(torch.randn(40, D, dtype=torch.float64).numpy(), "smoothness")
    stream = bridge.residual_stream(make(lambda: nn.RMSNorm(D)), SPEC)
    with pytest.raises(TypeError, match="got Descrambling: pass its rotation"):
        stream.rotate(result)
    for other, kind in (("abc", "str"), (None, "NoneType"), (1j * torch.eye(D), "complex")):
        with pytest.raises(TypeError, match=f"P must be a matrix of real numbers.*{kind}"):
            stream.rotate(other)
    stream.rotate(result.rotation)
    with torch.device("meta"):
        empty = Small()
    with pytest.raises(ValueError, match="must hold numbers, got a tensor on the meta device"):
        bridge.residual_stream(empty, SPEC)


def test_files_of_another_kind_are_not_loaded(tmp_path):
    stream = bridge.residual_stream(make(), SPEC)
    stream.save(tmp_path / "whole")
    (tmp_path / "cut").write_bytes((tmp_path / "whole").read_bytes()[:-1])
    with pytest.raises(ValueError, match="must be a whole safetensors file"):
        bridge.load_rotated(make(), tmp_path / "cut")
    for path, kind in ((tmp_path, "a folder"), (tmp_path / "other", "no file")):
        with pytest.raises(FileNotFoundError, match=f"must be a safetensors file, got {kind}"):
            bridge.load_rotated(make(), path)
    with pytest.raises(TypeError, match="model must be"):
        bridge.load_rotated(tmp_path / "whole", make())
    with pytest.raises(OSError, match="cannot be written"):
        stream.save(tmp_path / "no" / "file")


def test_quantized_weights_are_refused():
    class Quantized(nn.Linear):
        pass

    model = make()
    model.blocks[0].down = Quantized(24, D)
    with pytest.raises(TypeError, match=r"blocks.0.down must be of a known class, got Quantized"):
        bridge.residual_stream(model, SPEC)
    model = make(tied=False)
    model.head.weight = nn.Parameter(
        torch.zeros(VOCABULARY, D, dtype=torch.int8), requires_grad=False
    )
    with pytest.raises(TypeError, match="quantized"):
        bridge.residual_stream(model, SPEC)


def test_dropout_in_training_is_refused():
    model = make()
    model.blocks.insert(1, nn.Dropout(0.1))
    spec = dataclasses.replace(
        SPEC, norms={k.replace("*.norm", "*.norm"): v for k, v in SPEC.norms.items()}
    )
    stream = bridge.residual_stream(model, spec)
    model.train()
    with pytest.raises(RuntimeError, match=r"blocks.1 drops signals at random"):
        stream.fold()
    model.eval()
    stream.fold()
