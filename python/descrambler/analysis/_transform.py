"""A network as a map between two axes, such as time and distance, read from its Jacobian.

P does not matter for a Jacobian. Every function takes the positions along the axes, so that the ends
of an axis, where no map is resolved, can be left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy  # its submodules load at first use
from numpy.typing import ArrayLike

from .._util.tables import brief
from .._util.threads import computes
from .._util.validate import Array, matrix, own_unit, real_array
from ._order import ranks

_PADDING = 8
_BLOCKS = 10
_LEAST_POINTS = 4


@dataclass(frozen=True)
class PowerLaw:
    """``y = scale * x ** exponent``, fitted to logarithms.

    Attributes
    ----------
    exponent, error : float
        Exponent and its standard error, by a jackknife over contiguous blocks, since neighbors are not
        independent.
    scale : float
    """

    exponent: float
    error: float
    scale: float

    def __call__(self, x: ArrayLike) -> Array:
        """Return the fitted y, for pictures."""
        return np.asarray(self.scale * np.asarray(x, np.float64) ** self.exponent)


@brief
@dataclass(frozen=True, eq=False)
class KernelMatch:
    """Which input of a known kernel excites each output most.

    Attributes
    ----------
    matched : ndarray, shape (n_out,)
        Position of that input on the kernel's axis.
    correlation, rank_correlation : float
        Correlation of the outputs' own positions with it (Pearson, Spearman); NaN if one does not vary.
    """

    matched: Array
    correlation: float
    rank_correlation: float


@brief
@dataclass(frozen=True, eq=False)
class FrequencyLaw:
    """Frequency to which each output responds most, and its power law along the output axis.

    Attributes
    ----------
    frequency : ndarray, shape (n_out,)
        Frequency of the peak, in cycles per length of the input axis.
    law : PowerLaw
        ``frequency = scale * position ** exponent``.
    """

    frequency: Array
    law: PowerLaw


def power_law(x: ArrayLike, y: ArrayLike) -> PowerLaw:
    """Fit ``log y = log scale + exponent log x`` by least squares.

    Parameters
    ----------
    x, y : array_like, shape (n,)
        Positive, n >= 4, in the order of the axis; x not all the same.

    Returns
    -------
    PowerLaw

    Raises
    ------
    TypeError, ValueError
        If the arrays are not finite, real and positive, do not fit, or x does not vary.
    """
    values = [real_array(name, v, 1) for name, v in (("x", x), ("y", y))]
    if values[0].size != values[1].size or values[0].size < _LEAST_POINTS:
        sizes = f"{values[0].size} and {values[1].size}"
        raise ValueError(f"x and y must have the same number of entries, at least 4, got {sizes}")
    for name, v in zip("xy", values, strict=True):
        if not (v > 0).all():
            raise ValueError(f"{name} must be positive, got {v.min()}")
    log_x, log_y = (np.log(v.astype(np.float64)) for v in values)
    if np.ptp(log_x) == 0:
        raise ValueError("x must not be all the same")
    exponent, offset = _line(log_x, log_y)
    blocks = np.array_split(np.arange(len(log_x)), min(_BLOCKS, len(log_x)))
    left_out = [np.delete(log_x, block) for block in blocks], [np.delete(log_y, b) for b in blocks]
    others = np.array([_line(a, b)[0] for a, b in zip(*left_out, strict=True)])
    count = len(others)
    error = np.sqrt((count - 1) / count * np.sum(np.square(others - others.mean())))
    return PowerLaw(float(exponent), float(error), float(np.exp(offset)))


@computes
def kernel_match(
    jacobian: ArrayLike, kernel: ArrayLike, axis: ArrayLike, kernel_axis: ArrayLike | None = None
) -> KernelMatch:
    """Find the input of a kernel that excites each output most; for an inverse of the kernel, its own.

    ``matched_i = kernel_axis[argmax_j (J K)_ij]``, each column of K minus its mean, because a constant input
    belongs to no position. For DEER: K the dipolar kernel, the axes distances.

    P does not matter.

    Parameters
    ----------
    jacobian : array_like, shape (n_out, n_in)
        The result of `mean_jacobian`, or rows of it.
    kernel : array_like, shape (n_in, n_kernel)
        Column j is the input that position j gives.
    axis : array_like, shape (n_out,)
        Positions of the outputs.
    kernel_axis : array_like, shape (n_kernel,), optional
        Positions of the kernel's columns; `axis` by default.

    Returns
    -------
    KernelMatch

    Raises
    ------
    TypeError, ValueError
        If an array is not finite and real, or does not fit.
    """
    j, k = matrix("jacobian", jacobian), matrix("kernel", kernel)
    if len(k) != j.shape[1]:
        raise ValueError(f"kernel must have {j.shape[1]} rows, got shape {k.shape}")
    positions = _positions("axis", axis, len(j))
    if kernel_axis is None:
        sources = _positions("axis", axis, k.shape[1])
    else:
        sources = _positions("kernel_axis", kernel_axis, k.shape[1])
    k, j = own_unit(k)[0], own_unit(j, axis=1)[0]  # only which is greatest counts
    response = j @ (k - k.mean(axis=0))
    matched = sources[np.argmax(response, axis=1)]
    return KernelMatch(matched, *_correlations(positions, matched))


@computes
def frequency_law(jacobian: ArrayLike, axis: ArrayLike) -> FrequencyLaw:
    """Fit a power law to the frequency to which each output responds most.

    The peak of the cosine transform of each row, on a grid eight times finer than the DCT's, after
    a Hann taper that falls from 1 at the start of the input axis to 0 at its end and without the
    row's tapered mean: for inputs that begin at the origin of their axis, as traces do. On exact waves
    of frequency ``c r^-3`` it reads -3; on the DEER kernel itself, a powder pattern, about -3.2.

    P does not matter.

    Parameters
    ----------
    jacobian : array_like, shape (n_out, n_in)
        The result of `mean_jacobian`, or rows of it without the ends of the output axis, which have no peak.
    axis : array_like, shape (n_out,)
        Positions of the outputs, positive; n_out >= 4.

    Returns
    -------
    FrequencyLaw

    Raises
    ------
    TypeError, ValueError
        If an array is not finite and real or does not fit, or the axis is not positive.
    """
    j = own_unit(matrix("jacobian", jacobian).astype(np.float64, copy=False), axis=1)[0]
    positions = _positions("axis", axis, len(j))
    n = j.shape[1]
    taper = np.square(np.cos(np.pi / 2 * (np.arange(n) + 0.5) / n))
    waves = (j - (j @ taper / taper.sum())[:, None]) * taper
    spectrum = np.abs(scipy.fft.dct(waves, n=_PADDING * n))
    peak = 1 + np.argmax(spectrum[:, 1:], axis=1)
    frequency = peak / (2 * _PADDING)
    return FrequencyLaw(frequency, power_law(positions, frequency))


def _positions(name: str, value: ArrayLike, n: int) -> Array:
    positions = real_array(name, value, 1)
    if positions.size != n:
        raise ValueError(f"{name} must have {n} entries, got {positions.size}")
    return positions


def _correlations(a: Array, b: Array) -> tuple[float, float]:
    if min(np.ptp(a), np.ptp(b)) == 0:
        return np.nan, np.nan
    return float(np.corrcoef(a, b)[0, 1]), float(np.corrcoef(ranks(a), ranks(b))[0, 1])


def _line(x: Array, y: Array) -> tuple[float, float]:
    centered = x - x.mean()
    slope = float(centered @ y / (centered @ centered))
    return slope, float(y.mean() - slope * x.mean())
