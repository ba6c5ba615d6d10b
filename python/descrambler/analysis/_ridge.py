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
from ._hough import EXPONENTS, OFFSETS, curves, levers
from ._spectrum import Transform, amplitudes, frequencies

RESOLUTION = 0.5
"""Width (standard deviation) of the line of one wave, in cycles per length of the axis."""

_STARTS = 3
_WIDTHS = (0.03, 0.2)
# A line of the least width may sum to 1.003 on a coarse axis: nothing of the floor would be left at 1.
_SHARES = (1e-4, 0.99)
_NEWTON_STEPS = 20
# Newton's method squares its error: after a step below this nothing is left of it.
_SETTLED = 1e-6


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


def exponent_and_evidence(weights: ArrayLike) -> tuple[float, float]:
    """Return these two of a :class:`FrequencyMap`, without the work for its error."""
    model, found = _fitted(weights, "dct")
    return float(found[1]), float(model.values(found).mean()) - model.common()


def _fitted(weights: ArrayLike, transform: Transform) -> tuple[_Ridge, Array]:
    """Return the likelihood of a matrix, and where it is greatest."""
    w = matrix("weights", weights).astype(np.float64, copy=False)
    if min(w.shape) < 8:
        raise ValueError(f"weights must have at least 8 rows and columns, got shape {w.shape}")
    model = _Ridge(_row_spectra(w, transform), frequencies(w.shape[1], transform)[1:])
    return model, model.best()


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

    The line of link frequency k is at ``exp(offset + exponent (log k - middle))``. An instance keeps the
    arrays it works in, and where it ended last: it is not for several threads.
    """

    def __init__(self, spectra: Array, frequency: Array) -> None:
        self.spectra = spectra
        self.frequency = frequency
        self.middle, self.lever = levers(len(spectra))
        self.step = float(frequency[1] - frequency[0])
        self._away, self._power, self._line, self._excess, self._work = np.empty(
            (5, *spectra.shape)
        )
        self._last_share = np.full((len(spectra), 1), 0.3)

    def common(self) -> float:
        """Log-likelihood of the mean spectrum against a flat one, mean over link frequencies."""
        mean = self.spectra.mean(axis=0)
        # At the resolution of the line, else a few sharp lines would count for less than their mean.
        smooth = scipy.ndimage.gaussian_filter1d(mean, RESOLUTION / self.step, mode="reflect")
        return float(np.sum(mean * np.log(np.maximum(len(mean) * smooth, 1e-300))))

    def values(self, theta: Array) -> Array:
        """Log-likelihood against the floor alone, by link frequency."""
        self._place(theta)
        return self._likelihood(self._share())

    def rows(self, theta: Array) -> tuple[Array, Array, Array]:
        """Return `values`, their gradient (by theta), and the line's share."""
        center, variance, spread = self._place(theta)
        share = self._share()
        value = self._likelihood(share)
        pull = np.divide(self.spectra, self._work, out=self._work)
        pull -= pull.mean(axis=1, keepdims=True)
        pull *= self._line
        by_center = np.einsum("ij,ij->i", pull, self._away) / variance
        along = np.einsum("ij,ij->i", pull, self._power) + pull.sum(axis=1) / 2
        by_log_width = -2 * along / variance * spread
        by_offset = by_center * center + by_log_width
        gradient = np.stack([by_offset, by_offset * self.lever, by_log_width], axis=1)
        return value, share * gradient, share[:, 0]

    def _place(self, theta: Array) -> tuple[Array, Array, Array]:
        """Work out the line of each link frequency; return its center, variance, and the ridge's part of it."""
        offset, exponent, log_width = theta
        center = np.exp(np.clip(offset + exponent * self.lever, -8, 8))
        spread = np.square(np.exp(log_width) * center)
        # The width of a bin adds to that of the line.
        variance = RESOLUTION**2 + self.step**2 / 12 + spread
        away = np.subtract(self.frequency, center[:, None], out=self._away)
        power = np.multiply(away, away, out=self._power)
        power *= (-0.5 / variance)[:, None]
        # Where nothing of the line is left its logarithm may be what it wants; beyond -700 exp is slow.
        np.maximum(power, -100, out=power)
        line = np.exp(power, out=self._line)
        line *= (len(self.frequency) * self.step / np.sqrt(2 * np.pi * variance))[:, None]
        # What of the line lies beyond the axis goes to the floor.
        np.subtract(line, line.mean(axis=1, keepdims=True), out=self._excess)
        return center, variance, spread

    def _likelihood(self, share: Array) -> Array:
        """Return the log-likelihoods, and leave the likelihoods in `_work`."""
        likelihood = np.multiply(share, self._excess, out=self._work)
        likelihood += 1
        logs = np.log(likelihood, out=self._excess)
        summed: Array = np.einsum("ij,ij->i", self.spectra, logs)
        return summed

    def _share(self) -> Array:
        """Maximize over the share in (0, 1), row by row, a concave function: Newton's method.

        It starts where it ended last, since the line moves little from one call to the next, and continues
        only for the rows that still move: most stay at an end.
        """
        share, left = self._last_share, np.arange(len(self.spectra))
        excess, spectra = self._excess, self.spectra
        for _ in range(_NEWTON_STEPS):
            slope = share[left] * excess
            slope += 1
            np.divide(excess, slope, out=slope)
            first = np.einsum("ij,ij->i", spectra, slope)
            slope *= slope
            second = np.einsum("ij,ij->i", spectra, slope)
            step = (first / np.maximum(second, 1e-300))[:, None]
            moved = np.minimum(np.maximum(share[left] + step, _SHARES[0]), _SHARES[1])
            moving = np.abs(moved - share[left])[:, 0] > _SETTLED
            share[left] = moved
            if not moving.any():
                break
            left, excess, spectra = left[moving], excess[moving], spectra[moving]
        return share

    def loss(self, theta: Array) -> tuple[float, Array]:
        """Negative log-likelihood and its gradient."""
        value, gradient, _ = self.rows(theta)
        return -float(value.sum()), -gradient.sum(axis=0)

    def starts(self) -> list[Array]:
        """Return the best points of a Hough transform: power along each curve against a flat floor."""
        floor = np.median(self.spectra, axis=1, keepdims=True) / np.log(2)
        peaks = np.maximum(self.spectra - floor, 0)
        grid, cells, counts = curves(*peaks.shape, self.step)
        weights = peaks.ravel()
        seen = np.stack([np.bincount(cell, weights, OFFSETS) for cell in cells])
        both = np.stack([seen, counts @ peaks.mean(axis=1)])
        seen, expected = scipy.ndimage.convolve1d(both, [0.25, 0.5, 0.25], mode="constant")
        scores = seen * np.log(np.maximum(seen, 1e-12) / np.maximum(expected, 1e-12))
        best = scores.argmax(axis=1)
        highest = scores.max(axis=1)
        chosen: list[tuple[float, Array]] = []
        for place in np.lexsort((grid[best], highest))[::-1]:
            exponent = EXPONENTS[place]
            if all(abs(exponent - other[1]) >= 0.4 for _, other in chosen):
                points = [np.array([grid[best[place]], exponent, np.log(w)]) for w in _WIDTHS]
                losses = [-float(self.values(point).sum()) for point in points]
                chosen.append((min(losses), points[int(np.argmin(losses))]))
            if len(chosen) == _STARTS:
                break
        return [point for _, point in sorted(chosen, key=lambda pair: pair[0])[:2]]

    def best(self) -> Array:
        """Return theta of the greatest likelihood that the starts lead to."""
        return min((self.refined(start) for start in self.starts()), key=lambda found: found[1])[0]

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
