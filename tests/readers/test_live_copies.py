"""PyTorch modules that compute something else than their attributes show, and constants in them."""

import random

import numpy as np
import pytest

from descrambler.errors import WeightFileError
from descrambler.readers import load

torch = pytest.importorskip("torch", reason="PyTorch (the extra `torch`) is not installed")
prune = pytest.importorskip("torch.nn.utils.prune")
nn = torch.nn
utils = nn.utils


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def inputs(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def net(first=None, *last):
    return nn.Sequential(first or nn.Linear(6, 5), nn.Tanh(), *(last or [nn.Linear(5, 3)]))


def check(module, x=None):
    module.eval()
    x = inputs(40, 6) if x is None else x
    network = load(module)
    with torch.no_grad():
        theirs = module(x).numpy().reshape(len(x), -1)
    np.testing.assert_allclose(network(x.reshape(len(x), -1)), theirs, rtol=2e-5, atol=2e-5)
    return network


class Forward(nn.Module):
    """A layer `a`, a layer `b` after it, and any forward pass."""

    def __init__(self, forward, **constants):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 5), nn.Linear(5, 2), nn.Linear(5, 1)
        for name, value in constants.items():
            self.register_buffer(name, value)
        self._forward = forward

    def forward(self, x):
        return self._forward(self, x)


MASK = (torch.arange(30).reshape(5, 6) % 3 > 0).float()


@pytest.mark.parametrize(
    ("forward", "constants"),
    [
        (lambda m, x: m.b(torch.tanh(m.a((x - m.mean) / m.std))), {"mean": 3, "std": 2}),
        (lambda m, x: m.a((x - m.mean) / torch.sqrt(m.std + 1e-5)), {"mean": 3, "std": 2}),
        (lambda m, x: 2 * torch.tanh(m.a(x - 0.5)), {}),
        (lambda m, x: torch.sigmoid(m.a(x)) * 4 - 2, {}),
        (lambda m, x: 1 - torch.rsub(-m.a(x).tanh(), 3), {}),
        (lambda m, x: torch.sigmoid(m.c(m.a(x).relu()).squeeze(-1)), {}),
        (lambda m, x: m.c(m.a(x).relu()).squeeze(1).float(), {}),
        (lambda m, x: torch.tanh(nn.functional.linear(x, m.a.weight * MASK, m.a.bias)), {}),
        (lambda m, x: (x @ m.mean + m.std).relu(), {"mean": (6, 4), "std": (4,)}),
        (lambda m, x: torch.addmm(m.std, x, m.mean), {"mean": (6, 4), "std": (4,)}),
    ],
)
def test_constants(forward, constants):
    shapes = {k: (6,) if isinstance(v, int) else v for k, v in constants.items()}
    check(Forward(forward, **{k: 0.5 + torch.rand(shape) for k, shape in shapes.items()}))


def test_constants_of_the_shape_of_a_sample():
    mean, std = torch.rand(1, 1, 2, 3), 0.5 + torch.rand(1, 1, 2, 3)
    forward = Forward(lambda m, x: m.a(torch.flatten((x - mean) / std, 1)))
    check(forward, inputs(40, 1, 2, 3))


def test_integers_do_not_widen_the_network():
    network = check(Forward(lambda m, x: m.a(x - m.mean), mean=torch.arange(6)))
    assert network.linear(1).weight.dtype == np.float32


def test_maps_after_the_last_activation():
    norm = nn.BatchNorm1d(5)
    module = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), norm)
    module(3 * inputs(50, 6))
    assert check(module).n_linear == 2


