"""Figures of descrambled networks."""

from .axes import Axis
from .figures import network_figures

__all__ = ["Axis", "network_figures"]
