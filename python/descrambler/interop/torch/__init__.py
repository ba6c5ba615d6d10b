"""Signals of any PyTorch model, and what descrambling makes of its linear layers (extra "torch").

A tap is named after an ``nn.Linear`` of the model and one of its sides: ``"encoder.0.dense:output"`` is
what this layer gives (before the activation that follows it), ``"encoder.0.output:input"`` what this layer
takes (after the activation that comes before it). ``*`` stands for any one part of the name between dots.
"""

from ._capturing import Capture, capture
from ._layers import DescrambledLinear, Verification, descramble_module, verify

__all__ = ["Capture", "DescrambledLinear", "Verification", "capture", "descramble_module", "verify"]