WRAPS = [
    utils.weight_norm,
    utils.spectral_norm,
    lambda layer: prune.l1_unstructured(layer, "weight", amount=0.5),
    utils.parametrizations.weight_norm,
    utils.parametrizations.spectral_norm,
    utils.parametrizations.orthogonal,
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("wrap", WRAPS)
def test_weights_that_are_computed_are_those_of_the_next_run(wrap):
    saved, module = net(wrap(nn.Linear(6, 5))), net(wrap(nn.Linear(6, 5)))
    module.load_state_dict(saved.state_dict())
    check(module)
    module.train()
    module(inputs(9, 6)).square().sum().backward()
    torch.optim.SGD(module.parameters(), 0.5).step()
    check(module)


class Scaled(nn.Linear):
    def forward(self, x):
        return 1.01 * super().forward(x)


class Adapted(nn.Linear):
    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.lora_A, self.lora_B = nn.Linear(sizes[0], 2), nn.Linear(2, sizes[1])

    def forward(self, x):
        return super().forward(x) + self.lora_B(self.lora_A(x))


class Named(nn.Linear):
    """Computes what its parent does."""


def hooked(hook, *, before=False):
    module = net()
    register = module[2].register_forward_pre_hook if before else module[2].register_forward_hook
    register(hook)
    return module


def double(module, args, output):
    return 2 * output


def shift(module, args):
    return (args[0] - 1,)


def clip(module, args, output):
    return output.clamp(-50, 50)


def replaced():
    module = net()
    module[2].forward = lambda x: 2 * nn.Linear.forward(module[2], x)
    return module


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (replaced, "layer '2': its method forward was replaced"),
        (lambda: net(Scaled(6, 5)), r"First at layer '0': its class .*Scaled computes something"),
        (lambda: net(nn.Sequential(Adapted(6, 5))), r"layer '0.0': it has a LoRA .*merge_and_unlo"),
        (lambda: hooked(double), r"layer '2': it has hooks \(double\); remove them"),
        (lambda: hooked(shift, before=True), r"layer '2': it has hooks \(shift\)"),
        (lambda: Forward(lambda m, x: nn.functional.dropout(m.a(x))), "random; .*self.training"),
        (lambda: Forward(lambda m, x: m.a(x).to(torch.bfloat16).float()), "First at layer 'to'"),
    ],
)
def test_what_computes_something_else_is_refused(make, message):
    with pytest.raises(WeightFileError, match=f"does not compute what the model.*{message}"):
        load(make().eval())


def test_a_difference_that_the_last_activation_hides():
    module = nn.Sequential(nn.Linear(6, 5), nn.Sigmoid())
    module[0].register_forward_hook(clip)
    with pytest.raises(WeightFileError, match="First at layer '0'"):
        load(module)


def test_hooks_that_look_on_and_subclasses_that_add_nothing():
    check(net(Named(6, 5)))
    check(hooked(lambda module, args, output: None))


@pytest.mark.filterwarnings("ignore")
def test_quantized_models():
    quantization = torch.ao.quantization
    dynamic = quantization.quantize_dynamic(nn.Sequential(net()), {nn.Linear})
    with pytest.raises(WeightFileError, match=r"layer '0\.0' .*it is quantized .*before quant"):
        load(dynamic)
    module = net(None, nn.ReLU(), nn.Linear(5, 3)).train()
    module.qconfig = quantization.get_default_qat_qconfig("fbgemm")
    module = quantization.prepare_qat(module)
    module(inputs(9, 6))
    with pytest.raises(WeightFileError, match="layer '0': it is quantized"):
        load(module.eval())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(
    "wrap", [nn.DataParallel, lambda module: torch.compile(module, backend="eager")]
)
def test_wrappers(wrap, nested):
    module = net()
    network = load(nn.Sequential(wrap(module)) if nested else wrap(module))
    np.testing.assert_array_equal(network.linear(1).weight, module[0].weight.detach())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: torch.jit.script(net()), "a TorchScript program.*state_dict"),
        (lambda: nn.Sequential(torch.jit.trace(net(), inputs(2, 6))), ", 0: a TorchScript"),
        (lambda: nn.Sequential(net(nn.LazyLinear(5))), "0.0.weight: has no numbers.*one batch"),
        (lambda: Forward(lambda m, x: m.a(x) + m.b(m.a(x))), "does not take the output"),
    ],
)
def test_what_cannot_be_read(make, message):
    with pytest.raises(WeightFileError, match=message):
        load(make())


def test_what_cannot_be_copied():
    module = net()
    module.loader = (k for k in range(3))
    with pytest.raises(WeightFileError, match="no copy of it can be made"):
        load(module)


def test_the_model_is_left_as_it_was():
    module = nn.Sequential(
        nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Dropout(), nn.Linear(5, 2)
    ).train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    load(module)
    assert module.training
    assert all(part.training for part in module)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in module.parameters())
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (np.random.get_state()[1] == states[1]).all()  # noqa: NPY002
    assert random.getstate() == states[2]


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.enable_grad])
def test_modes_of_the_caller(mode):
    with mode(), torch.autocast("cpu", torch.bfloat16):
        load(net())


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh, nn.GELU, nn.Softplus, nn.Mish])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_rounding_is_no_difference(activation, dtype):
    """Deep, wide networks, and inputs far from zero."""
    layers = [part for _ in range(8) for part in (nn.Linear(300, 300), activation())]
    load(nn.Sequential(*layers, nn.Linear(300, 4)).to(getattr(torch, dtype)))
    far = Forward(lambda m, x: m.b(m.a((x - m.mean) / m.std).tanh()), mean=1e4 * torch.ones(6),
                  std=torch.rand(6) + 0.1)  # fmt: skip
    load(far)
