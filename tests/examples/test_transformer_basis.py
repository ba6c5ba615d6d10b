"""The example that looks at the basis of a small transformer runs, and its sparse directions hold on new text."""

import re
import runpy
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.slow
def test_a_tiny_version(tmp_path, monkeypatch, capsys):
    pytest.importorskip("torch")
    sizes = ["--steps", "40", "--width", "16", "--layers", "1", "--characters", "20000"]
    monkeypatch.syspath_prepend(str(EXAMPLES))
    path = EXAMPLES / "transformer_basis.py"
    monkeypatch.setattr(sys, "argv", [str(path), "-o", str(tmp_path), *sizes])
    runpy.run_path(str(path), run_name="__main__")
    out = capsys.readouterr().out
    assert out.count("PrivilegedBasis") == 2
    for line in out.splitlines():
        if line.startswith("mean excess"):
            random, found = re.search(r"random directions ([-\d.]+), \w+ ([-\d.]+),", line).groups()
            assert float(found) > float(random) + 0.5
    assert (tmp_path / "transformer_basis.png").read_bytes().startswith(b"\x89PNG")
