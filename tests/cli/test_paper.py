"""The figures of the paper, drawn in its order."""

import json
from functools import partial

import pytest

import descrambler as ds
from descrambler import deer
from descrambler.cli import main
from descrambler.evidence.detectors import DETECTORS


@pytest.mark.slow
def test_every_figure_has_a_caption_and_the_verdicts_of_its_claims(tmp_path, monkeypatch, capsys):
    few = {kind: networks[:2] for kind, networks in deer.controls().items()}
    monkeypatch.setattr(deer, "controls", lambda: few)
    monkeypatch.setattr("descrambler.cli._paper.INPUTS", 200)
    # The ridge finder takes as long as all other detectors; the figure fits its map all the same.
    quick = tuple(d for d in DETECTORS if d.name != "link frequency map")
    monkeypatch.setattr("descrambler.cli._paper.interpret", partial(ds.interpret, detectors=quick))
    monkeypatch.setattr("descrambler.cli._demo.REPLICA_TRACES", 20)
    folder = tmp_path / "paper"
    assert main(["paper", "-o", str(folder), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)["figures"]
    names = [figure["figure"] for figure in figures]
    assert names == ["fig1", "fig2", "fig3", "fig4", "fig4_mean_kept", "fig5_6"]
    page = (folder / "figures.md").read_text()
    for figure in figures:
        assert (folder / f"{figure['figure']}.png").read_bytes().startswith(b"\x89PNG")
        assert figure["caption"] in page
        assert all(sentence in page for sentence in figure["findings"])
    read_off = [sentence for figure in figures for sentence in figure["findings"]]
    assert len(read_off) == len(set(read_off)) >= 13
    curves = (folder / "fig2.svg").read_text()
    assert "cube" in curves and "fitted: power" in curves
    assert main(["paper", "-o", str(folder)]) == 2  # it exists
