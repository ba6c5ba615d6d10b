"""Whether a measured trace is more than a background."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy  # its submodules load at first use: scipy.signal and scipy.stats are slow to import
from numpy.typing import NDArray

from .._util.tables import brief
from .._util.validate import own_unit
from ._fits import Dimension, TraceFit, fit_trace
from ._physics import Experiment
from ._traces import Trace

LEVEL = 1e-3
"""P-value below which a trace is taken to be modulated."""
_SLOW = 20  # cosine coefficients of the residual in which a modulation would show


@brief
@dataclass(frozen=True, eq=False)
class Modulation:
    """Whether a trace is more than a background with white noise.

    Attributes
    ----------
    p : float
        Probability of so much slow residual without any modulation (F test).
    found : bool
        Whether `p` is below `LEVEL`.
    fit : TraceFit
        The background alone.
    """

    p: float
    found: bool
    fit: TraceFit


def modulation(
    trace: Trace, experiment: Experiment = "deer", dimension: Dimension | None = None
) -> Modulation:
    """Test a prepared trace for dipolar modulation.

    A background alone is fitted. If it is all there is, the residual is white: its first 20 cosine
    coefficients have the variance of the upper half of them, which an F test compares.

    Parameters
    ----------
    trace : Trace
        Prepared, with at least 64 measured points.
    experiment : {"deer", "ridme"}
    dimension : tuple of two floats, optional
        Range of the background's dimension; see `fit_trace`.

    Returns
    -------
    Modulation

    Raises
    ------
    ValueError
        If there are fewer than 64 points.

    Notes
    -----
    Slow drifts of a spectrometer count as modulation: the test does not know their cause.
    """
    n = trace.time.size
    if n < 64:
        found = (
            ""
            if trace.zero is None
            else f" (zero time {trace.zero:.3g} us: name another, zero= or --zero)"
        )
        raise ValueError(
            f"trace must have at least 64 points from the zero time on, got {n}{found}"
        )
    fit = fit_trace(trace, experiment=experiment, dimension=dimension)
    p = residual_p(trace.signal - fit.model)
    return Modulation(p, p < LEVEL, fit)


def residual_p(residual: NDArray[np.float64]) -> float:
    """Return the probability of so much slow residual in white noise (F test).

    The first 20 cosine coefficients are held against the upper half of them.
    """
    n = residual.size
    scaled = own_unit(residual)[0].astype(np.float64)
    coefficients = scipy.fft.dct(scaled, norm="ortho")
    parameters = 3
    slow = float(np.sum(coefficients[:_SLOW] ** 2)) / (_SLOW - parameters)
    noise = noise_level(scaled) ** 2
    if noise <= 0:
        return 0.0
    return float(scipy.stats.f.sf(slow / noise, _SLOW - parameters, n - n // 2))


def noise_level(residual: NDArray[np.float64]) -> float:
    """Return the r.m.s. of white noise that has the upper half of the cosine coefficients."""
    coefficients = scipy.fft.dct(residual, norm="ortho")
    return float(np.sqrt(np.mean(coefficients[residual.size // 2 :] ** 2)))
