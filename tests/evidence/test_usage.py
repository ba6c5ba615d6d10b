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
        assert result.table()[0][-2:] == ("loss without it", "verdict")


def test_the_inverse_of_a_reference_is_taken_from_the_outputs():
    rng = np.random.default_rng(1)
    kernel = rng.standard_normal((N, N)) @ cosines(N)
    turn = ds.group.random_rotation(N, 0)
    network = linear(turn @ np.linalg.inv(kernel), turn.T)
    y = rng.standard_normal((200, N))
    found, _ = used(network, y @ kernel.T, y, reference=kernel, detectors=())
    change, chance = found["inverse of the reference", "network"]
    assert change == pytest.approx(100, abs=3)
    assert chance > change  # random maps add what is not wanted


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


def test_bad_targets():
    network, x = linear(cosines(8), cosines(8).T), np.random.default_rng(0).random((40, N))
    with pytest.raises(ValueError, match=r"targets must have shape \(40, 32\), a row per input"):
        ds.interpret(network, x, targets=np.ones((39, N)))
    with pytest.raises(ValueError, match="targets must be an array or 'outputs', got 'inputs'"):
        ds.interpret(network, x, targets="inputs")
