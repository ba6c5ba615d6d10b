"""The released DEERNet networks: proof that they are read, fed and run correctly."""

import os
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from descrambler.deer._released import load_parameters, network_inputs
from descrambler.errors import WeightFileError
from descrambler.network._network import Network, Renormalize
from descrambler.readers import _mat as mat
from descrambler.readers import _series, load
from descrambler.readers._build import Reading

DATA = os.environ.get("DESCRAMBLER_TEST_DATA")
needs_data = pytest.mark.skipif(DATA is None, reason="DESCRAMBLER_TEST_DATA is not set")

N_TRACES = 60_000
NET1 = Path(DATA or "") / "nets" / "deer64_net01.mat"


def simulate(parameters, n, rng):
    """Noisy traces (n, n_time) and targets (n, n_distance) by the rules of the training set."""
    distributions = random_distributions(parameters, n, rng)
    depth = rng.uniform(*parameters.modulation_depth, (n, 1)).astype(np.float32)
    dimension = rng.uniform(*parameters.background_dimension, (n, 1)).astype(np.float32)
    rate = rng.uniform(*parameters.background_rate, (n, 1)).astype(np.float32)
    background = np.exp(-((rate * parameters.time.astype(np.float32)) ** (dimension / 3)))
    traces = (1 - depth + depth * (distributions @ parameters.kernel.T)) * background
    level = parameters.noise * depth * rng.random((n, 1), dtype=np.float32)
    traces += level * rng.standard_normal(traces.shape, dtype=np.float32)
    return traces, distributions * np.float32(distributions.shape[1])


def random_distributions(parameters, n, rng):
    shortest, longest = parameters.distance[[0, -1]]
    shape = (n, parameters.max_peaks)
    center = shortest + (longest - shortest) * falling(rng, shape)
    narrowest, broadest = parameters.min_width * center, parameters.max_width * (longest - shortest)
    sigma = (narrowest + (broadest - narrowest) * falling(rng, shape)) / np.sqrt(8 * np.log(2))
    count = rng.integers(1, parameters.max_peaks, (n, 1), endpoint=True)
    area = rng.random(shape) * (np.arange(parameters.max_peaks) < count)
    distance = parameters.distance.astype(np.float32)
    total = np.zeros((n, distance.size), np.float32)
    for peak in range(parameters.max_peaks):
        width = sigma[:, peak, None].astype(np.float32)
        position = center[:, peak, None].astype(np.float32)
        height = (area / sigma)[:, peak, None].astype(np.float32)
        total += height * np.exp(-0.5 * ((distance - position) / width) ** 2)
    return total / total.sum(axis=1, keepdims=True)


def falling(rng, shape):
    """Draw from [0, 1] with a density that falls linearly to 0 at 1."""
    return np.abs(rng.random(shape) + rng.random(shape) - 1)


@pytest.fixture(scope="module")
def network():
    return load(NET1)


@pytest.fixture(scope="module")
def parameters():
    return load_parameters(NET1)


@pytest.fixture(scope="module")
def examples(parameters):
    """Network inputs and targets, as in training."""
    rng = np.random.default_rng(20240101)
    traces, targets = simulate(parameters, N_TRACES, rng)
    return network_inputs(traces, rng), targets


def rmse(network, inputs, targets):
    """The toolbox's RMSE (root of the mean of the summed squares) and its standard error."""
    squares = np.sum((network(inputs) - targets).astype(np.float64) ** 2, axis=1)
    value = np.sqrt(squares.mean())
    return value, squares.std(ddof=1) / np.sqrt(len(squares)) / (2 * value)


def distance_from_training(parameters, value, error):
    """|RMSE - TrainingRMSE| in standard errors."""
    last = parameters.training_rmse[-200:]
    return abs(value - last.mean()) / np.hypot(error, last.std(ddof=1) / np.sqrt(last.size))


