"""Every benchmark of the package: its answer asserted, and timed by pytest-benchmark.

pytest benchmarks                                        answers on tiny cases, no timing (in CI)
pytest benchmarks --benchmark-enable --benchmark-autosave    our own times, kept to compare with
pytest benchmarks --benchmark-enable --benchmark-compare     against those kept last
"""

import pytest

from benchmarks.harness import run
from benchmarks.harness.measure import SCALES


def timed(config):
    """Whether to measure: asked for, and pytest-benchmark is installed."""
    return config.getoption("benchmark_enable", False)


def pytest_generate_tests(metafunc):
    scale = SCALES["quick" if timed(metafunc.config) else "tiny"]
    cases = [
        pytest.param(case, id=f"{name}: {case.case}")
        for name in run.SECTIONS
        for case in run.cases(name, scale)
    ]
    metafunc.parametrize("case", cases)


def test_ours(case, request):
    case.check()
    if timed(request.config):
        request.getfixturevalue("benchmark")(case.ours)
