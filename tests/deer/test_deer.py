import importlib
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from descrambler import deer
from descrambler.errors import MissingExtraError

# The package exports functions under the names of these modules.
simulation = importlib.import_module("descrambler.deer._chunks")
axes = importlib.import_module("descrambler.deer._simulate").axes
FRESH_SEED = 99_887_766


NODES, WEIGHTS = np.polynomial.legendre.leggauss(64)


def powder_average(phase):
    """Average cos((1 - 3 x^2) phase) over x in [0, 1], by 64 Gauss-Legendre panels."""
    x = ((NODES + 1) / 2 + np.arange(64)[:, None]).ravel() / 64
    return np.cos(np.multiply.outer(phase, 1 - 3 * x**2)) @ np.tile(WEIGHTS / 128, 64)


PLAIN = simulation.others_of((0, 0), 0, 256)


def grid(dtype=np.float64):
    return simulation.make_grid(*axes(256, 2.0), np.dtype(dtype), PLAIN)


# Physics


def test_dipolar_frequency_is_52_04_mhz_at_one_nanometre_and_falls_with_the_cube():
    assert deer.dipolar_frequency(10.0) == pytest.approx(52.04, abs=0.005)
    frequencies = deer.dipolar_frequency([[10.0, 20.0], [30.0, 40.0]])
    assert frequencies.shape == (2, 2)
    np.testing.assert_allclose(
        frequencies * np.array([[1, 8], [27, 64]]), frequencies[0, 0], rtol=1e-14
    )


def test_kernel_equals_quadrature_on_the_training_grid():
    time, distance = axes(256, 2.0)
    phase = 2 * np.pi * np.outer(time[::5], deer.dipolar_frequency(distance[::5]))
    error = deer.kernel(time[::5], distance[::5]) - powder_average(phase)
    assert np.abs(error).max() < 1e-12


@settings(deadline=None)
@given(st.floats(-5, 5), st.floats(15, 160))
def test_kernel_equals_quadrature_anywhere(time, distance):
    phase = 2 * np.pi * time * deer.dipolar_frequency(distance)
    assert abs(deer.kernel([time], [distance])[0, 0] - powder_average(phase)) < 1e-12


@settings(deadline=None)
@given(st.floats(10, 200))
def test_kernel_is_one_at_time_zero_and_even(distance):
    before, zero, after = deer.kernel([-0.3, 0.0, 0.3], [distance])[:, 0]
    assert zero == 1
    assert before == after


@settings(deadline=None)
@given(st.floats(0, 1), st.floats(20, 80))
def test_kernel_obeys_the_cube_law(time, distance):
    np.testing.assert_allclose(
        deer.kernel([8 * time], [2 * distance]), deer.kernel([time], [distance]), atol=1e-12
    )


