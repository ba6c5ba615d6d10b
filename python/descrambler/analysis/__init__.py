"""Measurements on networks and descrambled weights: numbers first, pictures elsewhere.

``docs/analysis.md`` has the table of them: formula, units, and whether P matters.
"""

from ._ablation import band_cut, functional_rank, layer_loss, without_band
from ._bases import BasisMatch, match_bases, principal_components, subspace_overlap
from ._diagonal import diagonal_share, random_diagonal_share
from ._jacobian import directional_gain, jacobian_vector, jacobians, mean_jacobian, vector_jacobian
from ._rank import marchenko_pastur_edge, noise_level, participation_ratio, values_above_noise
from ._response import (
    Band,
    aggregate_response,
    gain,
    gain_ratio,
    notch_depth,
    pass_band,
    stop_edges,
    upper_band_level,
)
from ._ridge import FrequencyMap, frequency_map
from ._spectrum import frequencies, frequency_response, two_sided_spectrum
from ._stability import SplitHalf, split_half
from ._structure import (
    StructureShares,
    irrep_energy,
    low_frequency_share,
    off_diagonal_share,
    shift_commutator,
    structure_shares,
)
from ._transform import (
    FrequencyLaw,
    KernelMatch,
    PowerLaw,
    frequency_law,
    kernel_match,
    mode_order,
    power_law,
)
from ._vectors import chebyshev_share, singular_vectors

__all__ = [
    "Band",
    "BasisMatch",
    "FrequencyLaw",
    "FrequencyMap",
    "KernelMatch",
    "PowerLaw",
    "SplitHalf",
    "StructureShares",
    "aggregate_response",
    "band_cut",
    "chebyshev_share",
    "diagonal_share",
    "directional_gain",
    "frequencies",
    "frequency_law",
    "frequency_map",
    "frequency_response",
    "functional_rank",
    "gain",
    "gain_ratio",
    "irrep_energy",
    "jacobian_vector",
    "jacobians",
    "kernel_match",
    "layer_loss",
    "low_frequency_share",
    "marchenko_pastur_edge",
    "match_bases",
    "mean_jacobian",
    "mode_order",
    "noise_level",
    "notch_depth",
    "off_diagonal_share",
    "participation_ratio",
    "pass_band",
    "power_law",
    "principal_components",
    "random_diagonal_share",
    "shift_commutator",
    "singular_vectors",
    "split_half",
    "stop_edges",
    "structure_shares",
    "subspace_overlap",
    "two_sided_spectrum",
    "upper_band_level",
    "values_above_noise",
    "vector_jacobian",
    "without_band",
]
