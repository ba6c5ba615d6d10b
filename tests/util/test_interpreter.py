"""Where the package can be imported."""

import subprocess
import sys

import pytest


def test_sub_interpreter():
    pytest.importorskip("_xxsubinterpreters")  # Python 3.10 to 3.12
    code = "import _xxsubinterpreters as s; s.run_string(s.create(), 'import descrambler')"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert "ImportError" in done.stderr
    assert "cannot be imported in a sub-interpreter" in done.stderr
