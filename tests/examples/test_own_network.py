"""The example of a network of one's own runs, and finds what was put into its data."""

import runpy
import sys
from pathlib import Path

import pytest

pytest.importorskip("sklearn")
pytest.importorskip("jinja2")
pytest.importorskip("bokeh")

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_network.py"


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_prints_findings_and_writes_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["own_network.py", "-o", str(tmp_path), "--nulls", "20"])
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    printed = capsys.readouterr().out
    (row,) = [line for line in printed.splitlines() if line.startswith("frequency map")]
    assert "present" in row and "rises with its line" in printed
    assert "line (kHz)" in (tmp_path / "report.html").read_text(encoding="utf-8")
