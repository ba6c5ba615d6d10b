"""95 % bands of RIDME networks: the same calibration, on simulated RIDME traces."""

import numpy as np
import pytest

from descrambler import deer
from descrambler.cli._main import main
from descrambler.network import Activation, Linear, Network

N = 64


def fitted(seed):
    """A network with random first weights, fitted to simulated RIDME traces by least squares."""
    rng = np.random.default_rng(seed)
    data = deer.simulate(3000, seed, N, experiment="ridme")
    scaled = data.distributions / data.distributions.max(axis=1, keepdims=True)
    first = 3 * rng.standard_normal((80, N)) / np.sqrt(N)
    hidden = np.tanh(data.traces @ first.T)
    wanted = np.log((scaled + 0.02) / (1.02 - scaled))
    last = np.linalg.solve(hidden.T @ hidden + 0.01 * np.eye(80), hidden.T @ wanted).T
    return Network([Linear(first), Activation("tanh"), Linear(last), Activation("logistic")])


@pytest.fixture(scope="module")
def networks():
    return [fitted(seed) for seed in range(5)]


def test_the_truth_is_in_the_band(networks):
    calibration = deer.calibrate(networks, 2000, experiment="ridme")
    found = deer.coverage(networks, calibration, 2000)
    assert found.overall == pytest.approx(0.951, abs=0.01)
    assert found.outside == []  # of 25 strata
    assert found.distance[[0, -1]] == pytest.approx(
        deer.distance_range(2 / (N - 1), 2.0, "ridme"), rel=1e-6
    )
    with pytest.raises(ValueError, match="calibration must be for deer, got one for ridme"):
        calibration.check(networks, "deer")


def test_the_command_takes_the_calibration_of_its_experiment(networks, tmp_path, capsys):
    paths = [str(tmp_path / f"{k}.npz") for k in range(2)]
    for network, path in zip(networks, paths, strict=False):
        network.save(path)
    bands = tmp_path / "calibration.json"
    deer.calibrate(networks[:2], 300, experiment="ridme").save(bands)
    data = deer.simulate(1, 7, 200, experiment="ridme")
    trace = tmp_path / "trace.txt"
    np.savetxt(trace, np.column_stack([data.time, data.traces[0]]))
    asked = ["deer", str(trace), "--zero", "0", "--net", *paths, "--calibration", str(bands)]
    assert main([*asked, "--experiment", "ridme", "-o", str(tmp_path / "out")]) == 0
    assert "300 simulated traces" in capsys.readouterr().out
    header = (tmp_path / "out" / "distribution.csv").read_text().splitlines()[0]
    assert "lower_95,upper_95,member_1,member_2" in header
    assert main([*asked, "-o", str(tmp_path / "no")]) == 2
    assert "must be for deer, got one for ridme" in capsys.readouterr().err
