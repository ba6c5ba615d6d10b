"""Exchange coupling and time shifts: 0 by default, and what they do to a trace."""

import numpy as np
import pytest
from scipy.integrate import quad

from descrambler import deer
from descrambler.cli._main import main


@pytest.mark.parametrize("exchange", [0.0, 0.7, -1.3, 20.0])
def test_kernel_with_exchange(exchange):
    """Against the average over orientations."""
    for t, r in ((0.0, 30.0), (0.3, 25.0), (1.7, 40.0)):
        angular = 2 * np.pi * deer.dipolar_frequency([r])[0]

        def wave(x, t=t, angular=angular):
            return np.cos((1 - 3 * x**2) * angular * t + 2 * np.pi * exchange * t)

        expected = quad(wave, 0, 1, limit=400)[0]
        assert deer.kernel([t], [r], exchange)[0, 0] == pytest.approx(expected, abs=1e-8)
    assert deer.kernel([-0.3], [25.0], exchange) == deer.kernel([0.3], [25.0], exchange)
    with pytest.raises(ValueError, match="exchange must be finite"):
        deer.kernel([0.1], [30.0], np.nan)


def boxed(signal):
    return (signal - signal.min()) / np.ptp(signal)


def noiseless(monkeypatch):
    """Without noise, and without background, a trace is its form factor."""
    from descrambler.deer import _chunks

    monkeypatch.setattr(_chunks, "NOISE", 0.0)
    monkeypatch.setattr(_chunks, "BACKGROUND_RATE", 1e-12)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_simulated_exchange(monkeypatch, dtype):
    noiseless(monkeypatch)
    data = deer.simulate(20, 3, 64, exchange=(0.1, 0.4), dtype=dtype)
    highest = 1 / (2 * data.time[1])
    assert (data.exchange >= 0.1 * highest).all() and (data.exchange <= 0.4 * highest).all()
    for k in (0, 7, 19):
        form = deer.kernel(data.time, data.distance, data.exchange[k]) @ data.distributions[k]
        np.testing.assert_allclose(data.traces[k], boxed(form), atol=1e-3 if dtype == np.float32 else 1e-6)  # fmt: skip


def test_simulated_shifts(monkeypatch):
    noiseless(monkeypatch)
    data = deer.simulate(60, 3, 64, time_shift=5)
    steps = np.rint(data.zero / data.time[1]).astype(int)
    assert steps.min() == -5 and steps.max() == 5
    for k in (0, 7, 19):
        form = deer.kernel(data.time - data.zero[k], data.distance) @ data.distributions[k]
        np.testing.assert_allclose(data.traces[k], boxed(form), atol=1e-6)


@pytest.mark.parametrize("experiment", ["deer", "ridme"])
def test_all_else_is_the_same(experiment):
    plain = deer.simulate(30, 4, 64, experiment=experiment)
    other = deer.simulate(30, 4, 64, experiment=experiment, exchange=(0, 0.2), time_shift=3)
    for name in ("distributions", "depth", "noise"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(other, name))
    assert not plain.exchange.any() and not plain.zero.any()
    unmoved = (other.zero == 0) & (other.exchange < 1e-3)
    assert np.isfinite(other.traces).all() and unmoved.sum() <= 3


def test_arguments():
    for wrong in ((0.3, 0.1), (-0.1, 0.1), (0, 1.1)):
        with pytest.raises(
            ValueError, match="exchange must be two ascending numbers within 0 to 1"
        ):
            deer.simulate(1, exchange=wrong)
    with pytest.raises(ValueError, match="time_shift must be from 0 to 255, got 256"):
        deer.simulate(1, time_shift=256)


def test_command(tmp_path):
    path = tmp_path / "t.npz"
    options = ["--exchange", "0.1", "0.2", "--time-shift", "2", "-o", str(path)]
    assert main(["simulate", "40", "--points", "64", *options]) == 0
    with np.load(path) as saved:
        expected = deer.simulate(40, 0, 64, exchange=(0.1, 0.2), time_shift=2)
        np.testing.assert_array_equal(saved["traces"], expected.traces)
        np.testing.assert_array_equal(saved["zero"], expected.zero)