@needs_data
class TestReleasedNetwork:
    @pytest.mark.parametrize("name", ["deer64_net01", "deer64_net02", "ridme64_net01"])
    def test_shape(self, name):
        network = load(Path(DATA) / "nets" / f"{name}.mat")
        assert (network.n_in, network.n_out, network.n_linear) == (320, 512, 6)
        assert [getattr(layer, "name", None) for layer in network.layers[1::2]] == ["softplus"] * 6
        assert network.layers[-1] == Renormalize()
        assert network.linear(1).weight.dtype == np.float32

    def test_parameters(self, parameters):
        assert parameters.training_rmse[-200:].mean() == pytest.approx(23.93, abs=0.005)
        assert parameters.kernel.shape == (512, 512)
        assert (parameters.kernel[0] == 1).all()
        assert np.abs(parameters.kernel).max() <= 1
        assert parameters.time[-1] == 2e-6
        assert parameters.distance[[0, -1]] == pytest.approx([9.34, 59.27], abs=0.01)
        assert (parameters.experiment, parameters.max_peaks) == ("deer", 4)

    def test_training_error_is_reproduced(self, network, parameters, examples):
        value, error = rmse(network, *examples)
        assert distance_from_training(parameters, value, error) < 3
        assert error < 0.2

    def test_outputs_are_distributions_of_mean_1(self, network, examples):
        outputs = network(examples[0][:1000])
        assert outputs.dtype == np.float32
        np.testing.assert_allclose(outputs.mean(axis=1), 1, rtol=1e-5)

    def test_transposed_weights_are_seen(self, parameters, examples):
        arrays = {
            key: value.T if key.endswith("Weights.Value") and len(value) == len(value.T) else value
            for key, value in mat.read_matlab(NET1).items()
        }
        wrong = Network(_series.chain(NET1, arrays, Reading(NET1, arrays), "net").layers())
        value, error = rmse(wrong, *(part[:20_000] for part in examples))
        assert value == pytest.approx(118, abs=2)
        assert distance_from_training(parameters, value, error) > 100

    def test_sample_numbers_from_0_are_seen(self, network, parameters, examples):
        inputs, targets = (part[:20_000] for part in examples)
        fraction = inputs[:, :64] / 2 - np.float32(1 / 512)
        q, z, y = 2 * fraction, 4 * fraction**2 - 0.5, inputs[:, 128:192]
        wrong = np.concatenate([q, z, y, y * q, y * z], axis=1)
        value, error = rmse(network, wrong, targets)
        # 32 in the issue: 33.9 with the numbers one too low (here), 31.5 with the signals one late.
        assert value == pytest.approx(33.9, abs=3 * error)
        assert distance_from_training(parameters, value, error) > 20

    def test_known_distribution_is_recovered(self, network, parameters):
        time, signal, _ = np.loadtxt(Path(DATA) / "traces" / "low_noise_1.dat").T
        start = signal.argmax()
        time, signal = (time[start:] - time[start]) * 1e-9, signal[start:]
        trace = np.interp(np.linspace(0, time[-1], 512), time, signal)
        outputs = network(network_inputs(np.tile(trace, (100, 1)), 0))
        # Time and distance axes are tied: r**3 goes as t.
        distance = parameters.distance * np.cbrt(time[-1] / parameters.time[-1])
        nanometres, known = np.loadtxt(Path(DATA) / "traces" / "noise_test_pcr_1.dat").T
        truth = np.interp(distance, 10 * nanometres, known, left=0, right=0)
        assert np.corrcoef(outputs.mean(axis=0), truth)[0, 1] > 0.95


