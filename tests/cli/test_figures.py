"""Figures of the command line."""

import matplotlib
from matplotlib.figure import Figure
from numpy.testing import assert_allclose

from descrambler.cli._common import DPI, save_figure
from descrambler.report import _once as once


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


def test_a_layout_for_files_is_that_of_matplotlib(tmp_path):
    """Texts are measured less often, and everything finds the place that the engine gives it."""
    places = []
    for lay_out in (once.lay_out, lambda figure, dpi: None):
        figure = Figure(figsize=(9, 5), dpi=DPI, layout="constrained")
        axes = figure.subplots(2, 3)
        for number, ax in enumerate(axes.flat):
            image = ax.imshow([[0, 1], [2, 3]], aspect="auto", extent=(0, 10**number, 0, 1))
            ax.set(xlabel="across", ylabel="up")
        axes[0, 0].set(xticks=[0, 1], yticks=[0, 1])  # the same at all sizes
        axes[0, 0].annotate("beside", (-0.5, 0.5), xycoords="axes fraction", rotation=90)
        figure.colorbar(image, ax=axes[:, :2], location="bottom")
        figure.supxlabel("what is seen\nin two lines")
        lay_out(figure, DPI)
        figure.draw_without_rendering()
        places.append([ax.get_position().bounds for ax in figure.axes])
    assert_allclose(*places, atol=0.002)
