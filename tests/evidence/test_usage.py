"""Whether a network uses what is in it: parts whose removal must, or must not, change the loss."""

import numpy as np
import pytest
import scipy.fft
from threadpoolctl import threadpool_limits

import descrambler as ds
from descrambler.evidence.detectors import DETECTORS

N = 32
BY_NAME = {detector.name: detector for detector in DETECTORS}


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(1):
        yield


def cosines(count):
    return scipy.fft.idct(np.eye(N)[:count], axis=1, norm="ortho")


def linear(first, second):
    return ds.Network([ds.Linear(first), ds.Linear(second)])


def used(network, x, targets, **options):
    result = ds.interpret(network, x, nulls=20, threads=1, targets=targets, **options)
    found = {}
    for finding in result.findings:
        if finding.used:
            change, rest = finding.used.split(" % of the variance (at random ")
            found[finding.what, finding.where] = float(change), float(rest.split(" ")[0])
    return found, result


def test_what_a_network_computes_with_is_used_and_random_directions_are_not():
    """The network passes eight slow waves, and they alone make its outputs."""
    waves = cosines(8)
    x = np.random.default_rng(0).standard_normal((300, N))
    network = linear(waves, waves.T)
    detectors = BY_NAME["low-pass"], BY_NAME["low rank"], BY_NAME["notch at zero"]
    for targets in (x @ waves.T @ waves, "outputs"):
        found, result = used(network, x, targets, detectors=detectors)
        change, chance = found["low-pass", "network"]
        y = x @ waves.T @ waves
        everything = 100 * np.mean(y**2) / np.mean((y - y.mean(axis=0)) ** 2)
        assert change == pytest.approx(everything, abs=0.06)
        assert chance == pytest.approx(25, abs=8)  # eight of 32 directions
        change, chance = found["notch at zero", "network"]
        assert change == pytest.approx(100 / 8, abs=3)
        assert chance == pytest.approx(100 / 32, abs=3)
        assert result.table()[0][-2:] == ("used", "verdict")


def test_the_inverse_of_a_reference_is_taken_from_the_outputs():
    rng = np.random.default_rng(1)
    kernel = rng.standard_normal((N, N)) @ cosines(N)
    turn = ds.group.random_rotation(N, 0)
    network = linear(turn @ np.linalg.inv(kernel), turn.T)
    y = rng.standard_normal((200, N))
    found, _ = used(network, y @ kernel.T, y, reference=kernel, detectors=())
    change, chance = found["inverse of the reference", "network"]
    assert change == pytest.approx(100, abs=3)
    assert chance < change / 4  # a random map is hardly in the network


def test_a_part_that_is_not_used_costs_nothing():
    """The two strongest of eight directions are never read; the claim speaks of four of the eight."""
    rng = np.random.default_rng(2)
    first = np.vstack([3 * cosines(2), cosines(10)[4:]])
    second = np.linalg.qr(rng.standard_normal((N, 8)))[0]
    second[:, :2] = 0
    x = rng.standard_normal((300, N))
    found, result = used(linear(first, second), x, "outputs", detectors=(BY_NAME["low rank"],))
    value = next(f.value for f in result.findings if f.where == "layer 1")
    assert value < 0.5
    assert found["low rank", "layer 1"][0] == pytest.approx(100 * 2 / 6, abs=5)


def test_a_planted_frequency_map_is_used_and_the_same_bands_in_another_order_are_not():
    """Output i reads cosine i."""
    turn = ds.group.random_rotation(N, 3)
    network = linear(turn @ cosines(N), turn.T)
    x = np.random.default_rng(3).standard_normal((300, N))
    found, _ = used(network, x, "outputs", detectors=(BY_NAME["frequency map"],))
    change, chance = found["frequency map", "network"]
    assert change == pytest.approx(100 * (N - 1) / N, abs=1.5)  # all but the constant
    assert 0 < chance < 20  # each output loses three of 32 cosines


@pytest.mark.parametrize("units", [16, 17])
def test_a_planted_link_map_is_used_and_the_same_bands_in_another_order_are_not(units):
    """Link frequency k has two neighboring cosines of the inputs, at about the power 1.6 of k."""
    k = (np.arange(1, units) + 1) // 2
    numbers = np.round(0.9 * k**1.6).astype(int) + np.arange(units - 1) % 2
    waves = cosines(N)[[N - 1, *numbers]]  # the constant of the link axis has the last
    values = 0.9 ** np.arange(units)
    turn = ds.group.random_rotation(units, 4)
    x = np.linalg.qr(np.random.default_rng(4).standard_normal((400, N)))[0]
    first = (turn * values) @ waves
    study = ds.evidence.Study(linear(first, turn.T), x)
    part = BY_NAME["link frequency map"].part(study, 1)
    rng = np.random.default_rng(0)
    # The second layer keeps lengths: what the outputs lose is what the hidden signals lose.
    change, *chance = (
        np.sum(np.square(x @ lost.T)) / np.sum(np.square(x @ first.T))
        for lost in (part.removed, *(part.at_random(rng) for _ in range(10)))
    )
    assert change == pytest.approx(1 - 1 / np.sum(values**2), abs=0.02)
    assert max(chance) < change / 2


def test_a_planted_diagonal_is_used_more_than_that_of_random_directions():
    """The hidden rotation hides gains that fall quickly: in random directions little is on the diagonal."""
    gains = np.diag(0.8 ** np.arange(N))
    turn = ds.group.random_rotation(N, 5)
    x = np.random.default_rng(5).standard_normal((300, N))
    found, _ = used(linear(turn @ gains, turn.T), x, "outputs", detectors=(BY_NAME["diagonal"],))
    change, chance = found["diagonal", "layer 1"]
    assert change == pytest.approx(100, abs=1)
    assert chance < 50
    # A rotation is diagonal whatever the directions.
    found, _ = used(linear(turn, turn.T), x, "outputs", detectors=(BY_NAME["diagonal"],))
    assert found["diagonal", "layer 1"][0] == found["diagonal", "layer 1"][1] > 99


@pytest.mark.parametrize("detector", DETECTORS, ids=[d.name for d in DETECTORS])
def test_a_part_and_its_random_counterparts_fit_what_they_are_removed_from(detector):
    rng = np.random.default_rng(6)
    shapes = (21, 32), (21, 21), (24, 21)
    network = ds.Network([ds.Linear(rng.standard_normal(s).astype(np.float32)) for s in shapes])
    study = ds.evidence.Study(network, rng.standard_normal((60, 32)))
    for layer in detector.places(network):
        part = detector.part(study, layer)
        if part is None:
            assert "order" in detector.name or detector.name in (
                "orthogonal columns",
                "link sinusoids",
            )
            continue
        shape = (24, 32) if part.layer == 0 else shapes[part.layer - 1]
        assert part.removed.shape == part.at_random(rng).shape == shape


def test_bad_targets():
    network, x = linear(cosines(8), cosines(8).T), np.random.default_rng(0).random((40, N))
    with pytest.raises(ValueError, match=r"targets must have shape \(40, 32\), a row per input"):
        ds.interpret(network, x, targets=np.ones((39, N)))
    with pytest.raises(ValueError, match="targets must be an array or 'outputs', got 'inputs'"):
        ds.interpret(network, x, targets="inputs")
