"""Signals of any PyTorch model, and the descrambling of its linear layers (extra "torch").

A tap is named after an ``nn.Linear`` or ``nn.Conv1d`` of the model and one of its sides: ``"encoder.0.dense:output"`` is
what this layer gives (before the activation that follows it), ``"encoder.0.output:input"`` what this layer
takes (after the activation that comes before it). ``*`` stands for any one part of the name between dots.

:func:`residual_stream` finds the residual stream of a transformer, where a rotation is an exact symmetry;
:func:`heads` finds the spaces inside of attention heads.
"""

from ._capturing import Capture, capture
from ._descrambled import DescrambledConv1d, DescrambledLinear
from ._heads import Heads, HeadSpace, heads
from ._layers import Verification, descramble_module, verify
from ._stream import ResidualStream
from ._stream_canonical import CanonicalGauge
from ._stream_files import RotatedCheckpoint, rotate_checkpoint
from ._stream_open import residual_stream
from ._stream_save import load_rotated
from ._stream_spec import Stream
from ._stream_verify import StreamVerification

__all__ = [
    "CanonicalGauge",
    "Capture",
    "DescrambledConv1d",
    "DescrambledLinear",
    "HeadSpace",
    "Heads",
    "ResidualStream",
    "RotatedCheckpoint",
    "Stream",
    "StreamVerification",
    "Verification",
    "capture",
    "descramble_module",
    "heads",
    "load_rotated",
    "residual_stream",
    "rotate_checkpoint",
    "verify",
]
