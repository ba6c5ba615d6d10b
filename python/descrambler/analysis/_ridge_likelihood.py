"""Likelihood of a ridge: in each row of a spectrum, a line on a floor."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy  # its submodules load at first use
from numpy.typing import NDArray

from .._util.validate import Array
from ._hough import levers

RESOLUTION = 0.5
"""Width (standard deviation) of the line of one wave, in cycles per length of the axis."""

# A line of the least width may sum to 1.003 on a coarse axis: nothing of the floor would be left at 1.
_SHARES = (1e-4, 0.99)
_NEWTON_STEPS = 20
# Newton's method squares its error: after a step below this nothing is left of it.
_SETTLED = 1e-6
# Curvature below which a share has no say: its line is off the axis, where what little is left of it is rounding.
_FAINT = 1e-16


class Slopes(NamedTuple):
    """Derivatives of the log-likelihood by theta, where each share follows to its own maximum.

    Attributes
    ----------
    scores : ndarray, shape (k, 3)
        Gradient by link frequency.
    hessian : ndarray, shape (3, 3)
        Sum over link frequencies.
    share_step : ndarray, shape (k,)
        Newton step of each share, theta held.
    share_slope : ndarray, shape (k, 3)
        How far each share follows a step of theta.
    gain : float
        What the steps of the shares promise.
    """

    scores: Array
    hessian: Array
    share_step: Array
    share_slope: Array
    gain: float


class _Line(NamedTuple):
    """Center and variance of each line, and the ridge's own part of the variance."""

    center: Array
    variance: Array
    spread: Array


