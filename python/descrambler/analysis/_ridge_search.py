"""Where a ridge fits best: a Hough transform, then Newton's method."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy  # its submodules load at first use

from .._util.validate import Array
from ._hough import EXPONENTS, OFFSETS, curves
from ._ridge_likelihood import Likelihood, Slopes

_STARTS = 3
_WIDTHS = (0.03, 0.2)
_LOWEST = np.array([-8, -8, np.log(1e-3)])
_HIGHEST = np.array([8, 8, np.log(2)])
# Longest step in offset, exponent and log width: beyond it the quadratic model does not hold.
_REACH = np.array([0.5, 0.5, 1.0])
_STEPS, _HALVINGS = 60, 10
# Log-likelihood, in nats, that a step must promise, else the climb ends: in float32, and last in float64,
# where theta is then known to 1e-6 of its standard error.
_NEAR, _SETTLED = 1e-4, 1e-12
# Steps after which a start is given up if four times what its model promises does not reach the best.
_PATIENCE = 3
# Precision of the shares where starts are compared.
_ROUGH = 1e-2


class _Found(NamedTuple):
    """Theta, the shares there, and the log-likelihood."""

    theta: Array
    share: Array
    value: float


def best_ridge(model: Likelihood) -> Array:
    """Return theta of the greatest likelihood that the starts lead to.

    The way up is in float32, where exponentials and logarithms take a fifth of the time.
    """
    rough = Likelihood(model.spectra.astype(np.float32), model.frequency)
    best: _Found | None = None
    for start in _starts(rough):
        found = _climbed(rough, start, _NEAR, -np.inf if best is None else best.value)
        if best is None or found.value > best.value:
            best = found
    assert best is not None
    return _climbed(model, best, _SETTLED).theta


def _starts(model: Likelihood) -> list[_Found]:
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
    chosen: list[_Found] = []
    for place in np.lexsort((grid[best], highest))[::-1]:
        exponent = EXPONENTS[place]
        if all(abs(exponent - other.theta[1]) >= 0.4 for other in chosen):
            points = (np.array([grid[best[place]], exponent, np.log(w)]) for w in _WIDTHS)
            chosen.append(max((_seen(model, point) for point in points), key=_value))
        if len(chosen) == _STARTS:
            break
    return sorted(chosen, key=_value, reverse=True)[:2]


def _seen(model: Likelihood, theta: Array) -> _Found:
    value = float(model.values(theta, _ROUGH).sum())
    return _Found(theta, model.share, value)


def _value(found: _Found) -> float:
    return found.value


def _climbed(model: Likelihood, start: _Found, settled: float, best: float = -np.inf) -> _Found:
    """Nearest maximum of the likelihood, or where the climb cannot reach the best any more.

    Newton's method in theta and the shares together: a step of theta costs one evaluation, not a search
    over shares.
    """
    theta, share = start.theta, start.share
    value = model.move(theta, share)
    for number in range(_STEPS):
        slopes = model.slopes()
        step, promised = _step(theta, slopes)
        promised += slopes.gain
        if promised < settled or (number >= _PATIENCE and value + 2 * promised < best):
            break
        for _ in range(_HALVINGS):
            moved = np.clip(theta + step, _LOWEST, _HIGHEST)
            follows = slopes.share_step + slopes.share_slope @ (moved - theta)
            reached = model.move(moved, share + follows)
            if reached > value:
                break
            step = step / 4
        else:
            break
        theta, share, value = moved, model.share, reached
    return _Found(theta, share, value)


def _step(theta: Array, slopes: Slopes) -> tuple[Array, float]:
    """Newton step within the bounds and the reach, and twice what its model promises."""
    gradient = slopes.scores.sum(axis=0)
    free = np.where(gradient < 0, theta > _LOWEST, theta < _HIGHEST)
    gradient = gradient * free
    curvature, axes = np.linalg.eigh(-slopes.hessian * free * free[:, None])
    # Uphill where the likelihood is convex, too.
    curvature = np.abs(curvature)
    curvature = np.maximum(curvature, 1e-6 * max(1.0, float(curvature.max())))
    step: Array = axes @ ((gradient @ axes) / curvature)
    longest = float((np.abs(step) / _REACH).max())
    return step / max(1.0, longest), float(gradient @ step)
