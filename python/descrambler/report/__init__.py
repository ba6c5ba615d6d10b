"""Figures of descrambled networks."""

from ..axis import Axis
from .distances import distance_figure, unmodulated_figure
from .ensemble import ensemble_figures
from .evidence import evidence_figures
from .figures import first_layer, inner_layer, last_layer, network_figures
from .layout import Pair
from .paper import paper_figure, plot_gram, plot_spectrum, plot_weights, save_paper
from .structure import last_layer_structure
from .training import learning_curve

__all__ = [
    "distance_figure",
    "unmodulated_figure",
    "Axis",
    "Pair",
    "ensemble_figures",
    "evidence_figures",
    "first_layer",
    "inner_layer",
    "last_layer",
    "last_layer_structure",
    "learning_curve",
    "network_figures",
    "paper_figure",
    "plot_gram",
    "plot_spectrum",
    "plot_weights",
    "save_paper",
]
