"""Figures of the command line."""

import matplotlib
from matplotlib.figure import Figure

from descrambler.cli._common import save_figure


def test_are_drawn_where_a_matplotlibrc_asks_for_latex_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with matplotlib.rc_context({"text.usetex": True}):
        figure = Figure()
        figure.subplots().plot([1e-6, 2e-6], label="50 %_")
        figure.suptitle("a_b & c")
        save_figure(figure, tmp_path / "figure")
    assert {path.suffix for path in tmp_path.iterdir()} == {".png", ".svg"}


def test_the_same_figure_gives_the_same_files(tmp_path):
    for name in ("first", "second"):
        figure = Figure(layout="constrained")
        axes = figure.subplots(1, 2)
        figure.colorbar(axes[0].imshow([[0, 1], [2, 3]]), ax=axes)
        save_figure(figure, tmp_path / name)
    for kind in ("png", "svg"):
        first, second = (tmp_path / f"{name}.{kind}" for name in ("first", "second"))
        assert first.read_bytes() == second.read_bytes(), kind
