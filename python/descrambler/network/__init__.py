"""Trained networks: layers, activations, and the signals that pass between them."""

from ._activations import Activation, Renormalize
from ._layers import BatchNorm, Linear
from ._network import Network

__all__ = ["Activation", "BatchNorm", "Linear", "Network", "Renormalize"]
