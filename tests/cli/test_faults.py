"""Faults at a few random moments (`make faults`: 200): what commands leave is absent or whole."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

FAULTS = Path(__file__).parents[1] / "faults.py"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize(
    ("jobs", "faults", "moments"),
    [
        (["gram"], ["ctrl-c", "kill", "full disk", "memory", "callback"], 5),
        (["report"], ["sigterm", "full disk"], 2),
    ],
)
def test_random_moments(tmp_path, jobs, faults, moments):
    # `make faults` asks for a second.
    settings = ["--moments", str(moments), "--stop", "5"]
    command = [sys.executable, str(FAULTS), *settings, "--jobs", *jobs, "--faults", *faults]
    run = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"\n{moments} moments, 0 failed\n" in run.stdout
    assert re.search(r"[1-9]\d* stopped", run.stdout)
