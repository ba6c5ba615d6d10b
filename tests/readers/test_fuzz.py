"""Damaged files of every format, and whole ones of another meaning: right or refused (`make fuzz`: 2000)."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).parents[1] / "fuzz.py"


def test_mutants(tmp_path):
    pytest.importorskip("torch", reason="PyTorch (the extra `torch`) is not installed")
    limits = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1")
    command = [sys.executable, str(FUZZ), "--mutants", "40"]
    run = subprocess.run(
        command, cwd=tmp_path, env=os.environ | limits, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "\n616 files, 0 failed, code executed: False\n" in run.stdout
    # Neither all whole nor all hopeless, in any format.
    for line in run.stdout.splitlines()[:14]:
        assert re.fullmatch(r"\w+ +44 files.*", line)
        assert {"read", "refused"} <= set(re.findall("[a-z]+", line))
