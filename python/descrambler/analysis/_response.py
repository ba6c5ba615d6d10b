"""Frequency response of a layer, or of a network by its Jacobian: bands, notches, gains.

No rotation of the outputs changes a response: P does not matter for the input side of P W.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .._util.threads import computes
from .._util.validate import Array, matrix, own_unit, real_array
from ._jacobian import directions_matrix
from ._spectrum import Transform, amplitudes


class Band(NamedTuple):
    """Range of frequencies, in the units of the axis given."""

    low: float
    high: float


@computes
def aggregate_response(weights: ArrayLike, transform: Transform = "dct") -> Array:
    """Return the response at each frequency of the input axis, r.m.s. over outputs.

    ``A(f) = ||W c_f|| / sqrt(n_out)``, c_f the wave of norm 1 and frequency f (Fourier: the mean of
    the squares of cosine and sine). White weights have a flat response: their own r.m.s. value.
    For the response along the output axis pass the transposed matrix.

    P does not matter.

    Parameters
    ----------
    weights : array_like, shape (n_out, n_in)
        Weights of a layer, or a Jacobian.
    transform : {"dct", "fourier"}

    Returns
    -------
    ndarray, shape (len(frequencies(n_in, transform)),)
        In the units of the weights.

    Raises
    ------
    TypeError, ValueError
        If the weights are not a finite real matrix, or the transform is unknown.
    """
    w, exponent = own_unit(matrix("weights", weights))
    spectrum = amplitudes(w, transform)
    response: Array = np.ldexp(np.sqrt(np.mean(np.square(spectrum), axis=0)), exponent)
    return response


def pass_band(frequency: ArrayLike, response: ArrayLike, level_db: float = -3.0) -> Band:
    """Return the band around the peak in which the response stays within some decibels of it.

    Between the points of the axis the response in decibels is taken as linear.

    Parameters
    ----------
    frequency, response : array_like, shape (n,)
        As `frequencies` and `aggregate_response` give them.
    level_db : float
        Edge level against the peak, in dB; negative.

    Returns
    -------
    Band
        In the units of `frequency`; an edge that lies beyond the axis is the end of the axis.

    Raises
    ------
    TypeError, ValueError
        If the arrays do not fit, or are not finite, ascending (frequency) and >= 0 (response).
    """
    f, db = _decibels(frequency, response, level_db)
    peak = int(np.argmax(db))
    below = np.flatnonzero(db < level_db)
    left, right = below[below < peak], below[below > peak]
    low = f[0] if not left.size else _crossing(f, db, int(left[-1]), level_db)
    high = f[-1] if not right.size else _crossing(f, db, int(right[0]) - 1, level_db)
    return Band(float(low), float(high))


def notch_depth(response: ArrayLike) -> float:
    """Return the response at zero frequency relative to the peak of all others, in dB.

    ``20 log10(A(0) / max_{f > 0} A(f))``: negative for a notch. For random weights it is somewhat
    below 0, because one value is compared with the largest of many.

    P does not matter. In a layer without biases, a constant input may serve as the bias. Then only the
    Jacobian of the whole network shows whether there is a notch.

    Parameters
    ----------
    response : array_like, shape (n,)
        From zero frequency up; n >= 2.

    Returns
    -------
    float
        -inf if nothing passes at zero frequency; NaN if nothing passes at all.

    Raises
    ------
    TypeError, ValueError
        If the response is not finite, real and >= 0, or shorter than 2.
    """
    a = _response(response)
    return _ratio_db(float(a[0]), float(a[1:].max()))


def upper_band_level(response: ArrayLike, fraction: float = 0.5) -> float:
    """Return the r.m.s. response in the upper part of the band relative to the peak, in dB.

    Far below 0 for a low-pass filter; somewhat below 0 for white weights, because a mean is compared with
    a maximum.
    P does not matter.

    Parameters
    ----------
    response : array_like, shape (n,)
        From zero frequency up; n >= 2.
    fraction : float
        Share of the axis that counts as its upper part, between 0 and 1.

    Returns
    -------
    float
        NaN if nothing passes at all.

    Raises
    ------
    TypeError, ValueError
        If the response is not finite, real and >= 0, or shorter than 2; or the fraction out of range.
    """
    a = _response(response)
    if not 0 < fraction < 1:
        raise ValueError(f"fraction must be between 0 and 1, got {fraction}")
    first = min(round((1 - fraction) * len(a)), len(a) - 1)
    return _ratio_db(float(np.sqrt(np.mean(np.square(a[first:])))), float(a.max()))


def band_pass_level(response: ArrayLike) -> float:
    """Return the mean response outside the pass band relative to the peak, in dB: the larger of both sides.

    The sides are below half the lower edge of the pass band (-3 dB), and above the middle between its
    upper edge and the end of the axis. Each mean is an r.m.s.; the squared response is interpolated
    linearly between its points. Unlike a peak, edges are stable for a band with a flat top. Band-pass:
    far below 0. P does not matter.

    Parameters
    ----------
    response : array_like, shape (n,)
        From zero frequency up; n >= 2.

    Returns
    -------
    float
        Above -3 if the band begins at zero frequency, and 0 if nothing passes at all: there is no band.
        At least -300.

    Raises
    ------
    TypeError, ValueError
        If the response is not finite, real and >= 0, or shorter than 2.
    """
    a = _response(response)
    if not a.any():
        return 0.0
    power = np.square(a / a.max())
    last = len(a) - 1.0
    band = pass_band(np.arange(len(a)), a)
    below = _mean_between(power, 0.0, band.low / 2)
    above = _mean_between(power, (band.high + last) / 2, last)
    return float(10 * np.log10(max(below, above, 1e-30)))


def _mean_between(values: Array, start: float, stop: float) -> float:
    """Mean of values that are linear between the points 0, 1, ... over a part of the axis."""
    points = np.arange(len(values), dtype=np.float64)
    if stop <= start:
        return float(np.interp(start, points, values))
    inner = points[(points > start) & (points < stop)]
    x = np.concatenate([[start], inner, [stop]])
    y = np.interp(x, points, values)
    return float(np.sum((y[1:] + y[:-1]) * np.diff(x)) / 2 / (stop - start))


@computes
def gain(weights: ArrayLike, directions: ArrayLike) -> Array:
    """Gain along each direction, ``||W d|| / ||d||``.

    P does not matter. See `directional_gain` for a gain that takes the Jacobian at every input instead
    of their mean.

    Parameters
    ----------
    weights : array_like, shape (n_out, n_in)
        Weights of a layer, or a Jacobian.
    directions : array_like, shape (k, n_in)
        Not zero.

    Returns
    -------
    ndarray, shape (k,)

    Raises
    ------
    TypeError, ValueError
        If an array is not a finite real matrix or does not fit, or a direction is zero.
    """
    w, exponent = own_unit(matrix("weights", weights))
    d = directions_matrix("directions", directions, w.shape[1])
    ratio: Array = np.linalg.norm(d @ w.T, axis=1) / np.linalg.norm(d, axis=1)
    return np.ldexp(ratio, exponent)


def gain_ratio(nuisance: ArrayLike, signal: ArrayLike) -> float:
    """Return the gain on nuisance directions relative to that on signal directions, r.m.s. of each, in dB.

    Choose nuisance (such as baselines) and signal from data or physics, not from the network.
    0 for a network that does not distinguish them; negative if it rejects the nuisance.

    Parameters
    ----------
    nuisance, signal : array_like, shape (any,)
        From `gain` or `directional_gain`.

    Returns
    -------
    float
        Infinite if one of the gains is zero; NaN if both are.

    Raises
    ------
    TypeError, ValueError
        If an array is not finite and real, or is empty.
    """
    values = [real_array(n, v, 1) for n, v in (("nuisance", nuisance), ("signal", signal))]
    if not all(v.size for v in values):
        raise ValueError("nuisance and signal must not be empty")
    a, b = map(_rms, values)
    return _ratio_db(a, b)


def _rms(values: Array) -> float:
    scaled, exponent = own_unit(values.astype(np.float64, copy=False))
    return float(np.ldexp(np.sqrt(np.mean(np.square(scaled))), exponent))


def _ratio_db(value: float, reference: float) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(20 * (np.log10(np.float64(value)) - np.log10(np.float64(reference))))


def _response(response: ArrayLike) -> Array:
    a = real_array("response", response, 1)
    if a.size < 2:
        raise ValueError(f"response must have at least 2 entries, got {a.size}")
    if (a < 0).any():
        raise ValueError(f"response must not be negative, got {a.min()}")
    return own_unit(a.astype(np.float64, copy=False))[0]


def _decibels(frequency: ArrayLike, response: ArrayLike, level_db: float) -> tuple[Array, Array]:
    a = _response(response)
    f = real_array("frequency", frequency, 1).astype(np.float64, copy=False)
    if f.size != a.size:
        raise ValueError(f"frequency must have {a.size} entries like response, got {f.size}")
    if not (np.diff(f) > 0).all():
        raise ValueError("frequency must be ascending")
    if not level_db < 0:
        raise ValueError(f"level_db must be negative, got {level_db}")
    if not a.any():
        raise ValueError("response must not be all zero: it has no peak")
    with np.errstate(divide="ignore"):
        db: Array = 20 * np.log10(a / a.max())
    return f, db


def _crossing(f: Array, db: Array, i: int, level: float) -> float:
    """Where the response between points i and i + 1 crosses the level."""
    # A response of zero is infinitely far below: the crossing is then at the point above.
    if np.isinf(db[i]) or np.isinf(db[i + 1]):
        return float(f[i + 1] if np.isinf(db[i]) else f[i])
    share = (level - db[i]) / (db[i + 1] - db[i])
    return float(f[i] + share * (f[i + 1] - f[i]))
