"""Weights seen between frequency axes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._validate import matrix


def two_sided_spectrum(weights: ArrayLike) -> NDArray[np.floating[Any]]:
    """Magnitude of F+ W F-, symmetrised over the sign of frequency (Amey et al. 2021, Fig. 2).

    The part that P makes: of ``P W`` the link side depends on P, the input side does not.

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
