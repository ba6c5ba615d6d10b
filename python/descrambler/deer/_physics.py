"""Dipolar physics of two unpaired electrons: frequencies, the DEER kernel, distance ranges.

Time is in microseconds, distance in Angstrom and frequency in MHz throughout.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.constants import hbar, mu_0, physical_constants
from scipy.special import fresnel

from .._util.validate import choice, real_array

Experiment = Literal["deer", "ridme"]

_GYROMAGNETIC_RATIO = physical_constants["electron gyromag. ratio"][0]
_MHZ_CUBIC_ANGSTROM = 1e24  # MHz A^3 in one Hz m^3

DIPOLAR_CONSTANT: float = (
    mu_0 * _GYROMAGNETIC_RATIO**2 * hbar / (8 * math.pi**2) * _MHZ_CUBIC_ANGSTROM
)
"""Dipolar frequency times the cube of the distance for two free electrons, in MHz A^3."""

# Shortest and longest distance: r^3 = factor * constant * (time step, duration).
_RANGE_FACTORS = {"deer": (4.0, 2.0), "ridme": (8.0, 1.0)}


def dipolar_frequency(distance: ArrayLike) -> NDArray[np.float64]:
    """Return the dipolar frequency ``c / r**3`` of two free electrons.

    Parameters
    ----------
    distance : array_like of float
        Distances r in Angstrom, of any shape, all positive.

    Returns
    -------
    ndarray of float64, same shape
        Frequency in MHz (52.04 MHz at 10 A). The angular frequency D of Eq. 11 is
        ``2 * pi`` times this, in radians per microsecond.

    Raises
    ------
    TypeError, ValueError
        If `distance` is not a real numeric array, not finite or not positive.
    """
    array = real_array("distance", distance, np.ndim(distance)).astype(np.float64, copy=False)
    if not ((array > 0).all() and (array >= 1e-60).all() and (array <= 1e60).all()):
        raise ValueError(f"distance must be positive, 1e-60 to 1e60, got {array.min()}")
    return np.asarray(DIPOLAR_CONSTANT / array**3)


def kernel(time: ArrayLike, distance: ArrayLike, exchange: float = 0.0) -> NDArray[np.float64]:
    """Return the DEER kernel: the powder-averaged dipolar modulation, Eq. 11.

    ``kernel[i, j]`` is the average of ``cos((1 - 3 x**2) D t)`` over x in [0, 1], with t the
    i-th time and D the angular dipolar frequency at the j-th distance. A distribution p that
    sums to 1 over the distances has the form factor ``kernel @ p``, which is 1 at time zero.

    Parameters
    ----------
    time : array_like of shape (n_time,)
        Times in microseconds; the kernel is even in time.
    distance : array_like of shape (n_distance,)
        Distances in Angstrom, all positive.
    exchange : float
        Isotropic exchange coupling J in MHz: the average is that of
        ``cos((1 - 3 x**2) D t + 2 pi J t)``.

    Returns
    -------
    ndarray of float64, shape (n_time, n_distance)

    Raises
    ------
    TypeError, ValueError
        If an argument is not a finite real vector, or a distance is not positive.

    Notes
    -----
    Eq. 11 of Amey, Keeley, Choudhury and Kuprov, PNAS 118(5), 2021. Its argument
    ``sqrt(6 D t / pi)`` calls for the Fresnel integrals of ``cos(pi u**2 / 2)`` and
    ``sin(pi u**2 / 2)``, which are SciPy's. With exchange: Richert et al., Nature Communications 8,
    14842, 2017. Orientation selection is not in the model: all orientations count alike.
    """
    times = np.abs(real_array("time", time, 1).astype(np.float64))
    if not math.isfinite(exchange):
        raise ValueError(f"exchange must be finite, got {exchange}")
    if exchange == 0:
        return kernel_parts(times, distance, quadrature=False)[0]
    even, odd = kernel_parts(times, distance)
    turn = 2 * np.pi * exchange * times[:, None]
    result: NDArray[np.float64] = np.cos(turn) * even + np.sin(turn) * odd
    return result


def kernel_parts(
    times: NDArray[np.float64], distance: ArrayLike, *, quadrature: bool = True
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the averages of ``cos((1 - 3 x**2) D t)`` and of minus its sine, for times from 0 on.

    Without `quadrature` the second is zero.
    """
    frequencies = dipolar_frequency(real_array("distance", distance, 1))
    phase = 2 * np.pi * np.outer(times, frequencies)
    argument = np.sqrt(6 * phase / np.pi)
    sine, cosine = fresnel(argument)
    even, odd = np.ones_like(phase), np.zeros_like(phase)
    seen = argument > 0
    turned = np.cos(phase), np.sin(phase)
    np.divide(turned[0] * cosine + turned[1] * sine, argument, out=even, where=seen)
    if quadrature:
        np.divide(turned[0] * sine - turned[1] * cosine, argument, out=odd, where=seen)
    return even, odd


def distance_range(
    time_step: float, duration: float, experiment: Experiment = "deer"
) -> tuple[float, float]:
    """Return the shortest and longest distance that a trace can show.

    Parameters
    ----------
    time_step, duration : float
        Spacing and length of the time axis in microseconds.
    experiment : {"deer", "ridme"}
        With c the dipolar constant, DEER reaches from ``(4 c time_step)**(1/3)`` to
        ``(2 c duration)**(1/3)``, RIDME from ``(8 c time_step)**(1/3)`` to
        ``(c duration)**(1/3)``.

    Returns
    -------
    tuple of two floats
        Distances in Angstrom, the shortest first.

    Raises
    ------
    ValueError
        If an argument is out of range or no distance fits.
    """
    lower, upper = _RANGE_FACTORS[choice("experiment", experiment, tuple(_RANGE_FACTORS))]
    if not 0 < time_step < duration < math.inf:
        raise ValueError(
            "time_step and duration must be finite with 0 < time_step < duration, "
            f"got {time_step} and {duration}"
        )
    if lower * time_step >= upper * duration:
        raise ValueError(
            f"duration must exceed {lower / upper:g} time steps for {experiment}, "
            f"got {duration / time_step:g}"
        )
    return (
        float(np.cbrt(lower * DIPOLAR_CONSTANT * time_step)),
        float(np.cbrt(upper * DIPOLAR_CONSTANT * duration)),
    )
