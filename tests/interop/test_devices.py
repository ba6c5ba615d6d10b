"""The same code on every device that PyTorch has here: the processor, and a GPU where there is one."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import descrambler as ds

bridge = ds.interop.torch


def devices():
    found = [torch.device("cpu")]
    if torch.cuda.is_available():
        found.append(torch.device("cuda"))
    if torch.backends.mps.is_available():
        found.append(torch.device("mps"))
    return found


@pytest.fixture(params=devices(), ids=str)
def device(request):
    return request.param


def one_device(device, *tensors):
    assert {tensor.device.type for tensor in tensors} == {device.type}


def test_captured_layers(device):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 20), nn.Tanh(), nn.Linear(20, 4)).to(device)
    batches = [torch.randn(50, 6, device=device) for _ in range(2)]
    grams = bridge.capture(model, batches, ["0:output", "2:input"])
    layers = bridge.descramble_module(model, grams)
    one_device(device, *(layer.weight for layer in layers.values()), layers["0:output"].bias)
    assert bridge.verify(model, layers, batches).relative < 1e-5
    signals = bridge.capture(model, batches, ["0:output"], keep="signals")
    one_device(device, *signals["0:output"])
    P = ds.descramble(grams["0:output"]).rotation
    turned = P.left(model[0].weight.detach())
    one_device(device, turned)
    assert turned.dtype == torch.float32


def test_captured_convolutions(device):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv1d(2, 8, 3), nn.ReLU(), nn.Conv1d(8, 4, 3, padding=1)).to(device)
    batches = [torch.randn(5, 2, 30, device=device)]
    layers = bridge.descramble_module(
        model, bridge.capture(model, batches, ["0:output", "2:input"])
    )
    one_device(device, *(layer.weight for layer in layers.values()))
    assert bridge.verify(model, layers, batches).relative < 1e-5


def test_models_that_are_read(device):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv1d(1, 3, 4), nn.Tanh(), nn.Flatten(), nn.Linear(21, 2)).to(device)
    x = torch.randn(9, 1, 10, device=device)
    found = ds.load(model)(x.flatten(1))
    with torch.no_grad():
        np.testing.assert_allclose(found, model(x).cpu(), rtol=1e-4, atol=1e-5)


class Small(nn.Module):
    """A transformer without attention, with both kinds of norm's gains and a tied head."""

    def __init__(self, norm, d=12, vocabulary=20):
        super().__init__()
        self.tokens, self.norm1, self.norm2 = nn.Embedding(vocabulary, d), norm(d), norm(d)
        self.up, self.down = nn.Linear(d, 24), nn.Linear(24, d)
        self.head = nn.Linear(d, vocabulary, bias=False)
        self.head.weight = self.tokens.weight
        for one in (self.norm1, self.norm2):
            nn.init.uniform_(one.weight, 0.5, 1.5)

    def forward(self, ids):
        x = self.tokens(ids)
        x = x + self.down(torch.tanh(self.up(self.norm1(x))))
        return self.head(self.norm2(x))


@pytest.mark.parametrize("norm", [nn.RMSNorm, nn.LayerNorm])
def test_streams(device, norm):
    torch.manual_seed(0)
    model = Small(norm).to(device).eval()
    ids = [torch.randint(20, (4, 9), device=device)]
    spec = bridge.Stream(writers=["tokens", "down"], norms={"norm1": "up", "norm2": "head"})
    stream = bridge.residual_stream(model, spec, batch=ids[0])
    stored = {name: p.detach().clone() for name, p in model.named_parameters()}
    stream.rotate(stream.random_rotation(0), backup=True)
    one_device(device, *model.parameters(), *model.buffers())
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert stream.verify(ids).passed
    signals = stream.signals(ids)
    assert all(isinstance(rows, np.ndarray) for rows in signals.values())
    assert stream.gram(ids).matrix.dtype == np.float64
    stream.canonical(ids)
    stream.restore()
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, stored[name]), name
    stream.fold()  # without a backup: computed back
    assert stream.verify(ids).passed
    one_device(device, *model.parameters())


def test_heads(device):
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(
        vocab_size=20, n_embd=8, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0
    )
    model = transformers.GPT2LMHeadModel(config).to(device).eval()
    ids = torch.randint(20, (2, 6), device=device)
    with torch.no_grad():
        before = model(ids).logits
        bridge.heads(model).canonicalize()
        after = model(ids).logits
    one_device(device, *model.parameters())
    assert float((before - after).abs().max() / before.abs().max()) < 1e-5


def test_signals_are_aligned(device):
    torch.manual_seed(0)
    a = torch.randn(200, 6, device=device)
    turn = torch.linalg.qr(torch.randn(6, 6))[0].to(device)
    found = ds.align(a, a @ turn.T, "O", nulls=20, random_state=0)
    np.testing.assert_allclose(found.rotation.matrix @ turn.cpu().numpy(), np.eye(6), atol=1e-5)


def test_no_gpu_is_asked_for_float64():
    """Apple's have none: tensors change device and dtype one after the other, in one module."""
    folder = Path(bridge.__file__).parent
    for path in folder.glob("*.py"):
        for line in path.read_text("utf-8").splitlines():
            both = re.search(r"\.to\([^()]+, ", line)
            assert not both and ".double()" not in line, (path.name, line)
