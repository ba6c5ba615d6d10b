"""The rational replica of DEERNet: filters, transform, choice of the penalty, comparison."""

import dataclasses
import importlib
from pathlib import Path

import numpy as np
import pytest
import scipy.signal
from numpy.testing import assert_allclose

from descrambler import deer


@pytest.fixture(scope="module")
def replica():
    return deer.replica()


def gain(taps, frequency):
    return np.abs(scipy.signal.freqz(taps, worN=[np.pi * frequency])[1][0])


def test_filters_are_symmetric_and_have_the_papers_orders_and_bands(replica):
    assert (replica.high_pass.size, replica.low_pass.size) == (257, 33)
    for taps in (replica.high_pass, replica.low_pass):
        assert_allclose(taps, taps[::-1], atol=1e-12)
    # The paper's edges are closer together than 257 taps can follow.
    assert gain(replica.high_pass, 0) == pytest.approx(0.06, abs=0.005)
    assert gain(replica.high_pass, 0.008) == pytest.approx(0.80, abs=0.005)
    assert gain(replica.high_pass, 0.5) == pytest.approx(1, abs=0.002)
    assert gain(replica.low_pass, 0.01) == pytest.approx(1, abs=0.01)
    assert gain(replica.low_pass, 0.3) < 0.05


def test_edges_can_be_chosen():
    wide = deer.replica(1e-3, high_pass=(0.01, 0.05), low_pass=(0.05, 0.2))
    assert gain(wide.high_pass, 0) < 1e-3
    assert gain(wide.low_pass, 0.2) < 0.02


@pytest.mark.parametrize("penalty", [1e-6, 1e-2])
def test_transform_solves_equation_13(penalty):
    found = deer.replica(penalty, high_pass=None, low_pass=None, n_points=64)
    data = deer.simulate(5000, random_state=0, n_points=64)
    p = data.distributions.T.astype(float)
    f = deer.kernel(data.time, data.distance) @ p
    largest = np.linalg.norm(f, 2) ** 2
    expected = p @ f.T @ np.linalg.inv(f @ f.T + penalty * largest * np.eye(64))
    assert_allclose(found.transform, expected, rtol=1e-6, atol=1e-8 * np.abs(expected).max())
    # The two norms of the L-curve, at the grid's nearest penalty.
    k = int(np.argmin(np.abs(np.log(found.penalties.penalty / penalty))))
    assert found.penalties.penalty[k] == pytest.approx(penalty)
    assert found.penalties.residual[k] == pytest.approx(np.linalg.norm(expected @ f - p))
    assert found.penalties.size[k] == pytest.approx(np.linalg.norm(expected), rel=1e-6)
    hat = f.T @ np.linalg.inv(f @ f.T + penalty * largest * np.eye(64)) @ f
    score = np.linalg.norm(expected @ f - p) ** 2 / (5000 - np.trace(hat)) ** 2
    assert found.penalties.gcv[k] == pytest.approx(score)


def test_filters_act_without_delay(replica):
    time = np.arange(256)
    # A slow oscillation, even in time, in the pass band of both filters.
    trace = np.cos(2 * np.pi * 0.025 * time)[None]
    spike = np.zeros((1, 256))
    spike[0, 128] = 1
    bare = dataclasses.replace(replica, transform=np.eye(256))
    assert_allclose(bare(trace)[0, :100], trace[0, :100], atol=0.1)
    assert bare(spike)[0].argmax() == 128


def test_corner_is_the_most_regularized_of_the_sharp_ones(replica):
    curve = replica.penalties
    peaks, _ = scipy.signal.find_peaks(curve.curvature, height=curve.curvature.max() / 2)
    assert replica.penalty == curve.penalty[peaks[-1]]
    assert len(peaks) > 1  # the paper's filters leave no single corner
    none = deer.replica(high_pass=None, low_pass=None)
    assert none.penalty == none.penalties.penalty[none.penalties.curvature.argmax()]


def test_cross_validation_takes_the_smallest_score():
    found = deer.replica("gcv")
    assert found.penalty == found.penalties.penalty[found.penalties.gcv.argmin()]


def test_one_answer_for_a_seed(replica):
    assert_allclose(deer.replica().transform, replica.transform, rtol=0, atol=0)
    assert np.abs(deer.replica(random_state=1).transform - replica.transform).max() > 0


def test_replica_stands_where_a_network_does(replica):
    time = np.arange(300) * 0.008
    form = deer.kernel(time, [35.0])[:, 0]
    noise = 0.003 * np.random.default_rng(0).standard_normal(300)
    trace = deer.prepare(deer.Trace(time, (0.6 + 0.4 * form) * np.exp(-0.25 * time) + noise))
    result = deer.predict_distances([replica], trace)
    assert (result.density >= 0).all()
    best = max(result.peaks, key=lambda peak: peak.share)
    assert best.position == pytest.approx(35, abs=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"regularization": "best"},
            "regularization must be 'l-curve', 'gcv' or a positive number",
        ),
        ({"regularization": -1.0}, "regularization must be"),
        ({"regularization": np.nan}, "regularization must be"),
        ({"high_pass": (0.1, 0.05)}, "high_pass must be two ascending edges"),
        ({"low_pass": (0.1, 1.0)}, "low_pass must be two ascending edges"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        deer.replica(**arguments)


def test_wrong_traces_are_named(replica):
    with pytest.raises(ValueError, match=r"traces must have 256 points, got shape \(2, 100\)"):
        replica(np.ones((2, 100)))
    with pytest.raises(ValueError, match="traces must be finite"):
        replica(np.full((1, 256), np.nan))


def test_overlap():
    assert_allclose(deer.overlap([[1.0, 1.0, 0.0]], [[0.0, 2.0, 2.0]]), [0.5])
    assert_allclose(deer.overlap([[-5.0, 3.0]], [[0.0, 7.0]]), [1.0])
    assert_allclose(deer.overlap([[0.0, -1.0]], [[1.0, 1.0]]), [0.0])
    with pytest.raises(ValueError, match="output and truth must have one shape"):
        deer.overlap([[1.0]], [[1.0, 2.0]])


def test_comparison_puts_the_methods_in_the_order_of_the_docs(monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "examples"))
    script = importlib.import_module("replica")
    monkeypatch.setattr(script, "PENALTIES", np.array([1e-3, 1e-2]))
    overlaps = script.judge(script.rivals(), deer.simulate(300, random_state=5))
    means = [overlaps[name].mean() for name in (
        "oracle: no filters, noise-free form factors", "network", "linear ridge regression",
        "replica, tuned", "replica, L-curve", "no filters, L-curve")]  # fmt: skip
    assert means == sorted(means, reverse=True)
    assert "| replica, L-curve |" in capsys.readouterr().out
