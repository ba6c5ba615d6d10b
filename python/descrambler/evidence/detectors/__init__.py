"""Detectors: the features that are tested. Thresholds were fixed on planted and random networks."""

from ._detector import Axes, Detector
from ._filters import BAND_PASS, LOW_PASS, NOTCH, rejection
from ._maps import FREQUENCY_MAP, JOINT_ORDER, LINK_MAP, LINK_ORDER
from ._parts import Part
from ._reference import kernel_order, reference_inverse
from ._structure import DIAGONAL, LOW_RANK, ORTHOGONAL, POLYNOMIALS, SINUSOIDS

DETECTORS = (
    LOW_PASS,
    BAND_PASS,
    NOTCH,
    FREQUENCY_MAP,
    LINK_MAP,
    LINK_ORDER,
    JOINT_ORDER,
    LOW_RANK,
    ORTHOGONAL,
    POLYNOMIALS,
    SINUSOIDS,
    DIAGONAL,
)
"""All of them, in the order of tables."""

__all__ = [
    "DETECTORS",
    "Axes",
    "Detector",
    "Part",
    "kernel_order",
    "reference_inverse",
    "rejection",
]
