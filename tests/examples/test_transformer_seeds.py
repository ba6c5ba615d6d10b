"""The example with transformers runs at a tiny size, and a probe goes from one seed to another."""

import runpy
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "transformer_seeds.py"


@pytest.mark.slow
def test_a_tiny_version(tmp_path, monkeypatch, capsys):
    pytest.importorskip("torch")
    sizes = [
        "--seeds",
        "2",
        "--steps",
        "50",
        "--width",
        "16",
        "--layers",
        "1",
        "--characters",
        "20000",
    ]
    monkeypatch.setattr(sys, "argv", [str(EXAMPLE), "-o", str(tmp_path), *sizes])
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    for line in lines[:2]:
        before, after = (float(line.split()[k]) for k in (3, 5))
        assert after < before - 0.5
    values = dict(line.split(": ") for line in lines if line.startswith("on "))
    trained = {name: float(value.split()[0]) for name, value in values.items()}
    through, plain = (
        trained[f"on the other, {how}"] for how in ("through the rotation", "not rotated")
    )
    assert through > plain + 0.05
    assert (tmp_path / "transformer_seeds.png").read_bytes().startswith(b"\x89PNG")
