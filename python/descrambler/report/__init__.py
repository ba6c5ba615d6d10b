"""Figures of descrambled networks."""

from .axes import Axis
from .ensemble import ensemble_figures
from .figures import first_layer, inner_layer, last_layer, network_figures
from .layout import Pair
from .structure import last_layer_structure

__all__ = [
    "Axis",
    "Pair",
    "ensemble_figures",
    "first_layer",
    "inner_layer",
    "last_layer",
    "last_layer_structure",
    "network_figures",
]
