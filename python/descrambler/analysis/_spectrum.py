"""Weights between frequency axes.

Frequencies are in cycles per length of the axis. On an axis of n points the Fourier transform has
0, 1, ... n // 2, the cosine transform (DCT-II) 0, 1/2, ... (n - 1) / 2. Use the cosine transform for
signals that do not return to their first value, such as a trace from time zero: the Fourier transform
shows the step between their ends as high frequencies.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

from .._util.threads import computes
from .._util.validate import Array, as_integer, choice, matrix, own_unit

Transform = Literal["dct", "fourier"]
TRANSFORMS = ("dct", "fourier")


def frequencies(n: int, transform: Transform = "dct") -> NDArray[np.float64]:
    """Frequencies of a transform on n points, in cycles per length of the axis.

    Parameters
    ----------
    n : int
    transform : {"dct", "fourier"}

    Returns
    -------
    ndarray of float64, shape (n,) or (n // 2 + 1,)
        Ascending from 0.

    Raises
    ------
    ValueError
        If n is less than 1 or the transform unknown.
    """
    if as_integer("n", n) < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    if choice("transform", transform, TRANSFORMS) == "dct":
        return np.arange(n) / 2
    return np.arange(n // 2 + 1, dtype=np.float64)


def amplitudes(signals: Array, transform: str) -> Array:
    """Magnitude of the orthonormal transform along the last axis; Fourier keeps frequencies >= 0."""
    if choice("transform", transform, TRANSFORMS) == "dct":
        return np.abs(scipy.fft.dct(signals, norm="ortho"))
    return np.abs(scipy.fft.rfft(signals, norm="ortho"))


@computes
def frequency_response(weights: ArrayLike, transform: Transform = "dct") -> Array:
    """Return the magnitude of ``F+ W F-``: the response of output waves to input waves.

    ``|C W C^T|`` with the orthonormal DCT-II matrix C; or, with the discrete Fourier transform,
    ``sqrt((|H(k, f)|^2 + |H(k, -f)|^2) / 2)``. Amey et al. 2021, Fig. 2, in one quadrant.

    P matters for an axis that is a link dimension. A Jacobian has no such axis.

    Parameters
    ----------
    weights : array_like, shape (n_out, n_in)
    transform : {"dct", "fourier"}
        Transform of both axes.

    Returns
    -------
    ndarray, shape (len(frequencies(n_out)), len(frequencies(n_in)))
        In the units of the weights.

    Raises
    ------
    TypeError, ValueError
        If the weights are not a finite real matrix, or the transform is unknown.
    """
    w, exponent = own_unit(matrix("weights", weights))
    if choice("transform", transform, TRANSFORMS) == "dct":
        return np.ldexp(np.abs(scipy.fft.dctn(w, norm="ortho")), exponent)
    n_out, n_in = w.shape
    rows, columns = np.arange(n_out // 2 + 1), np.arange(n_in // 2 + 1)
    spectrum = np.square(np.abs(scipy.fft.fft2(w, norm="ortho")))[rows]
    power: Array = (spectrum[:, columns] + spectrum[:, -columns]) / 2
    return np.ldexp(np.sqrt(power), exponent)


@computes
def two_sided_spectrum(weights: ArrayLike) -> Array:
    """Magnitude of F+ W F-, symmetrized over the sign of frequency (Amey et al. 2021, Fig. 2).

    For ``P W``, the link side depends on P, the input side does not.

    Parameters
    ----------
    weights : array_like, shape (n_out, n_in)

    Returns
    -------
    ndarray, shape (n_out, n_in)
        Frequencies ascending on both axes, zero at index ``n // 2``, in cycles per length of
        the axis. Entry (k, f) is the mean over both signs of f; a real matrix then has the
        same at (-k, f).

    Raises
    ------
    TypeError, ValueError
        If the weights are not a finite real matrix.
    """
    w = matrix("weights", weights)
    magnitude = np.abs(np.fft.fft2(w)) / np.sqrt(w.size)
    mirrored = np.roll(magnitude[:, ::-1], 1, axis=1)
    return np.fft.fftshift((magnitude + mirrored) / 2)
