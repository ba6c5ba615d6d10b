"""BLAS threads are limited by the size of the problem in every public call: none is shared below 1024 units."""

import importlib
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import descrambler as ds

SCRIPT = Path(__file__).parents[1] / "helpers" / "blas_calls.py"
MODULES = (
    "",
    ".analysis",
    ".criteria",
    ".deer",
    ".evidence",
    ".evidence.nulls",
    ".group",
    ".report",
)
# What multiplies no matrices itself, or whose work is PyTorch's, which has threads of its own.
NO_PRODUCTS = {
    "controls", "interpret_layers", "refit_controls", "show_config",
    "analysis.band_pass_level", "analysis.chebyshev_share", "analysis.diagonal_share",
    "analysis.expected_diagonal_share", "analysis.frequencies", "analysis.gain_ratio",
    "analysis.mode_purity", "analysis.notch_depth", "analysis.participation_ratio",
    "analysis.pass_band", "analysis.power_law", "analysis.upper_band_level",
    "criteria.link_basis",
    "deer.controls", "deer.coverage", "deer.dipolar_frequency", "deer.distance_range", "deer.fit_trace",
    "deer.fit_traces", "deer.kernel", "deer.load_background", "deer.load_calibration",
    "deer.load_distribution", "deer.load_parameters", "deer.load_trace", "deer.load_traces",
    "deer.mean_squared_error", "deer.modulation", "deer.network_inputs", "deer.overlap", "deer.prepare",
    "deer.pretrained", "deer.sampling", "deer.save_deeranalysis", "deer.save_deerlab",
    "deer.share_background", "deer.shipped_calibration", "deer.simulate", "deer.trace_warnings",
    "deer.train", "deer.variations", "deer.write_trace_page",
    # These draw what a result holds.
    "report.alignment_figure", "report.compare_page", "report.ensemble_figures",
    "report.evidence_figures", "report.first_layer", "report.inner_layer", "report.last_layer",
    "report.last_layer_structure", "report.page", "report.panel_figure", "report.paper_figure",
    "report.plot_gram", "report.plot_interpretation", "report.plot_result", "report.plot_rotation",
    "report.privileged_basis_figure", "report.save_paper", "report.write_page",
}  # fmt: skip


@pytest.fixture(scope="module")
def calls(tmp_path_factory):
    if not sys.platform.startswith("linux") or (os.cpu_count() or 1) < 2:
        pytest.skip("reads the processor time of threads in /proc; needs two processors")
    pytest.importorskip("matplotlib")
    two = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "2")
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path_factory.mktemp("blas"))],
        capture_output=True, text=True, timeout=200, check=False,
        env={**os.environ, **two, "OPENBLAS_THREAD_TIMEOUT": "30", "MPLBACKEND": "agg"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    if not found["workers"]:
        pytest.skip("needs a BLAS with threads of its own, as OpenBLAS has")
    return found


def test_only_products_outside_of_calls_wake_the_threads_of_a_blas(calls):
    assert calls["woke"] == ["a product", "a decomposition"]


def test_every_public_function_was_called_or_is_limited_as_a_whole(calls):
    functions = {
        f"{room}.{name}".lstrip("."): getattr(module, name)
        for room in MODULES
        for module in [importlib.import_module(f"descrambler{room}")]
        for name in module.__all__
        if not room or getattr(ds, name, None) is not getattr(module, name)
    }
    left = {
        name
        for name, value in functions.items()
        if inspect.isfunction(value) and not hasattr(value, "__wrapped__")
    }
    assert left - set(calls["called"]) == NO_PRODUCTS
