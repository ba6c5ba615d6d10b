"""Measurements on networks and descrambled weights, without pictures.

``docs/analysis.md`` has the table of them: formula, units, and whether P matters.
"""

from ._ablation import band_cut, functional_rank, layer_loss, without_band
from ._bases import BasisMatch, match_bases
from ._diagonal import diagonal_share, expected_diagonal_share, random_diagonal_share
from ._jacobian import directional_gain, jacobians, mean_jacobian
from ._order import frequency_order, mode_order, output_frequencies
from ._rank import noise_level, participation_ratio, values_above_noise
from ._response import (
    Band,
    aggregate_response,
    band_pass_level,
    gain,
    gain_ratio,
    notch_depth,
    pass_band,
    upper_band_level,
)
from ._ridge import FrequencyMap, frequency_map
from ._spectrum import frequencies, frequency_response, two_sided_spectrum
from ._stability import SplitHalf, split_half
from ._structure import irrep_energy, mode_purity, off_diagonal_share
from ._subspaces import principal_components, shape_share, subspace_overlap
from ._transform import (
    FrequencyLaw,
    KernelMatch,
    PowerLaw,
    frequency_law,
    kernel_match,
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
    "aggregate_response",
    "band_cut",
    "band_pass_level",
    "chebyshev_share",
    "diagonal_share",
    "directional_gain",
    "expected_diagonal_share",
    "frequencies",
    "frequency_law",
    "frequency_map",
    "frequency_order",
    "frequency_response",
    "functional_rank",
    "gain",
    "gain_ratio",
    "irrep_energy",
    "jacobians",
    "kernel_match",
    "layer_loss",
    "match_bases",
    "mean_jacobian",
    "mode_order",
    "mode_purity",
    "noise_level",
    "notch_depth",
    "off_diagonal_share",
    "output_frequencies",
    "participation_ratio",
    "pass_band",
    "power_law",
    "principal_components",
    "random_diagonal_share",
    "shape_share",
    "singular_vectors",
    "split_half",
    "subspace_overlap",
    "two_sided_spectrum",
    "upper_band_level",
    "values_above_noise",
    "without_band",
]
