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
from ._spectrum import Transform, amplitudes, frequencies

RESOLUTION = 0.5
"""Width (standard deviation) of the line of one wave, in cycles per length of the axis."""

_EXPONENTS = np.arange(-2, 4.01, 0.125)
"""Where the search may start; it ends where it will."""
_OFFSETS = 64
_STARTS = 3
_WIDTHS = (0.03, 0.2)
# A line of the least width may sum to 1.003 on a coarse axis: nothing of the floor would be left at 1.
_SHARES = (1e-4, 0.99)


@brief
@dataclass(frozen=True, eq=False)
class FrequencyMap:
    """A ridge ``f_in = scale * k ** exponent`` in the spectrum of a matrix, k the link frequency.

    Attributes
    ----------
    exponent, error : float
        With its standard error, from the spread between link frequencies.
    scale : float
        Input frequency that belongs to link frequency 1.
    width : float
        Relative width of the ridge (standard deviation over frequency), beyond the resolution.
    share : ndarray, shape (n_link // 2,)
        Share of the power of each link frequency 1, 2, ... that is in the ridge.
    evidence : float
        Log-likelihood of the ridge less that of the mean spectrum, the same at every link frequency;
        mean over link frequencies, in nats. Near 0 or below there is no ridge; compare with nulls. The
        exponent's error takes the ridge for granted: for noise it is small and meaningless.
    """

    exponent: float
    error: float
    scale: float
    width: float
    share: Array
    evidence: float

    def __call__(self, link_frequency: ArrayLike) -> Array:
        """Return the ridge's input frequency, to be laid over a picture of the spectrum."""
        k = np.asarray(link_frequency, np.float64)
        return np.asarray(self.scale * np.abs(k) ** self.exponent)


@computes
def frequency_map(weights: ArrayLike, transform: Transform = "dct") -> FrequencyMap:
    """Fit a power law to the ridge in the spectrum of P W, by maximum likelihood.

    The power of each link frequency k (Fourier), as a distribution over input frequencies f > 0, is a
    line of Gaussian shape at ``scale * k ** exponent`` on a flat floor. Each k has its own share in the
    line, so that neither the amplitude along the ridge nor the noise needs to be known; where the line
    leaves the axis, k says nothing. The error is the sandwich estimate, link frequencies as clusters.

    P matters: permuted link frequencies have another ridge. The smoothness criterion sorts principal
    components by variance onto rising link frequencies, which makes a ridge by itself: an exponent
    means something only beside those of nulls.

    Parameters
    ----------
    weights : array_like, shape (n_link, n_in)
        P W; for ``W P^T`` of a later layer give the transposed matrix.
    transform : {"dct", "fourier"}
        Of the input axis.

    Returns
    -------
    FrequencyMap

    Raises
    ------
    TypeError, ValueError
        If the weights are not a finite real matrix with n_link >= 8 and n_in >= 8, are all zero
        beyond the constants, or the transform is unknown.
    """
    w = matrix("weights", weights).astype(np.float64, copy=False)
    if min(w.shape) < 8:
        raise ValueError(f"weights must have at least 8 rows and columns, got shape {w.shape}")
    model = _Ridge(_row_spectra(w, transform), frequencies(w.shape[1], transform)[1:])
    found = min((model.refined(start) for start in model.starts()), key=lambda r: r[1])[0]
    value, scores, share = model.rows(found)
    offset, exponent, log_width = found
    return FrequencyMap(
        exponent=float(exponent),
        error=model.error(found, scores),
        scale=float(np.exp(offset - exponent * model.middle)),
        width=float(np.exp(log_width)),
        share=share,
        evidence=float(value.mean()) - model.common(),
    )


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


