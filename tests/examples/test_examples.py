"""The gallery's examples run, at reduced size, and print and draw what they promise."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
DATA = os.environ.get("DESCRAMBLER_TEST_DATA")


def printed(name, folder, *arguments):
    """Run an example; return what it prints."""
    command = [sys.executable, EXAMPLES / f"{name}.py", "-o", folder, *arguments]
    text = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
    assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    return text


def after(text, label):
    """Return the number behind a label."""
    return float(text.split(label)[1].split()[0].rstrip(";,"))


def test_relaxometry(tmp_path):
    pytest.importorskip("torch")
    text = printed("relaxometry", tmp_path, "--steps", "500")
    assert after(text, "\ntrained: error") < 0.15 < after(text, "untrained: error")


def test_checkpoints(tmp_path):
    pytest.importorskip("torch")
    text = printed("checkpoints", tmp_path, "--stages", "100", "300")
    assert after(text, "similarity, trained ") > after(text, "similarity, untrained ")


def test_torch_layer(tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    text = printed("torch_layer", tmp_path, "--steps", "300")
    assert after(text, "trained:") > 0.8
    assert after(text, "untrained (null):") < 0.3


def test_custom_criterion(tmp_path):
    text = printed("custom_criterion", tmp_path)
    sparse, normal = text.splitlines()
    assert after(sparse, "with a source") > 0.99
    assert after(normal, "with a source") < 0.9


@pytest.mark.skipif(DATA is None, reason="DESCRAMBLER_TEST_DATA is not set")
def test_released(tmp_path):
    text = printed("released", tmp_path, "-n", "1000")
    assert "trained" in text and "random weights (null)" in text
    assert after(text.splitlines()[0], "ratio") < 10 < after(text.splitlines()[1], "ratio")
