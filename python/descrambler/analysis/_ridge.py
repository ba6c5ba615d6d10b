"""The map from link frequencies to input frequencies: a ridge in ``|F+ P W F-|`` and its power law.

Amey et al. 2021, Fig. 2: the ridge of the first weights of a DEERNet is said to follow a cube.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy  # its submodules load at first use: scipy.stats and scipy.optimize are slow to import
from numpy.typing import ArrayLike

from .._util.tables import brief
from .._util.threads import computes
from .._util.validate import Array, matrix, own_unit
from ._hough import levers
from ._ridge_likelihood import Likelihood
from ._ridge_search import best_ridge
from ._spectrum import Transform, amplitudes, frequencies


@brief
@dataclass(frozen=True, eq=False)
class FrequencyMap:
    """A ridge ``f_in = scale * k ** exponent`` in the spectrum of a matrix, k the link frequency.

    Attributes
    ----------
    exponent, error : float
        Exponent and its standard error, from the spread between link frequencies.
    scale : float
        Input frequency that belongs to link frequency 1.
    width : float
        Relative width of the ridge (standard deviation over frequency), beyond the resolution.
    share : ndarray, shape (n_link // 2,)
        Share of the power of each link frequency 1, 2, ... that is in the ridge.
    evidence : float
        Log-likelihood of the ridge less that of the mean spectrum, the same at every link frequency;
        mean over link frequencies, in nats. Near 0 or below there is no ridge; compare with nulls. The
        error of the exponent assumes that there is a ridge: for noise it is small and meaningless.
    """

    exponent: float
    error: float
    scale: float
    width: float
    share: Array
    evidence: float

    def __call__(self, link_frequency: ArrayLike) -> Array:
        """Return the ridge's input frequency, to draw over a picture of the spectrum."""
        k = np.asarray(link_frequency, np.float64)
        return np.asarray(self.scale * np.abs(k) ** self.exponent)


@computes
def frequency_map(weights: ArrayLike, transform: Transform = "dct") -> FrequencyMap:
    """Fit a power law to the ridge in the spectrum of P W, by maximum likelihood.

    The power of each link frequency k (Fourier), as a distribution over input frequencies f > 0, is a
    line of Gaussian shape at ``scale * k ** exponent`` on a flat floor. Each k has its own share in the
    line, so that neither the amplitude along the ridge nor the noise needs to be known. A k whose line
    lies outside the axis does not count. The error is the sandwich estimate, link frequencies as clusters.

    P matters: permuted link frequencies have another ridge. The smoothness criterion assigns principal
    components, by falling second moment, to rising link frequencies, which by itself produces a ridge.
    Compare the exponent with those of nulls.

    Parameters
    ----------
    weights : array_like, shape (n_link, n_in)
        P W; for ``W P^T`` of a later layer give the transposed matrix.
    transform : {"dct", "fourier"}
        Transform of the input axis.

    Returns
    -------
    FrequencyMap

    Raises
    ------
    TypeError, ValueError
        If the weights are not a finite real matrix with n_link >= 8 and n_in >= 8, are all zero
        beyond the constants, or the transform is unknown.
    """
    model, found = _fitted(weights, transform)
    values = model.values(found)
    scores, hessian = model.slopes()
    offset, exponent, log_width = found
    return FrequencyMap(
        exponent=float(exponent),
        error=_error(scores, hessian),
        scale=float(np.exp(offset - exponent * levers(len(scores))[0])),
        width=float(np.exp(log_width)),
        share=model.share,
        evidence=float(values.mean()) - model.common(),
    )


def exponent_and_evidence(weights: ArrayLike) -> tuple[float, float]:
    """Return these two of a :class:`FrequencyMap`, without the work for its error."""
    model, found = _fitted(weights, "dct")
    return float(found[1]), float(model.values(found).mean()) - model.common()


def _error(scores: Array, hessian: Array) -> float:
    """Sandwich standard error of the exponent, the width held."""
    inverse = np.linalg.pinv(-hessian[:2, :2])
    covariance = inverse @ (scores[:, :2].T @ scores[:, :2]) @ inverse
    return float(np.sqrt(covariance[1, 1] * len(scores) / (len(scores) - 2)))


def _fitted(weights: ArrayLike, transform: Transform) -> tuple[Likelihood, Array]:
    """Return the likelihood of a matrix, and where it is greatest."""
    w = matrix("weights", weights).astype(np.float64, copy=False)
    if min(w.shape) < 8:
        raise ValueError(f"weights must have at least 8 rows and columns, got shape {w.shape}")
    model = Likelihood(_row_spectra(w, transform), frequencies(w.shape[1], transform)[1:])
    return model, best_ridge(model)


def _row_spectra(w: Array, transform: Transform) -> Array:
    """Distribution over input frequencies > 0 at each link frequency > 0."""
    waves = scipy.fft.rfft(own_unit(w)[0], axis=0)[1:]
    power = sum(np.square(amplitudes(part, transform)) for part in (waves.real, waves.imag))
    power = np.asarray(power)[:, 1:]
    total = power.sum(axis=1, keepdims=True)
    if not total.any():
        raise ValueError("weights must not be zero beyond the constants of both axes")
    spectra: Array = np.divide(power, total, out=np.zeros_like(power), where=total > 0)
    return spectra
