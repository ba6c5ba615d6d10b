"""Likelihood of a ridge: in each row of a spectrum, a line on a floor."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy  # its submodules load at first use

from .. import _core as core
from .._util.validate import Array

RESOLUTION = 0.5
"""Width (standard deviation) of the line of one wave, in cycles per length of the axis."""

# Newton's method squares its error: after a step below this nothing is left of it.
_SETTLED = 1e-6


class Place(NamedTuple):
    """Theta, the shares there, and the log-likelihood."""

    theta: Array
    share: Array
    value: float


class Likelihood:
    """Likelihood of a line on a floor, ``theta = (offset, exponent, log width)``.

    The line of link frequency k is at ``exp(offset + exponent (log k - mean log k))``, and has a `share`
    of the power there. An instance keeps what it computed last: it is not for several threads.
    """

    def __init__(self, spectra: Array, frequency: Array) -> None:
        self.spectra, self.frequency = spectra, frequency.astype(spectra.dtype)
        self.step = float(frequency[1] - frequency[0])
        self._core = core.RidgeLikelihood(spectra, self.frequency, RESOLUTION)

    @property
    def share(self) -> Array:
        """Share of each link frequency in its line, shape (k,)."""
        return self._core.share

    def common(self) -> float:
        """Log-likelihood of the mean spectrum against a flat one, mean over link frequencies."""
        mean = self.spectra.mean(axis=0)
        # At the resolution of the line, else a few sharp lines would count for less than their mean.
        smooth = scipy.ndimage.gaussian_filter1d(mean, RESOLUTION / self.step, mode="reflect")
        return float(np.sum(mean * np.log(np.maximum(len(mean) * smooth, 1e-300))))

    def values(self, theta: Array, settled: float = _SETTLED) -> Array:
        """Log-likelihood against the floor alone, by link frequency, at the best shares."""
        return self._core.values(theta, settled)

    def slopes(self) -> tuple[Array, Array]:
        """Return the derivatives by theta where it was last, each share following to its own maximum.

        The gradient by link frequency, shape (k, 3), and the second derivatives of the sum, shape (3, 3).
        """
        return self._core.slopes()

    def climb(self, start: Place, settled: float, best: float = -np.inf) -> Place:
        """Nearest maximum, to `settled` nats, or where the climb cannot reach the best any more."""
        return Place(*self._core.climb(start.theta, start.share, settled, best))
