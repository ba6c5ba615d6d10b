"""Exact derivatives against finite differences, products against whole Jacobians."""

import numpy as np
import pytest

import descrambler as ds
from descrambler import analysis
from descrambler.analysis._jacobian import mean_jacobian_from
from descrambler.network._functions import FUNCTIONS

STAGES = [
    *(ds.Activation(name) for name in FUNCTIONS),
    ds.Activation("leaky_relu", 0.2),
    ds.Renormalize(),
]
CHAINS = {
    "one layer": [5],
    "two layers": [5, "tanh", 6, "logistic"],
    "two layers, linear at the end": [5, "relu", 6],
    "three layers": [5, "tanh", 6, "softplus", 4, "logistic"],
    "four layers": [5, "tanh", 6, "leaky_relu", 7, "tanh", 4],
    "two linear layers in a row": [5, 6, "tanh", 4, 3],
    "rank-one slopes inside": [5, "softplus", "renorm", 6, "softmax", 4, "softplus", "renorm"],
    "rank-one slopes in two layers": [5, "softplus", "renorm", 6, "softmax"],
    "a function before all": ["tanh", 5, "tanh", 6],
    "a function before all and one layer": ["tanh", 5],
    "nothing but functions between": [5, "softmax", "tanh", "softmax", 6],
}


def network(chain, n_in=7, dtype=np.float64, seed=0):
    generator = np.random.default_rng(seed)
    layers, width = [], n_in
    for item in chain:
        if isinstance(item, int):
            w = generator.standard_normal((item, width)) / np.sqrt(width)
            layers.append(ds.Linear(w.astype(dtype), generator.standard_normal(item).astype(dtype)))
            width = item
        else:
            layers.append(ds.Renormalize() if item == "renorm" else ds.Activation(item))
    return ds.Network(layers)


def finite_differences(function, x, step=1e-6):
    """Jacobians, shape (m, n_out, n_in), by central differences."""
    moved = [
        (function(x + step * e) - function(x - step * e)) / (2 * step) for e in np.eye(x.shape[1])
    ]
    return np.stack(moved, axis=2)


def inputs(m=9, n=7, dtype=np.float64):
    return np.random.default_rng(1).standard_normal((m, n)).astype(dtype)


@pytest.mark.parametrize("stage", STAGES, ids=str)
def test_slope_of_every_stage(stage):
    x = 2 * inputs() + (7 if isinstance(stage, ds.Renormalize) else 0)
    derivative = stage.derivative(x)
    expected = finite_differences(stage, x)
    forward = derivative.forward(np.eye(7)[None]).swapaxes(1, 2)
    np.testing.assert_allclose(forward, expected, atol=1e-8)
    np.testing.assert_allclose(derivative.backward(np.eye(7)[None]), expected, atol=1e-8)
    assert stage.derivative(x.astype(np.float32)).diagonal.dtype == np.float32


@pytest.mark.parametrize("name", ["tanh", "logistic", "softplus"])
def test_slopes_do_not_overflow(name):
    x = np.array([[-1e4, -40.0, 40.0, 1e4]])
    slope = ds.Activation(name).derivative(x).diagonal
    assert np.isfinite(slope).all()
    # Far out the slope is small, not zero by cancellation.
    assert 0 < slope[0, 1] < 1e-16


