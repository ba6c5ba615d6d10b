"""What a network learnt: null distributions, detectors, verdicts, and agreement between networks."""

from . import detectors, nulls
from ._ensemble import Ensemble, ensemble
from ._findings import Finding
from ._interpret import interpret
from ._interpretation import Interpretation
from ._study import Study

__all__ = [
    "Ensemble",
    "Finding",
    "Interpretation",
    "Study",
    "detectors",
    "ensemble",
    "interpret",
    "nulls",
]