class Likelihood:
    """Likelihood of a line on a floor, ``theta = (offset, exponent, log width)``.

    The line of link frequency k is at ``exp(offset + exponent (log k - middle))``, and has a `share` of
    the power there. An instance keeps the arrays it works in, and where it was last: it is not for several threads.
    """

    def __init__(self, spectra: Array, frequency: Array) -> None:
        self.spectra = spectra
        self.frequency = frequency.astype(spectra.dtype)
        self.middle, self.lever = levers(len(spectra))
        self.step = float(frequency[1] - frequency[0])
        self._away, self._line, self._excess, self._likelihood, *self._work = np.empty(
            (8, *spectra.shape), spectra.dtype
        )
        self.share = np.full(len(spectra), 0.3)
        # The mean of a row as a product, which takes a fifth of the time.
        self._averaging = np.full((spectra.shape[1], 1), 1 / spectra.shape[1], spectra.dtype)
        # How the logarithms of center and spread follow theta.
        one, none = np.ones_like(self.lever), np.zeros_like(self.lever)
        self._along = np.stack([one, self.lever, none], axis=1)
        self._across = np.stack([one, self.lever, one], axis=1)

    def common(self) -> float:
        """Log-likelihood of the mean spectrum against a flat one, mean over link frequencies."""
        mean = self.spectra.mean(axis=0)
        # At the resolution of the line, else a few sharp lines would count for less than their mean.
        smooth = scipy.ndimage.gaussian_filter1d(mean, RESOLUTION / self.step, mode="reflect")
        return float(np.sum(mean * np.log(np.maximum(len(mean) * smooth, 1e-300))))

    def values(self, theta: Array, settled: float = _SETTLED) -> Array:
        """Log-likelihood against the floor alone, by link frequency, at the best shares."""
        self._place(theta)
        self._improve_share(settled)
        return self._values()

    def move(self, theta: Array, share: Array) -> float:
        """Go to theta and the shares; return the log-likelihood against the floor alone."""
        self._place(theta)
        self.share = np.minimum(np.maximum(share, _SHARES[0]), _SHARES[1])
        return float(self._values().sum())

    def _place(self, theta: Array) -> None:
        """Work out the line of each link frequency."""
        offset, exponent, log_width = theta
        center = np.exp(np.clip(offset + exponent * self.lever, -8, 8))
        spread = np.square(np.exp(log_width) * center)
        # The width of a bin adds to that of the line.
        variance = RESOLUTION**2 + self.step**2 / 12 + spread
        self._at = _Line(center, variance, spread)
        away = np.subtract(self.frequency, self._column(center), out=self._away)
        power = np.multiply(away, away, out=self._line)
        power *= self._column(-0.5 / variance)
        # Where nothing of the line is left its logarithm may be what it wants; beyond -700 exp is slow.
        np.maximum(power, -100, out=power)
        line = np.exp(power, out=power)
        line *= self._column(len(self.frequency) * self.step / np.sqrt(2 * np.pi * variance))
        # What of the line lies beyond the axis goes to the floor.
        np.subtract(line, line @ self._averaging, out=self._excess)

    def _column(self, values: Array) -> Array:
        """Numbers by link frequency, to meet the spectra in their precision."""
        return values.astype(self.spectra.dtype)[:, None]

    def _values(self) -> Array:
        """Return the log-likelihoods, and keep the likelihoods."""
        likelihood = np.multiply(self._column(self.share), self._excess, out=self._likelihood)
        likelihood += 1
        return _sums(self.spectra, np.log(likelihood, out=self._work[0]))

    def _improve_share(self, settled: float) -> None:
        """Maximize over the share in (0, 1), row by row, a concave function: Newton's method.

        It starts where it ended last, since the line moves little from one call to the next, and continues
        only for the rows that still move: most stay at an end.
        """
        share, left = self.share.copy(), np.arange(len(self.spectra))
        excess, spectra = self._excess, self.spectra
        for _ in range(_NEWTON_STEPS):
            slope = self._column(share[left]) * excess
            slope += 1
            np.divide(excess, slope, out=slope)
            first = _sums(spectra, slope)
            slope *= slope
            step = first / np.maximum(_sums(spectra, slope), 1e-300)
            moved = np.minimum(np.maximum(share[left] + step, _SHARES[0]), _SHARES[1])
            moving = np.abs(moved - share[left]) > settled
            share[left] = moved
            if not moving.any():
                break
            left, excess, spectra = left[moving], excess[moving], spectra[moving]
        self.share = share

    def slopes(self) -> Slopes:
        """Return the derivatives where it was last.

        The derivatives of a normal density by its center are Hermite polynomials times the density, and its
        derivative by the variance is half the second one by the center.
        """
        center, variance, spread = self._at
        share, deviation = self.share, np.sqrt(self._at.variance)
        # Derivatives of the logarithm by the line: p / L, and p / L^2.
        inverse = np.divide(self.spectra, self._likelihood, out=self._work[0])
        square = np.divide(inverse, self._likelihood, out=self._work[1])
        by_share = _sums(inverse, self._excess)
        weighted = np.multiply(square, self._excess, out=self._work[2])
        own = _sums(weighted, self._excess)
        mean = inverse @ self._averaging
        standard = np.multiply(self._away, self._column(1 / deviation), out=self._away)
        first = self._line * standard
        second = np.multiply(first, standard, out=self._work[2])
        second -= self._line
        pull = np.subtract(inverse, mean, out=inverse)
        h1, h2 = _sums(pull, first), _sums(pull, second)
        bend = np.multiply(pull, standard, out=self._line)
        bent1, bent2 = _sums(bend, first), _sums(bend, second)
        h3 = bent2 - 2 * h1
        bend *= standard
        h4 = _sums(bend, second) - 2 * bent1 - 3 * h2
        first -= first @ self._averaging
        second -= second @ self._averaging
        mixed1, mixed2 = _sums(square, first), _sums(square, second)
        cross = np.multiply(square, first, out=bend)
        s11, s12 = _sums(cross, first), _sums(cross, second)
        s22 = _sums(np.multiply(square, second, out=bend), second)
        return self._assembled(
            by_share,
            own,
            np.array([share * h1 / deviation, share * h2 / (2 * variance)]),
            np.array(
                [
                    (share * h2 - share**2 * s11) / variance,
                    (share * h3 - share**2 * s12) / (2 * variance * deviation),
                    (share * h4 - share**2 * s22) / (4 * variance**2),
                ]
            ),
            np.array([mixed1 / deviation, mixed2 / (2 * variance)]),
        )

    def _assembled(
        self, by_share: Array, own: Array, by_line: Array, curvature: Array, mixed: Array
    ) -> Slopes:
        """Return the derivatives by theta, from those by share, center and variance of each line."""
        center, _, spread = self._at
        free = self._free(by_share) & (own > _FAINT)
        follows = np.divide(1, own, out=np.zeros_like(own), where=free)
        share_step = follows * by_share
        gradient = by_line + mixed * share_step
        curvature += follows * (mixed[[0, 0, 1]] * mixed[[0, 1, 1]])
        curvature[0] += by_line[0] / center
        of_center, of_variance = center[:, None] * self._along, 2 * spread[:, None] * self._across
        half = of_center.T @ (curvature[1][:, None] * of_variance)
        hessian = half + half.T + of_center.T @ (curvature[0][:, None] * of_center)
        curvature[2] += by_line[1] / spread
        hessian += of_variance.T @ (curvature[2][:, None] * of_variance)
        scores = gradient[0][:, None] * of_center + gradient[1][:, None] * of_variance
        pulled = mixed * follows
        slope = pulled[0][:, None] * of_center + pulled[1][:, None] * of_variance
        return Slopes(scores, hessian, share_step, slope, float(share_step @ by_share))

    def _free(self, by_share: Array) -> NDArray[np.bool_]:
        """Which shares may move: not those at an end that they would leave."""
        low = (self.share <= _SHARES[0]) & (by_share <= 0)
        high = (self.share >= _SHARES[1]) & (by_share >= 0)
        free: NDArray[np.bool_] = ~(low | high)
        return free


def _sums(first: Array, second: Array) -> Array:
    """Sum the product over each row."""
    summed: Array = np.einsum("ij,ij->i", first, second).astype(np.float64, copy=False)
    return summed
