"""The cases of bench_scale.py, small: they check their answers themselves."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

spec = importlib.util.spec_from_file_location(
    "bench_scale", Path(__file__).parent / "bench_scale.py"
)
bench = importlib.util.module_from_spec(spec)
spec.loader.exec_module(bench)


def last(case, *arguments):
    return {key: value for line in case(*arguments) for key, value in line.items()}


@pytest.mark.parametrize("dtype", [None, "float32"])
def test_streamed(dtype):
    with bench.signals_in_a_file(700, 1100) as path:
        found = last(bench.streamed, path, 16, dtype)
    assert found["objective off the best"] < 1e-3
    assert found["passes"] < 20


def test_full():
    with bench.gram_in_a_file(64) as path:
        assert last(bench.full, path)["objective off the best"] < 1e-12
        assert last(bench.lapack, path)["seconds"] > 0


def test_known_spectrum():
    spectrum = bench.Spectrum(90, 70)
    signals = spectrum.rows(0, 90).astype(np.float64)
    b = signals.T @ signals
    np.testing.assert_allclose(np.linalg.eigvalsh(b)[::-1], spectrum.values, rtol=1e-5)
    probes = np.eye(70)[:5]
    np.testing.assert_allclose(spectrum.worth(probes), b.diagonal()[:5], rtol=1e-5)


def test_measured_in_a_child():
    found = bench.measure("cost", 100, 40, None)
    assert found["seconds"] > 0
    assert 0 <= found["peak GiB"] < 1