def test_grids_are_tied():
    time, distance = axes(256, 2.0)
    assert (time[0], time[-1]) == (0, 2)
    assert distance[0] == pytest.approx(11.8, abs=0.05)
    assert distance[-1] == pytest.approx(59.3, abs=0.05)
    # RIDME sees twice the shortest cube and half the longest.
    near, far = deer.distance_range(0.01, 2.0)
    near_ridme, far_ridme = deer.distance_range(0.01, 2.0, "ridme")
    assert near_ridme**3 == pytest.approx(2 * near**3)
    assert far_ridme**3 == pytest.approx(far**3 / 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: deer.dipolar_frequency(0.0), "distance must be positive"),
        (lambda: deer.kernel([0.0], [-1.0]), "distance must be positive"),
        (lambda: deer.kernel([[0.0]], [20.0]), "time must have 1 dimension"),
        (lambda: deer.kernel([np.nan], [20.0]), "time must be finite"),
        (lambda: deer.distance_range(0.0, 1.0), "0 < time_step < duration"),
        (lambda: deer.distance_range(0.6, 1.0), "must exceed 2 time steps for deer"),
        (lambda: deer.distance_range(0.2, 1.0, "ridme"), "must exceed 8 time steps for ridme"),
        (lambda: deer.distance_range(0.1, 1.0, "epr"), "experiment must be one of"),
        (lambda: deer.simulate(-1), "n must be 0 or more"),
        (lambda: deer.simulate(1, dtype=np.float16), "dtype must be float32 or float64"),
        (lambda: deer.simulate(1, n_points=3), "n_points must be at least 4"),
        (lambda: deer.simulate(1, duration=np.inf), "duration must be finite"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()


# Simulator


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(0, 600),
    seed=st.integers(0, 2**64),
    n_points=st.integers(4, 80),
    duration=st.floats(0.1, 20),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_simulated_data_are_boxed_finite_and_normalized(n, seed, n_points, duration, dtype):
    data = deer.simulate(n, seed, n_points, duration=duration, dtype=dtype)
    assert data.traces.shape == data.distributions.shape == data.targets.shape == (n, n_points)
    assert data.traces.dtype == data.distributions.dtype == data.targets.dtype == dtype
    assert data.time.shape == data.distance.shape == (n_points,)
    assert np.isfinite(data.distributions).all() and (data.distributions >= 0).all()
    assert (data.traces.min(axis=1) == 0).all() and (data.traces.max(axis=1) == 1).all()
    assert (data.targets.max(axis=1) == 1).all()
    np.testing.assert_allclose(data.distributions.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_result_does_not_depend_on_how_the_work_is_divided(dtype):
    n = 2 * simulation.CHUNK + 50
    whole = deer.simulate(n, 5, dtype=dtype)
    np.testing.assert_array_equal(deer.simulate(70, 5, dtype=dtype).traces, whole.traces[:70])
    for index in (2, 0, 1):
        rng = np.random.default_rng(np.random.SeedSequence(5, spawn_key=(index,)))
        traces, distributions, *_ = simulation.simulate_chunk(
            rng, grid(dtype), simulation._deer_backgrounds, PLAIN, np.random.default_rng(0)
        )
        rows = slice(index * simulation.CHUNK, (index + 1) * simulation.CHUNK)
        expected = whole.traces[rows], whole.distributions[rows]
        np.testing.assert_array_equal(traces[: len(expected[0])], expected[0])
        np.testing.assert_array_equal(distributions[: len(expected[0])], expected[1])


def test_seeds():
    first, again, other = (deer.simulate(600, seed).traces for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)
    assert not np.allclose(first[:88], first[512:])
    assert not np.allclose(deer.simulate(1, None).traces, deer.simulate(1, None).traces)
    rng = np.random.default_rng(3)
    one, two = (deer.simulate(1, rng).traces for _ in range(2))
    assert not np.allclose(one, two)
    np.testing.assert_array_equal(one, deer.simulate(1, np.random.default_rng(3)).traces)


def test_single_precision_has_the_same_draws():
    single, double = (deer.simulate(600, 4, dtype=dtype) for dtype in (np.float32, np.float64))
    # The shallowest modulation is 0.01, so boxing magnifies rounding a hundred times.
    np.testing.assert_allclose(single.traces, double.traces, atol=1e-4)
    np.testing.assert_allclose(single.targets, double.targets, atol=1e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_variates_that_are_exactly_zero_do_no_harm(dtype):
    class Zero(np.random.Generator):
        def random(self, size=None, dtype=np.float64, out=None):
            return np.zeros(size, dtype)

    rng, backgrounds = Zero(np.random.PCG64(0)), simulation._deer_backgrounds
    apart = np.random.default_rng(0)
    traces, distributions, *_ = simulation.simulate_chunk(
        rng, grid(dtype), backgrounds, PLAIN, apart
    )
    assert np.isfinite(traces).all()
    np.testing.assert_allclose(distributions.sum(axis=1), 1, rtol=1e-5)


def test_traces_without_noise_and_background_are_the_form_factors(monkeypatch):
    monkeypatch.setattr(simulation, "NOISE", 0.0)
    monkeypatch.setattr(simulation, "BACKGROUND_RATE", 1e-300)
    data = deer.simulate(100)
    form_factors = data.distributions @ deer.kernel(data.time, data.distance).T
    np.testing.assert_allclose(form_factors[:, 0], 1, rtol=1e-13)
    boxed = form_factors - form_factors.min(axis=1, keepdims=True)
    boxed /= boxed.max(axis=1, keepdims=True)
    np.testing.assert_allclose(data.traces, boxed, atol=1e-11)


def test_noise_is_a_fraction_of_the_modulation(monkeypatch):
    monkeypatch.setattr(simulation, "BACKGROUND_RATE", 1e-300)
    noisy = deer.simulate(2000)
    form_factors = noisy.distributions @ deer.kernel(noisy.time, noisy.distance).T
    # Boxing and modulation are affine, so regressing on the form factor undoes both.
    f = form_factors - form_factors.mean(axis=1, keepdims=True)
    v = noisy.traces - noisy.traces.mean(axis=1, keepdims=True)
    slope = (f * v).sum(axis=1) / (f * f).sum(axis=1)
    rms = np.std(v / slope[:, None] - f, axis=1)
    assert stats.kstest(rms, stats.uniform(0, 0.05).cdf).pvalue > 1e-3


def test_backgrounds_are_stretched_exponentials():
    backgrounds = simulation._deer_backgrounds(np.random.default_rng(0), grid())
    assert (backgrounds[:, 0] == 1).all()
    exponent, offset = np.polyfit(grid().log_time[1:], np.log(-np.log(backgrounds[:, 1:])).T, 1)
    dimension, rate = 3 * exponent, np.exp(offset / exponent)
    assert stats.kstest(dimension, stats.uniform(2, 1.5).cdf).pvalue > 1e-3
    assert stats.kstest(rate, stats.uniform(0, 1).cdf).pvalue > 1e-3


def test_ridme_backgrounds_start_at_one_and_end_below():
    backgrounds = simulation._ridme_backgrounds(np.random.default_rng(0), grid())
    assert (backgrounds[:, 0] == 1).all()
    s = grid().time
    fits = np.linalg.lstsq(np.stack([s, s**2], axis=1), -np.log(backgrounds).T)[0]
    a, b = fits
    assert stats.kstest(a, stats.norm(0, 3).cdf).pvalue > 1e-3
    lowest = np.maximum(-a / 0.4, -a / 2)
    assert stats.kstest(b - lowest, stats.halfnorm(0, 3).cdf).pvalue > 1e-3
    # A background that rises at first has its maximum in the first fifth.
    assert (s[backgrounds.argmax(axis=1)] <= 0.2 + 1 / 255).all()


def test_ridme_has_its_own_axis_and_background():
    deer_data, ridme = (deer.simulate(50, 1, experiment=kind) for kind in ("deer", "ridme"))
    assert ridme.distance[[0, -1]] == pytest.approx(
        deer.distance_range(2 / 255, 2.0, "ridme"), rel=1e-12
    )
    assert not np.allclose(ridme.traces, deer_data.traces)
    with pytest.raises(ValueError, match="experiment"):
        deer.simulate(1, experiment="eseem")


@pytest.mark.parametrize("threads", [2, 5, None])
def test_number_of_threads_changes_nothing(threads):
    one, many = (deer.simulate(1500, 3, threads=number) for number in (1, threads))
    np.testing.assert_array_equal(one.traces, many.traces)
    np.testing.assert_array_equal(one.distributions, many.distributions)
    with pytest.raises(ValueError, match="threads"):
        deer.simulate(1, threads=0)


def test_lone_peaks_have_linearly_falling_positions_and_legal_widths(monkeypatch):
    monkeypatch.setattr(simulation, "MAX_PEAKS", 1)
    data = deer.simulate(5000)
    step = data.distance[1] - data.distance[0]
    span = data.distance[-1] - data.distance[0]
    jitter = np.random.default_rng(0).uniform(-0.5, 0.5, 5000)
    place = data.targets.argmax(axis=1) + jitter
    assert stats.kstest(place / 255, stats.triang(0).cdf).pvalue > 1e-3
    above_half = (data.targets >= 0.5).sum(axis=1) * step
    assert above_half.max() <= 0.5 * span + step
    peak = data.distance[data.targets.argmax(axis=1)]
    assert (above_half >= 0.025 * (peak - step) - step).all()


def test_set_has_the_difficulty_of_the_published_one():
    data = deer.simulate(5000, FRESH_SEED)
    errors = deer.baseline_errors(data)
    assert errors["ridge"] == pytest.approx(0.041, abs=0.002)
    assert errors["mean"] == pytest.approx(0.075, abs=0.002)


# Networks


@pytest.mark.parametrize("shipped", deer.PRETRAINED)
def test_shipped_networks_beat_their_baselines_on_fresh_traces(shipped):
    network = deer.pretrained(*shipped)
    data = deer.simulate(5000, FRESH_SEED, dtype=np.float32)
    assert deer.mean_squared_error(network(data.traces), data) <= 0.018
    untrained = deer.mean_squared_error(network.initial(data.traces), data)
    assert untrained == pytest.approx(0.185, abs=0.015)


@pytest.mark.parametrize("shipped", deer.PRETRAINED)
def test_shipped_networks_know_where_they_come_from(shipped):
    network = deer.pretrained(*shipped)
    provenance, settings = network.provenance, network.provenance["settings"]
    layers = network.linears
    widths = [256, *[80] * (shipped.n_layers - 1), 256]
    assert [network.n_in, *(layer.n_out for layer in layers)] == settings["widths"] == widths
    assert {layer.weight.dtype for layer in layers} == {np.dtype(np.float32)}
    assert provenance["command"].startswith("descrambler train -o deernet_256_80")
    assert settings["random_state"] == shipped.seed
    assert settings["weight_decay"] == shipped.weight_decay
    order = [provenance[f"validation_mse_{name}"] for name in ("network", "ridge", "mean")]
    assert order == sorted(order)
    assert order[-1] < provenance["validation_mse_untrained"]


def test_what_ships():
    kinds = [(n_layers, weight_decay > 0) for n_layers, weight_decay, _ in deer.PRETRAINED]
    assert [kinds.count((n, decay)) for n in (2, 3) for decay in (True, False)] == [3, 2, 2, 1]
    assert deer.pretrained().n_linear == 2
    with pytest.raises(ValueError, match="none with 2, 1e-06, 99"):
        deer.pretrained(seed=99)


@pytest.mark.parametrize(
    "wrong",
    [
        {"widths": (256,)},
        {"widths": (256, 0, 256)},
        {"widths": (256, 80, 128)},
        {"n_steps": None},
        {"n_steps": 0},
        {"minutes": 0.0},
        {"learning_rate": 0.0},
        {"weight_decay": -1.0},
    ],
)
def test_train_names_a_wrong_setting(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        deer.train(**wrong)


def test_train_without_pytorch_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"descrambler\[train\]"):
        deer.train()


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch (the extra `train`) is not installed")


def test_training_reduces_the_loss(torch):
    threads, losses = torch.get_num_threads(), []
    network = deer.train(n_steps=1000, callback=lambda state: losses.append(state.loss))
    assert torch.get_num_threads() == threads
    assert losses[-1] < 0.7 * losses[0]
    assert network.provenance["steps"] == 1000
    data = deer.simulate(2000, FRESH_SEED, dtype=np.float32)
    error = deer.mean_squared_error(network(data.traces), data)
    # A few seconds beat ridge regression, and the record agrees with a new sample.
    assert error < network.provenance["validation_mse_ridge"]
    assert network.provenance["validation_mse_network"] == pytest.approx(error, rel=0.1)
    assert deer.mean_squared_error(network.initial(data.traces), data) > 0.17


def test_training_is_reproducible_and_any_depth(torch):
    nets = [deer.train((32, 12, 10, 32), random_state=seed, n_steps=40) for seed in (1, 1, 2)]
    first, again, other = ([net.linear(k).weight for k in (1, 2, 3)] for net in nets)
    np.testing.assert_allclose(first[2], again[2], rtol=1e-5, atol=1e-7)
    assert not np.allclose(first[2], other[2], atol=1e-2)
    assert [weight.shape for weight in first] == [(12, 32), (10, 12), (32, 10)]


class Interruption(Exception):
    pass


def interrupted_at(step):
    def callback(state):
        if state.step == step:
            raise Interruption

    return callback


@pytest.mark.parametrize("at", [128, 384, 640])
def test_training_goes_on_from_a_checkpoint_to_the_same_result(torch, tmp_path, at):
    arguments = {"widths": (32, 8, 32), "n_steps": 700, "random_state": 5}
    whole, parts = [], []
    expected = deer.train(callback=whole.append, **arguments)
    checkpoint = tmp_path / "checkpoint"
    with pytest.raises(Interruption):
        deer.train(callback=interrupted_at(at), checkpoint=checkpoint, **arguments)
    network = deer.train(callback=parts.append, checkpoint=checkpoint, **arguments)
    for k in (1, 2):
        np.testing.assert_array_equal(network.linear(k).weight, expected.linear(k).weight)
    for name in ("step", "progress", "loss", "validation"):
        one, other = ([getattr(state, name) for state in states] for states in (whole, parts))
        np.testing.assert_array_equal(one, other)
    # What is complete is not trained again.
    again = deer.train(checkpoint=checkpoint, **arguments)
    np.testing.assert_array_equal(again.linear(1).weight, expected.linear(1).weight)
    assert again.provenance["steps"] == 700


def test_a_checkpoint_of_another_training_is_refused(torch, tmp_path):
    checkpoint = tmp_path / "checkpoint"
    deer.train((16, 4, 16), n_steps=10, checkpoint=checkpoint)
    with pytest.raises(ValueError, match="weight_decay is 1e-06, asked for is 0"):
        deer.train((16, 4, 16), n_steps=10, checkpoint=checkpoint, weight_decay=0)
    checkpoint.write_bytes(checkpoint.read_bytes()[:500])
    with pytest.raises(ValueError, match="checkpoint"):
        deer.train((16, 4, 16), n_steps=10, checkpoint=checkpoint)


def test_validation_is_in_the_states(torch):
    states = []
    network = deer.train((32, 8, 32), n_steps=2100, callback=states.append)
    validated = [state for state in states if np.isfinite(state.validation)]
    assert [state.step for state in validated] == [2048, 2100]
    recorded = network.provenance["validation_mse_network"]
    assert validated[-1].validation == pytest.approx(recorded, abs=1e-6)


def test_training_stops_when_told(torch):
    network = deer.train((32, 8, 32), callback=lambda state: state.step >= 256)
    assert network.provenance["steps"] == 256
    states = []
    network = deer.train(
        (32, 8, 32), n_steps=None, minutes=0.01, callback=lambda s: states.append(s)
    )
    assert states[-1].progress == 1
    assert 0.01 <= network.provenance["minutes"] < 0.1
