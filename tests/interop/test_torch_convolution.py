"""Convolutions as taps: their channels are a link dimension."""

import numpy as np
import pytest

import descrambler as ds

torch = pytest.importorskip("torch")
bridge = ds.interop.torch


def network(**options):
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv1d(2, 6, 5, stride=2, **options),
        torch.nn.Tanh(),
        torch.nn.Conv1d(6, 3, 3, dilation=2, padding="same"),
        torch.nn.Flatten(),
    ).double()


@pytest.fixture
def batches():
    torch.manual_seed(1)
    return [torch.randn(20, 2, 31, dtype=torch.float64) for _ in range(2)]


@pytest.mark.parametrize("options", [{}, {"padding": 3}, {"bias": False, "dilation": 3}])
def test_channels_are_units_at_every_place(batches, options):
    model = network(**options)
    grams = bridge.capture(model, batches, ["0:output", "2:input"])
    with torch.no_grad():
        before = torch.cat([model[0](batch) for batch in batches])
    rows = before.movedim(1, 2).reshape(-1, 6).numpy()
    assert grams["0:output"].count == len(rows)
    np.testing.assert_allclose(grams["0:output"].matrix, rows.T @ rows, rtol=1e-12)
    layers = bridge.descramble_module(model, grams)
    p = layers["0:output"].result.rotation.matrix
    turned = np.einsum("ij,jkl->ikl", p, model[0].weight.detach().numpy())
    np.testing.assert_allclose(layers["0:output"].weight.numpy(), turned, atol=1e-14)
    q = layers["2:input"].result.rotation.matrix
    turned = np.einsum("ijl,kj->ikl", model[2].weight.detach().numpy(), q)
    np.testing.assert_allclose(layers["2:input"].weight.numpy(), turned, atol=1e-14)
    assert bridge.verify(model, layers, batches).relative < 1e-13


def test_mask_says_which_places_count(batches):
    model = network()
    with torch.no_grad(), bridge.Capture(model, "0:input") as captured:
        captured.mask = torch.arange(31).repeat(20, 1) < 10
        model(batches[0])
    assert captured.result()["0:input"].count == 200


def test_signals_are_kept_with_channels_last(batches):
    signals = bridge.capture(network(), batches, "0:input", keep="signals")["0:input"]
    torch.testing.assert_close(signals[:62].reshape(2, 31, 2).movedim(2, 1), batches[0][:2])


@pytest.mark.parametrize(
    ("convolution", "reason"),
    [
        (torch.nn.Conv1d(4, 4, 3, groups=2), "groups=1, got groups=2"),
        (torch.nn.Conv1d(4, 4, 3, padding=1, padding_mode="circular"), "padding_mode='circular'"),
    ],
)
def test_other_convolutions_are_refused(convolution, reason):
    model = torch.nn.Sequential(convolution)
    grams = bridge.capture(model, [torch.randn(30, 4, 9)], "0:output")
    with pytest.raises(ValueError, match=reason):
        bridge.descramble_module(model, grams)


def test_a_convolution_with_a_hook_is_refused():
    model = network()
    grams = bridge.capture(model, [torch.randn(30, 2, 31, dtype=torch.float64)], "0:output")
    model[0].register_forward_hook(lambda module, inputs, output: 1.01 * output)
    with pytest.raises(ValueError, match="Conv1d computes something else than its convolution"):
        bridge.descramble_module(model, grams)


def test_convolutions_in_two_dimensions_are_no_taps():
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3))
    with pytest.raises(TypeError, match=r"0 must be an nn\.Linear or nn\.Conv1d, got Conv2d"):
        bridge.capture(model, [torch.randn(1, 1, 5, 5)], "0:output")
