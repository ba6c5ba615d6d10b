"""What a network learnt: null distributions, detectors, verdicts, and agreement between networks."""

from . import detectors, nulls
from ._align import align
from ._alignment import Alignment
from ._ensemble import Ensemble, ensemble
from ._findings import Finding
from ._interpret import interpret
from ._interpret_layers import LayerInterpretation, interpret_layers
from ._interpretation import Interpretation
from ._make_controls import controls
from ._panel import Panel
from ._privileged import PrivilegedBasis, privileged_basis
from ._refit import refit_controls
from ._study import Study

__all__ = [
    "Alignment",
    "Ensemble",
    "Finding",
    "Interpretation",
    "LayerInterpretation",
    "Panel",
    "PrivilegedBasis",
    "Study",
    "align",
    "controls",
    "detectors",
    "ensemble",
    "interpret",
    "interpret_layers",
    "nulls",
    "privileged_basis",
    "refit_controls",
]
