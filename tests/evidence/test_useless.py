"""Inputs and layers of which nothing can be said: an error, or a reason, but no verdict."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import descrambler as ds
from descrambler.evidence.detectors import DETECTORS

BY_NAME = {detector.name: detector for detector in DETECTORS}


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(1):
        yield


def network(rng, *widths, scale=1.0):
    layers = []
    for n_in, n_out in zip(widths[:-1], widths[1:], strict=True):
        layers += [
            ds.Linear(scale * rng.standard_normal((n_out, n_in)) / np.sqrt(n_in)),
            ds.Activation("tanh"),
        ]
    return ds.Network(layers)


def signals(m, n, seed=0):
    return np.random.default_rng(seed).standard_normal((m, n))


def verdicts(net, x, **options):
    return {
        (f.what, f.where): f for f in ds.interpret(net, x, nulls=20, threads=1, **options).findings
    }


def test_useless_inputs_are_an_error():
    net = network(np.random.default_rng(0), 20, 8, 20)
    with pytest.raises(ValueError, match="inputs must vary, but all rows are the same"):
        ds.interpret(net, np.ones((100, 20)))
    with pytest.raises(ValueError, match="inputs must vary"):
        ds.interpret(net, np.zeros((100, 20)))
    few = np.repeat(signals(29, 20), 10, axis=0)
    with pytest.raises(ValueError, match="at least 30 distinct rows, got 29"):
        ds.interpret(net, few)
    with pytest.raises(ValueError, match="null_inputs must be at least 30, got 29"):
        ds.interpret(net, signals(100, 20), null_inputs=29)
    rare = np.vstack([np.repeat(signals(1, 20), 2000, axis=0), signals(40, 20)])
    with pytest.raises(ValueError, match="at least 30 distinct rows"):
        ds.interpret(net, rare, null_inputs=200)  # those that are judged, not those that were given


def test_claims_that_depend_on_p_need_as_many_inputs_as_units():
    net = network(np.random.default_rng(0), 40, 64, 40)
    found = verdicts(net, np.repeat(signals(50, 40), 3, axis=0))
    for finding in found.values():
        if finding.rotation_matters:
            assert finding.verdict == "not testable"
            assert (
                "needs at least 64 distinct inputs, one per unit, but there are 50"
                in finding.sentence
            )
    assert found["low rank", "layer 1"].verdict != "not testable"
    assert found["low-pass", "network"].verdict != "not testable"


def saturated(rng):
    net = network(rng, 40, 12, 40)
    return ds.Network([ds.Linear(net.linear(1).weight, np.full(12, 1e4)), *net.layers[1:]])


def dead(rng):
    net = network(rng, 40, 12, 40)
    first = ds.Linear(net.linear(1).weight, np.full(12, -1e4))
    return ds.Network([first, ds.Activation("relu"), net.layers[2]])


def zero(rng):
    net = network(rng, 40, 12, 40)
    return ds.Network([net.layers[0], net.layers[1], ds.Linear(np.zeros((40, 12)))])


@pytest.mark.parametrize("make", [saturated, dead, zero])
def test_layers_without_function_are_not_testable(make):
    found = verdicts(make(np.random.default_rng(1)), signals(60, 40))
    finding = found["low-pass", "network"]
    assert finding.verdict == "not testable"
    assert "the mean Jacobian is zero (saturated or dead units)" in finding.sentence
    second = found["link sinusoids", "layer 2"].sentence
    assert (
        "the same signals for all inputs" in second or "all weights of layer 2 are zero" in second
    )


@pytest.mark.parametrize("widths", [(40, 1, 40), (1, 8, 40), (40, 8, 1), (3, 2, 3), (1, 1, 1)])
def test_narrow_networks_have_reasons_and_no_exception(widths):
    found = verdicts(network(np.random.default_rng(2), *widths), signals(60, widths[0]))
    narrow = found["link sinusoids", "layer 2"].verdict == "not testable"
    assert narrow == (widths != (1, 8, 40))
    for finding in found.values():
        assert finding.sentence
        assert np.isfinite(finding.value) or finding.verdict == "not testable"
    if widths[0] < 4:
        assert f"needs at least 4 inputs, and this network has {widths[0]}" in (
            found["low-pass", "network"].sentence
        )


@pytest.mark.parametrize("widths", [(64, 24, 64), (48, 48, 20)])
def test_an_orthogonal_start_gives_no_orthogonal_columns(widths):
    def start(seed):
        shapes = zip(widths[1:], widths[:-1], strict=True)
        layers = []
        for k, (n_out, n_in) in enumerate(shapes):
            q = ds.group.random_rotation(max(n_out, n_in), 10 * seed + k)
            layers += [ds.Linear(q[:n_out, :n_in]), ds.Activation("tanh")]
        return ds.Network(layers)

    x = signals(100, widths[0])
    for initial in (start(1), start):
        detectors = (BY_NAME["orthogonal columns"], BY_NAME["low rank"])
        found = verdicts(start(5), x, initial=initial, detectors=detectors)
        assert found["orthogonal columns", "layer 2"].verdict not in ("learnt", "present")


def test_a_planted_diagonal_is_found_in_a_square_first_layer_and_none_in_an_orthogonal_one():
    rng, n = np.random.default_rng(0), 32
    gains = np.diag(rng.uniform(0.2, 1.8, n))
    noise = rng.standard_normal((n, n))
    planted = np.sqrt(0.95) * gains / np.linalg.norm(gains) + np.sqrt(
        0.05
    ) * noise / np.linalg.norm(noise)
    turn = ds.group.random_rotation(n, 1)
    options = {"detectors": (BY_NAME["diagonal"], BY_NAME["low rank"])}
    second = ds.Linear(rng.standard_normal((20, n)) / np.sqrt(n))

    def net(first):
        return ds.Network([ds.Linear(first), ds.Activation("tanh"), second])

    x = signals(100, n)
    start = net(rng.standard_normal((n, n)))
    found = verdicts(net(4 * turn @ planted), x, initial=start, **options)["diagonal", "layer 1"]
    assert found.verdict == "present"
    assert found.value > 0.5
    found = verdicts(net(turn), x, initial=start, **options)["diagonal", "layer 1"]
    assert (found.value, found.verdict) == (0.0, "not found")


@pytest.mark.parametrize("units", [24, 80])
def test_sinusoids_of_two_thirds_pass_the_floor_at_every_width(units):
    detector = BY_NAME["link sinusoids"]
    rng = np.random.default_rng(0)
    net = network(rng, 64, units, 64)
    floor = detector.floor_at(net, 2)
    waves = ds.criteria.link_basis(units).from_modes(np.eye(units)).T
    values = 0.85 ** np.arange(units)

    def purity(strength):
        planted = (np.linalg.qr(rng.standard_normal((units, units)))[0] * values) @ waves
        noise = rng.standard_normal((units, units))
        w = np.sqrt(strength) * planted / np.linalg.norm(planted)
        w += np.sqrt(1 - strength) * noise / np.linalg.norm(noise)
        _, s, vt = np.linalg.svd(w)
        return ds.analysis.mode_purity(vt, s)

    assert min(purity(0.7) for _ in range(10)) > floor > max(purity(0.0) for _ in range(10))
