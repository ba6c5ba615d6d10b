"""Figures of descrambled networks."""

from ._alignment import alignment_figure
from ._ensemble import ensemble_figures
from ._evidence import evidence_figures
from ._figures import first_layer, inner_layer, last_layer, network_figures
from ._html import Record, compare_page, page, record, write_page
from ._layout import Pair
from ._paper import (
    paper_figure,
    plot_gram,
    plot_rotation,
    plot_spectrum,
    plot_weights,
    save_paper,
)
from ._plot import plot_interpretation, plot_result
from ._privileged import privileged_basis_figure
from ._strips import panel_figure
from ._structure import last_layer_structure

__all__ = [
    "Pair",
    "Record",
    "compare_page",
    "alignment_figure",
    "ensemble_figures",
    "evidence_figures",
    "first_layer",
    "inner_layer",
    "last_layer",
    "last_layer_structure",
    "network_figures",
    "page",
    "panel_figure",
    "paper_figure",
    "plot_gram",
    "plot_interpretation",
    "plot_result",
    "plot_rotation",
    "plot_spectrum",
    "plot_weights",
    "privileged_basis_figure",
    "record",
    "save_paper",
    "write_page",
]
