"""Figures of descrambled networks."""

from .axes import Axis
from .figures import first_layer, inner_layer, last_layer, network_figures
from .layout import Pair
from .structure import last_layer_structure

__all__ = [
    "Axis",
    "Pair",
    "first_layer",
    "inner_layer",
    "last_layer",
    "last_layer_structure",
    "network_figures",
]
