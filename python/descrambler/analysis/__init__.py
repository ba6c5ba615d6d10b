"""Measurements on networks and descrambled weights: numbers first, pictures elsewhere.

``docs/analysis.md`` has the table of them: formula, units, and whether P matters.
"""

from .ablation import band_cut, functional_rank, layer_loss, without_band
from .jacobian import (
    directional_gain,
    jacobian_vector,
    jacobians,
    mean_jacobian,
    vector_jacobian,
)
from .response import (
    Band,
    aggregate_response,
    gain,
    gain_ratio,
    notch_depth,
    pass_band,
    stop_edges,
    upper_band_level,
)
from .spectrum import frequencies, frequency_response, two_sided_spectrum
from .vectors import chebyshev_share, participation_ratio, singular_vectors

__all__ = [
    "Band",
    "aggregate_response",
    "band_cut",
    "chebyshev_share",
    "directional_gain",
    "frequencies",
    "frequency_response",
    "functional_rank",
    "gain",
    "gain_ratio",
    "jacobian_vector",
    "jacobians",
    "layer_loss",
    "mean_jacobian",
    "notch_depth",
    "participation_ratio",
    "pass_band",
    "singular_vectors",
    "stop_edges",
    "two_sided_spectrum",
    "upper_band_level",
    "vector_jacobian",
    "without_band",
]