@pytest.mark.parametrize("first", STAGES, ids=str)
@pytest.mark.parametrize("second", [ds.Activation("softmax"), ds.Activation("tanh")], ids=str)
def test_chain_rule(first, second):
    x = inputs() + (4 if isinstance(first, ds.Renormalize) else 0)
    both = second.derivative(first(x)).after(first.derivative(x))
    expected = finite_differences(lambda y: second(first(y)), x)
    np.testing.assert_allclose(both.backward(np.eye(7)[None]), expected, atol=1e-8)


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)
def test_jacobians(chain):
    net, x = network(chain), inputs()
    expected = finite_differences(net, x)
    scale = np.abs(expected).max()
    whole = analysis.jacobians(net, x)
    np.testing.assert_allclose(whole, expected, atol=1e-7 * scale)
    np.testing.assert_allclose(
        analysis.mean_jacobian(net, x), whole.mean(axis=0), atol=1e-14 * scale
    )
    generator = np.random.default_rng(2)
    t = generator.standard_normal(x.shape)
    gains = np.sqrt(np.mean(np.sum((whole @ t[:4].T) ** 2, axis=1), axis=0))
    gains /= np.linalg.norm(t[:4], axis=1)
    np.testing.assert_allclose(analysis.directional_gain(net, x, t[:4]), gains, rtol=1e-12)


@pytest.mark.parametrize("chain", list(CHAINS.values())[1:7:2])
def test_batches_change_nothing(chain, monkeypatch):
    net, x = network(chain), inputs(40)
    whole = analysis.mean_jacobian(net, x), analysis.directional_gain(net, x, np.eye(7))
    monkeypatch.setattr("descrambler.analysis._jacobian._BATCH_BYTES", 500)
    np.testing.assert_allclose(analysis.mean_jacobian(net, x), whole[0], rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(analysis.directional_gain(net, x, np.eye(7)), whole[1], rtol=1e-12)


def test_single_precision():
    net, x = network(CHAINS["three layers"], dtype=np.float32), inputs(dtype=np.float32)
    double = network(CHAINS["three layers"])
    for function in (analysis.mean_jacobian, analysis.jacobians):
        result = function(net, x)
        assert result.dtype == np.float32
        np.testing.assert_allclose(result, function(double, x.astype(np.float64)), atol=1e-5)


@pytest.mark.parametrize("unit", [1e-60, 1e-25, 1.0, 1e25, 1e60])
def test_weights_in_float32_have_their_mean_jacobian_in_any_unit(unit):
    """A study takes slopes and products in float32, where that holds the signals."""
    layers = network([5, "relu", 6], dtype=np.float32).layers
    given = ds.Network([ds.Linear(x.weight) if isinstance(x, ds.Linear) else x for x in layers])
    x = unit * inputs(200)
    signals = {0: x @ given.linear(1).weight.T}
    found = mean_jacobian_from(given, x, signals)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, analysis.mean_jacobian(given, x), rtol=1e-5, atol=1e-6)


def test_inner_rotations_do_not_matter():
    net, x = network(CHAINS["three layers"]), inputs()
    rotated = net.with_rotation(ds.group.random_rotation(6, 0), 2)
    np.testing.assert_allclose(
        analysis.mean_jacobian(rotated, x), analysis.mean_jacobian(net, x), atol=1e-14
    )


def test_the_shipped_networks():
    x = ds.deer.simulate(40, random_state=3, dtype=np.float32).traces
    for key in ((2, 1e-6, 0), (3, 1e-6, 0)):
        net = ds.deer.pretrained(*key)
        direct = analysis.jacobians(net, x).mean(axis=0)
        np.testing.assert_allclose(
            analysis.mean_jacobian(net, x), direct, atol=1e-5 * np.abs(direct).max()
        )


def test_bad_input():
    net, x = network(CHAINS["two layers"]), inputs()
    with pytest.raises(ValueError, match=r"inputs must have shape \(m, 7\), got \(3, 4\)"):
        analysis.mean_jacobian(net, np.ones((3, 4)))
    with pytest.raises(ValueError, match="directions must not be zero, but row 1 is"):
        analysis.directional_gain(net, x, [[1.0] * 7, [0.0] * 7])
    with pytest.raises(ValueError, match="directions must have 7 columns"):
        analysis.directional_gain(net, x, np.ones((2, 3)))
    with pytest.raises(ValueError, match="inputs must be finite"):
        analysis.jacobians(net, np.full((2, 7), np.nan))