class _Ridge:
    """Likelihood of a line on a floor, ``theta = (offset, exponent, log width)``.

    The line of link frequency k is at ``exp(offset + exponent (log k - middle))``.
    """

    def __init__(self, spectra: Array, frequency: Array) -> None:
        self.spectra = spectra
        self.frequency = frequency
        self.log_link = np.log(np.arange(1, len(spectra) + 1))
        self.middle = float(self.log_link.mean())
        self.lever = self.log_link - self.middle
        self.step = float(frequency[1] - frequency[0])

    def common(self) -> float:
        """Log-likelihood of the mean spectrum against a flat one, mean over link frequencies."""
        mean = self.spectra.mean(axis=0)
        # At the resolution of the line, else a few sharp lines would count for less than their mean.
        smooth = scipy.ndimage.gaussian_filter1d(mean, RESOLUTION / self.step, mode="reflect")
        return float(np.sum(mean * np.log(np.maximum(len(mean) * smooth, 1e-300))))

    def rows(self, theta: Array) -> tuple[Array, Array, Array]:
        """Log-likelihood against the floor alone, its gradient (by theta), and the line's share."""
        offset, exponent, log_width = theta
        log_center = np.clip(offset + exponent * self.lever, -8, 8)
        center, ratio = np.exp(log_center), np.exp(log_width)
        # The width of a bin adds to that of the line.
        variance = RESOLUTION**2 + self.step**2 / 12 + np.square(ratio * center)
        away = self.frequency - center[:, None]
        spread = np.square(away) / variance[:, None]
        line = np.exp(-spread / 2) * (self.step / np.sqrt(2 * np.pi * variance))[:, None]
        n = len(self.frequency)
        # What of the line lies beyond the axis goes to the floor.
        excess = n * line - line.sum(axis=1, keepdims=True)
        share = self._share(excess)
        likelihood = 1 + share * excess
        value = np.einsum("ij,ij->i", self.spectra, np.log(likelihood))
        weight = share * self.spectra / likelihood
        pull = (n * weight - weight.sum(axis=1, keepdims=True)) * line
        by_center = np.einsum("ij,ij->i", pull, away) / variance
        by_variance = np.einsum("ij,ij->i", pull, spread - 1) / (2 * variance)
        by_log_width = by_variance * 2 * np.square(ratio * center)
        by_offset = by_center * center + by_log_width
        gradient = np.stack([by_offset, by_offset * self.lever, by_log_width], axis=1)
        return value, gradient, share[:, 0]

    def _share(self, excess: Array) -> Array:
        """Maximize over the share in (0, 1), row by row, a concave function: Newton's method."""
        share = np.full((len(excess), 1), 0.3)
        slope = np.empty_like(excess)
        for _ in range(6):
            np.multiply(share, excess, out=slope)
            slope += 1
            np.divide(excess, slope, out=slope)
            first = np.einsum("ij,ij->i", self.spectra, slope)
            second = np.einsum("ij,ij,ij->i", self.spectra, slope, slope)
            step = first / np.maximum(second, 1e-300)
            share = np.minimum(np.maximum(share + step[:, None], _SHARES[0]), _SHARES[1])
        return share

    def loss(self, theta: Array) -> tuple[float, Array]:
        """Negative log-likelihood and its gradient."""
        value, gradient, _ = self.rows(theta)
        return -float(value.sum()), -gradient.sum(axis=0)

    def starts(self) -> list[Array]:
        """Return the best points of a Hough transform: power along each curve against a flat floor."""
        floor = np.median(self.spectra, axis=1, keepdims=True) / np.log(2)
        peaks = np.maximum(self.spectra - floor, 0)
        flat = np.broadcast_to(peaks.mean(axis=1, keepdims=True), peaks.shape)
        log_frequency = np.log(self.frequency)
        grid = np.linspace(log_frequency[0] - 1, log_frequency[-1] + 1, _OFFSETS)
        step = grid[1] - grid[0]
        candidates = []
        for exponent in _EXPONENTS:
            offset = log_frequency - exponent * self.lever[:, None]
            cell = np.rint((offset - grid[0]) / step).astype(int)
            cell = np.clip(cell, 0, _OFFSETS - 1).ravel()
            seen, expected = (
                np.convolve(np.bincount(cell, x.ravel(), _OFFSETS), [0.25, 0.5, 0.25], "same")
                for x in (peaks, flat)
            )
            score = seen * np.log(np.maximum(seen, 1e-12) / np.maximum(expected, 1e-12))
            best = int(np.argmax(score))
            candidates.append((float(score[best]), float(grid[best]), float(exponent)))
        chosen: list[Array] = []
        for _, offset, exponent in sorted(candidates, reverse=True):
            if all(abs(exponent - other[1]) >= 0.4 for other in chosen):
                widths = [np.array([offset, exponent, np.log(width)]) for width in _WIDTHS]
                chosen.append(min(widths, key=lambda theta: self.loss(theta)[0]))
            if len(chosen) == _STARTS:
                break
        return sorted(chosen, key=lambda theta: self.loss(theta)[0])[:2]

    def refined(self, start: Array) -> tuple[Array, float]:
        """Nearest maximum of the likelihood, and the negative likelihood there."""
        bounds = [(-8, 8), (-8, 8), (np.log(1e-3), np.log(2))]
        found = scipy.optimize.minimize(
            self.loss, start, jac=True, method="L-BFGS-B", bounds=bounds
        )
        return found.x, float(found.fun)

    def error(self, theta: Array, scores: Array) -> float:
        """Sandwich standard error of the exponent, the width held."""
        step = 1e-3
        hessian = np.stack(
            [
                (self.loss(theta + move)[1] - self.loss(theta - move)[1])[:2] / (2 * step)
                for move in step * np.eye(3)[:2]
            ]
        )
        inverse = np.linalg.pinv((hessian + hessian.T) / 2)
        covariance = inverse @ (scores[:, :2].T @ scores[:, :2]) @ inverse
        return float(np.sqrt(covariance[1, 1] * len(scores) / (len(scores) - 2)))
