"""The user's own criteria."""

import numpy as np
import pytest

import descrambler as ds
from descrambler import criteria

SIGNALS = np.random.default_rng(0).laplace(size=(400, 6))


def quartic(y):
    return np.sum(y**4), 4 * y**3


def test_of_signals_equals_the_built_in():
    own = criteria.Custom(quartic, maximize=True)
    result = ds.descramble(SIGNALS, own, random_state=0)
    built_in = ds.descramble(SIGNALS, "quartimax", random_state=0)
    assert result.objective == pytest.approx(built_in.objective, rel=1e-9)
    assert result.optimality == "local"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_of_the_rotation(dtype):
    w = np.random.default_rng(1).standard_normal((6, 6))

    def trace(p):
        assert p.dtype in (dtype, np.float64)
        return np.sum(p * w.T), w.T

    own = criteria.Custom(trace, of="rotation", maximize=True)
    result = ds.descramble(SIGNALS.astype(dtype), own, tol=1e-5)
    assert result.objective == pytest.approx(ds.diagonalize(w, "sum").objective, rel=1e-5)


@pytest.mark.slow
def test_autograd():
    pytest.importorskip("torch")
    own = criteria.Custom(lambda y: (y**4).sum(), maximize=True, autograd=True)
    p = ds.group.random_rotation(6, 0)
    value, gradient = own.value_and_gradient(p, signals=SIGNALS)
    expected, slope = criteria.Orthomax(0).value_and_gradient(p, signals=SIGNALS)
    assert value == pytest.approx(expected)
    np.testing.assert_allclose(gradient, slope, rtol=1e-10)
    assert ds.descramble(SIGNALS, own + criteria.Kurtosis(), random_state=0).converged


@pytest.mark.parametrize(("factor", "named"), [(2, "factor of 2"), (-1, "factor of -1")])
def test_a_wrong_gradient_is_named(factor, named):
    wrong = criteria.Custom(lambda y: (np.sum(y**4), factor * 4 * y**3), name="mine")
    with pytest.raises(ds.GradientError, match=rf"mine.*per radian.*{named}"):
        ds.descramble(SIGNALS, 2 * wrong + criteria.Smoothness())


def test_unchecked():
    wrong = criteria.Custom(lambda y: (np.sum(y**4), -4 * y**3), check=False)
    with pytest.warns(ds.ConvergenceWarning, match="no further decrease"):
        ds.descramble(SIGNALS, wrong, random_state=0)


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda y: 1.0, TypeError, r"must return \(value, gradient\)"),
        (lambda y: (1.0, y[0]), ValueError, "gradient of shape"),
        (lambda y: (np.nan, y), ValueError, "not finite"),
        (lambda y: 1 / 0, ZeroDivisionError, "division"),
    ],
)
def test_bad_answers(function, error, message):
    with pytest.raises(error, match=message):
        ds.descramble(SIGNALS, criteria.Custom(function))


def test_an_error_in_the_middle_arrives():
    calls = []

    def function(y):
        calls.append(1)
        if len(calls) > 12:
            raise RuntimeError("mine")
        return quartic(y)

    with pytest.raises(RuntimeError, match="mine"):
        ds.descramble(SIGNALS, criteria.Custom(function), random_state=0)


def test_bad_input():
    with pytest.raises(TypeError, match="function must be callable"):
        criteria.Custom(3)
    with pytest.raises(ValueError, match="of must be one of"):
        criteria.Custom(quartic, of="weights")
