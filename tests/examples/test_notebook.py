"""The notebook runs as it is, and is kept without outputs."""

from pathlib import Path

import nbclient
import nbformat
import pytest

PATH = Path(__file__).parents[2] / "examples" / "first_hour.ipynb"


def test_a_notebook_is_kept_without_outputs():
    for cell in nbformat.read(PATH, as_version=4).cells:
        assert not cell.get("outputs") and cell.get("execution_count") is None


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the client, its sockets and its event loop
def test_the_notebook_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    notebook = nbformat.read(PATH, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.output_type == "error"]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 2
    tables = [
        output for output in outputs if "<table>" in output.get("data", {}).get("text/html", "")
    ]
    assert len(tables) == 1
    assert not [output for output in outputs if "Warning" in output.get("text", "")]
