"""Criteria with a negative weight: the opposite optimum, and no certificate that is not true."""

import numpy as np
import pytest

import descrambler as ds
from descrambler import criteria

pytestmark = pytest.mark.usefixtures("one_thread")

N = 6


def signals(seed=0, m=80):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((m, N)) @ rng.standard_normal((N, N)) + 0.3


QUADRATIC = {
    "smoothness": -1 * criteria.Smoothness(),
    "open ends": -2.5 * criteria.Smoothness(boundary="neumann"),
    "autocorrelation": -1 * criteria.Autocorrelation(),
    "locality": -criteria.Locality(center=1.0),
    "covariance": -0.5 * criteria.TargetCovariance(np.diag(np.arange(1.0, N + 1))),
    "mixed": criteria.Smoothness() + -3 * criteria.Autocorrelation(lag=2),
    "turned and mixed": -1 * criteria.Smoothness() + 3 * criteria.Autocorrelation(lag=2),
    "both turned": -1 * (criteria.Smoothness() + criteria.Locality(center=2.0)),
}


@pytest.mark.parametrize("name", QUADRATIC)
def test_a_certificate_holds_against_every_other_rotation(name):
    criterion, rows = QUADRATIC[name], signals()
    found = ds.descramble(rows, criterion)
    assert found.optimality == "certified" and found.method == "exact"
    sense = 1 if criterion.maximize else -1
    slack = 1e-9 * abs(found.bound)
    rng = np.random.default_rng(1)
    for _ in range(100):
        p = ds.group.random_rotation(N, rng)
        value, _ = criterion.value_and_gradient(p, signals=rows)
        assert sense * (value - found.bound) <= slack
    # The iteration goes where the exact solution is, and no further.
    near = ds.descramble(rows, criterion, method="riemannian-lbfgs", n_starts=3, random_state=0)
    assert sense * (near.objective - found.bound) <= slack
    assert near.objective == pytest.approx(found.objective, rel=1e-6)


def test_the_value_is_the_weight_times_the_value():
    rows, p = signals(2), ds.group.random_rotation(N, 3)
    for criterion in (criteria.Orthomax(0), criteria.Entropy(), criteria.Smoothness()):
        plain, slope = criterion.value_and_gradient(p, signals=rows)
        for turned in (-2 * criterion, -(2 * criterion), criterion * -2.0):
            value, gradient = turned.value_and_gradient(p, signals=rows)
            assert value == pytest.approx(-2 * plain, rel=1e-12)
            np.testing.assert_allclose(gradient, -2 * slope, rtol=1e-9, atol=1e-9)
            assert turned.maximize == criterion.maximize


def test_flat_rows_are_found_again():
    # Rows of signs are as flat as rows can be: in no basis is the sum of fourth powers smaller.
    flat = np.random.default_rng(4).choice([-1.0, 1.0], (200, 8))
    rows = flat @ ds.group.random_rotation(8, 5)
    found = ds.descramble(rows, -1 * criteria.Orthomax(0), n_starts=8, random_state=0)
    least = np.sum(np.sum(rows**2, axis=1) ** 2) / 8
    assert -found.objective == pytest.approx(least, rel=1e-6)
    assert np.abs(np.abs(found.transform(rows)) - 1).max() < 1e-3
    assert found.maximize and np.isinf(found.bound) and found.optimality == "local"
    opposite = ds.descramble(rows, "quartimax")
    assert opposite.objective > 1.5 * least


@pytest.mark.parametrize("gamma", [0.0, 1.0])
def test_no_random_rotation_is_flatter(gamma):
    rows = np.random.default_rng(6).standard_t(4, (150, N))
    found = ds.descramble(rows, -1 * criteria.Orthomax(gamma), n_starts=4, random_state=0)
    assert found.converged and found.gradient_norm < 1e-5 * abs(found.objective)
    rng = np.random.default_rng(7)
    for _ in range(50):
        y = rows @ ds.group.random_rotation(N, rng)
        power = np.sum(y**2, axis=0)
        assert -found.objective < np.sum(y**4) - gamma / 150 * power @ power


def test_steps_that_only_rise_are_refused():
    with pytest.raises(ValueError, match="maximizes kurtosis and orthomax, not -1 x quartimax"):
        ds.descramble(signals(), -1 * criteria.Orthomax(0), method="polar")
    with pytest.raises(ValueError, match="rank needs smoothness, got -1 x"):
        ds.descramble(signals(), -1 * criteria.Smoothness(), rank=2)


@pytest.mark.parametrize("weight", [0, np.nan, -np.inf])
def test_weights_that_say_nothing_are_refused(weight):
    with pytest.raises(ValueError, match="must be finite and not zero"):
        weight * criteria.Orthomax(0)


def test_a_saved_result_keeps_its_sense(tmp_path):
    found = ds.descramble(signals(), -1 * criteria.Smoothness())
    found.save(tmp_path / "r.npz")
    again = ds.load_result(tmp_path / "r.npz")
    assert again.criterion.startswith("-1 x ") and again.maximize is False
    assert again.optimality == "certified" and again.objective == found.objective < 0
