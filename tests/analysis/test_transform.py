"""Maps between axes whose law is known."""

import numpy as np
import pytest

import descrambler as ds
from descrambler import analysis

DISTANCE = np.linspace(20, 50, 120)
TIME = np.linspace(0, 2, 256)


@pytest.mark.parametrize("exponent", [-3, -1, 0.5, 2])
def test_power_law_without_noise(exponent):
    x = np.linspace(1, 5, 30)
    law = analysis.power_law(x, 7 * x**exponent)
    assert law.exponent == pytest.approx(exponent)
    assert law.scale == pytest.approx(7)
    assert law.error < 1e-12
    np.testing.assert_allclose(law(x), 7 * x**exponent)


@pytest.mark.parametrize("correlated", [False, True])
def test_error_of_a_power_law_is_the_spread(correlated):
    generator = np.random.default_rng(0)
    x = np.linspace(1, 5, 200)
    laws = []
    for _ in range(300):
        noise = 0.2 * generator.standard_normal(200)
        if correlated:
            noise = np.convolve(generator.standard_normal(209), np.full(10, 0.06), "valid")
        laws.append(analysis.power_law(x, x**-3 * np.exp(noise)))
    exponents = np.array([law.exponent for law in laws])
    error = np.sqrt(np.mean([law.error**2 for law in laws]))
    assert exponents.mean() == pytest.approx(-3, abs=0.02)
    assert error == pytest.approx(exponents.std(), rel=0.3)


def test_inverse_of_a_kernel_matches_it():
    kernel = ds.deer.kernel(TIME, DISTANCE)
    inverse = np.linalg.pinv(kernel - kernel.mean(axis=0), rcond=1e-4)
    match = analysis.kernel_match(inverse, kernel, DISTANCE)
    assert match.correlation > 0.998
    assert match.rank_correlation > 0.999
    noise = np.random.default_rng(0).standard_normal((120, 256))
    assert abs(analysis.kernel_match(noise, kernel, DISTANCE).correlation) < 0.4
    part = analysis.kernel_match(kernel.T[40:60], kernel, DISTANCE[40:60], DISTANCE)
    assert part.matched.shape == (20,)
    constant = analysis.kernel_match(np.zeros((120, 256)), kernel, DISTANCE)
    assert np.isnan(constant.correlation)


def test_constant_inputs_excite_nothing():
    kernel = ds.deer.kernel(TIME, DISTANCE)
    inverse = np.linalg.pinv(kernel, rcond=1e-6)
    offsets = 100 * np.random.default_rng(0).standard_normal((120, 1))
    first = analysis.kernel_match(inverse, kernel, DISTANCE)
    second = analysis.kernel_match(inverse + offsets, kernel, DISTANCE)
    np.testing.assert_array_equal(first.matched, second.matched)


@pytest.mark.parametrize("exponent", [-3, -1, 1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_frequency_law_of_planted_waves(exponent, dtype):
    f = 6 * (DISTANCE / DISTANCE[0 if exponent < 0 else -1]) ** exponent
    waves = np.cos(2 * np.pi * np.outer(f, TIME)) + 0.3
    found = analysis.frequency_law(waves.astype(dtype), DISTANCE)
    assert found.law.exponent == pytest.approx(exponent, abs=0.05)
    np.testing.assert_allclose(found.frequency, 2 * f, rtol=0.15, atol=0.1)


def test_frequency_law_of_the_kernel_and_of_noise():
    kernel = ds.deer.kernel(TIME, DISTANCE)
    assert analysis.frequency_law(kernel.T, DISTANCE).law.exponent == pytest.approx(-3.2, abs=0.1)
    noise = np.random.default_rng(0).standard_normal((120, 256))
    law = analysis.frequency_law(noise, DISTANCE).law
    assert abs(law.exponent) < 4 * law.error


def test_shipped_network_and_its_beginning():
    data = ds.deer.simulate(500, random_state=1, dtype=np.float32)
    part = (data.distance > 20) & (data.distance < 50)
    kernel = ds.deer.kernel(data.time, data.distance)
    network = ds.deer.pretrained()
    assert network.initial is not None
    after, before = (
        analysis.mean_jacobian(net, data.traces)[part] for net in (network, network.initial)
    )
    axes = data.distance[part], data.distance
    assert analysis.kernel_match(after, kernel, *axes).correlation > 0.99
    assert abs(analysis.kernel_match(before, kernel, *axes).correlation) < 0.5
    assert analysis.frequency_law(after, axes[0]).law.exponent < -1.8
    assert abs(analysis.frequency_law(before, axes[0]).law.exponent) < 0.8


def test_mode_order():
    link = np.arange(40) / 40
    k = np.arange(1, 20)
    rows = np.cos(2 * np.pi * np.outer(k, link))
    assert analysis.mode_order(rows, k**3) == pytest.approx(1)
    assert analysis.mode_order(rows[::-1], k) == pytest.approx(-1)
    assert analysis.mode_order(np.roll(rows, 5, axis=1), k) == pytest.approx(1)
    neumann = np.cos(np.pi * np.outer(k, link + 0.0125))
    assert analysis.mode_order(neumann, k, "dct") == pytest.approx(1)
    assert np.isnan(analysis.mode_order(np.ones((19, 40)), k))
    noise = np.random.default_rng(0).standard_normal((200, 40))
    assert abs(analysis.mode_order(noise)) < 0.25
    weak = np.vstack([rows, 1e-3 * rows[:5]])  # rows without energy have no say
    assert analysis.mode_order(weak + 7) == pytest.approx(1)  # nor has zero frequency
    assert np.isnan(analysis.mode_order(rows[:7]))


def test_order_of_outputs_by_frequency():
    t, k = (np.arange(64) + 0.5) / 64, np.arange(1, 31)
    jacobian = np.cos(np.pi * np.outer(k, t)) + 5
    jacobian[4] *= 1e-3
    frequency, outputs = analysis.output_frequencies(jacobian)
    np.testing.assert_array_equal(outputs, np.delete(np.arange(30), 4))
    np.testing.assert_allclose(frequency, np.delete(k, 4))
    assert analysis.frequency_order(jacobian) == pytest.approx(1)
    assert analysis.frequency_order(jacobian, -(k**2)) == pytest.approx(-1)
    with pytest.raises(ValueError, match="axis must have 30 entries, got 3"):
        analysis.frequency_order(jacobian, np.arange(3))


def test_bad_input():
    with pytest.raises(ValueError, match="at least 4, got 3 and 3"):
        analysis.power_law(np.ones(3), np.ones(3))
    with pytest.raises(ValueError, match="y must be positive, got -1"):
        analysis.power_law(np.arange(1.0, 6), -np.ones(5))
    with pytest.raises(ValueError, match="x must not be all the same"):
        analysis.power_law(np.ones(5), np.ones(5))
    with pytest.raises(ValueError, match="kernel must have 5 rows"):
        analysis.kernel_match(np.ones((4, 5)), np.ones((4, 4)), np.ones(4))
    with pytest.raises(ValueError, match="axis must have 4 entries, got 3"):
        analysis.frequency_law(np.ones((4, 5)), np.ones(3))
    with pytest.raises(ValueError, match="kernel_axis must have 6 entries, got 4"):
        analysis.kernel_match(np.ones((4, 5)), np.ones((5, 6)), np.ones(4), np.ones(4))
