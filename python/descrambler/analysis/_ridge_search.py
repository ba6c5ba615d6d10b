"""Where a ridge fits best: a Hough transform, then Newton's method."""

from __future__ import annotations

import numpy as np
import scipy  # its submodules load at first use

from .._util.validate import Array
from ._hough import EXPONENTS, OFFSETS, curves
from ._ridge_likelihood import Likelihood, Place

_STARTS = 3
_WIDTHS = (0.03, 0.2)
# Log-likelihood, in nats, that a step must promise, else the climb ends: in float32, and last in float64,
# where theta is then known to 1e-6 of its standard error.
_NEAR, _SETTLED = 1e-4, 1e-12
# Precision of the shares where starts are compared.
_ROUGH = 1e-2


def best_ridge(model: Likelihood) -> Array:
    """Return theta of the greatest likelihood that the starts lead to.

    The way up is in float32, where exponentials and logarithms take a fifth of the time.
    """
    rough = Likelihood(model.spectra.astype(np.float32), model.frequency)
    best: Place | None = None
    for start in _starts(rough):
        found = rough.climb(start, _NEAR, -np.inf if best is None else best.value)
        if best is None or found.value > best.value:
            best = found
    assert best is not None
    return model.climb(best, _SETTLED).theta


def _starts(model: Likelihood) -> list[Place]:
    """Return the best points of a Hough transform: power along each curve against a flat floor."""
    floor = np.median(model.spectra, axis=1, keepdims=True) / np.log(2)
    peaks = np.maximum(model.spectra - floor, 0)
    grid, cells, counts = curves(*peaks.shape, model.step)
    # Half of the points are below the floor.
    places = np.flatnonzero(peaks)
    weights = peaks.ravel()[places].astype(np.float64)
    seen = np.stack([np.bincount(cell, weights, OFFSETS) for cell in cells[:, places]])
    both = np.stack([seen, counts @ peaks.mean(axis=1)])
    seen, expected = scipy.ndimage.convolve1d(both, [0.25, 0.5, 0.25], mode="constant")
    scores = seen * np.log(np.maximum(seen, 1e-12) / np.maximum(expected, 1e-12))
    best = scores.argmax(axis=1)
    highest = scores.max(axis=1)
    chosen: list[Place] = []
    for place in np.lexsort((grid[best], highest))[::-1]:
        exponent = EXPONENTS[place]
        if all(abs(exponent - other.theta[1]) >= 0.4 for other in chosen):
            points = (np.array([grid[best[place]], exponent, np.log(w)]) for w in _WIDTHS)
            chosen.append(max((_seen(model, point) for point in points), key=_value))
        if len(chosen) == _STARTS:
            break
    return sorted(chosen, key=_value, reverse=True)[:2]


def _seen(model: Likelihood, theta: Array) -> Place:
    value = float(model.values(theta, _ROUGH).sum())
    return Place(theta, model.share, value)


def _value(found: Place) -> float:
    return found.value