class TestNetworkInputs:
    def test_by_hand(self):
        trace = np.random.default_rng(1).uniform(2, 7, 512)
        row = network_inputs(trace[None], 0)[0]
        q, z, y, yq, yz = row.reshape(5, 64)
        s = (q / 2 + 0.5) * 512
        number = np.rint(s).astype(int)
        np.testing.assert_allclose(s, number, atol=1e-9)
        assert (number[0], number[-1]) == (1, 512)
        assert (np.diff(number) > 0).all()
        low, high = trace.min(), trace.max()
        for i, k in enumerate(number):
            boxed = (trace[k - 1] - low) / (high - low)
            fraction = k / 512 - 0.5
            assert y[i] == pytest.approx(boxed, rel=1e-13)
            assert z[i] == pytest.approx(4 * fraction**2 - 0.5, abs=1e-13)
            assert yq[i] == pytest.approx(boxed * 2 * fraction, abs=1e-13)
            assert yz[i] == pytest.approx(boxed * (4 * fraction**2 - 0.5), abs=1e-13)

    def test_sampling_is_uniform_and_reproducible(self):
        traces = np.tile(np.linspace(0, 1, 512), (5000, 1))
        inputs = network_inputs(traces, 3)
        np.testing.assert_array_equal(inputs, network_inputs(traces, np.random.default_rng(3)))
        numbers = np.rint((inputs[:, 1:63] / 2 + 0.5) * 512).astype(int)
        counts = np.bincount(numbers.ravel(), minlength=513)[2:512]
        expected = 5000 * 62 / 510
        # Counts of one point are binomial; 6 sigma over 510 of them.
        assert np.abs(counts - expected).max() < 6 * np.sqrt(expected)
        assert counts.sum() == 5000 * 62

    def test_dtype(self):
        traces = np.random.default_rng(0).random((3, 512)).astype(np.float32)
        assert network_inputs(traces).dtype == np.float32

    @pytest.mark.parametrize(
        ("traces", "message"),
        [
            (np.ones((2, 256)), r"shape \(m, 512\), got \(2, 256\)"),
            (np.ones((2, 512)), "must not be constant"),
            (np.full((2, 512), np.nan), "must be finite"),
            (np.ones(512), "must have 2 dimension"),
        ],
    )
    def test_refuses(self, traces, message):
        with pytest.raises(ValueError, match=message):
            network_inputs(traces)


class TestLoadParameters:
    STRUCT = {
        "kernel": np.eye(3, 2, dtype=np.float32),
        "time_grid": np.arange(3.0),
        "dist_grid": np.arange(2.0),
        "expt": "deer",
        "ndistmax": 4.0,
        **{
            f"{end}_{name}": 1.0
            for end in ("min", "max")
            for name in ("fwhm", "mdep", "bdim", "brate")
        },
        "noise_lvl": 0.1,
    }
    STATS = {"TrainingRMSE": np.ones((1, 4))}

    def test_small_file(self, tmp_path):
        path = tmp_path / "x.mat"
        savemat(path, {"parameters": self.STRUCT, "train_stats": self.STATS})
        parameters = load_parameters(path)
        np.testing.assert_array_equal(parameters.kernel, [[1, 1], [0, 1], [0, 0]])
        assert parameters.training_rmse.shape == (4,)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            (
                {"kernel": np.eye(2, dtype=np.float32)},
                r"parameters.kernel: .* got float32 .*\(2, 2\)",
            ),
            ({"kernel": np.full((3, 2), np.nan, np.float32)}, "finite but for its first row"),
            ({"noise_lvl": "loud"}, "parameters.noise_lvl: must be one number"),
        ],
    )
    def test_refuses(self, tmp_path, changes, message):
        path = tmp_path / "x.mat"
        savemat(path, {"parameters": {**self.STRUCT, **changes}, "train_stats": self.STATS})
        with pytest.raises(WeightFileError, match=message):
            load_parameters(path)

    def test_missing(self, tmp_path):
        path = tmp_path / "x.mat"
        savemat(path, {"parameters": self.STRUCT})
        with pytest.raises(WeightFileError, match="train_stats.TrainingRMSE: missing"):
            load_parameters(path)
        with pytest.raises(FileNotFoundError):
            load_parameters(tmp_path / "none.mat")
