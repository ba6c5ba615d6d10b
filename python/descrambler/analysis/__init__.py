"""Measurements on descrambled weights: numbers first, pictures elsewhere."""

from .spectrum import two_sided_spectrum
from .vectors import chebyshev_share, participation_ratio, singular_vectors

__all__ = ["chebyshev_share", "participation_ratio", "singular_vectors", "two_sided_spectrum"]
