"""Curves of a Hough transform: which power law each point of a spectrum lies on."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._util.validate import Array

EXPONENTS = np.arange(-2, 4.01, 0.125)
"""Where the search for a ridge may start; it ends where it will."""
OFFSETS = 64


class Curves(NamedTuple):
    """Where the curves of a Hough transform pass, for each exponent.

    Attributes
    ----------
    grid : ndarray, shape (OFFSETS,)
        Offsets.
    cells : ndarray, shape (n_exponents, n_link * n_in)
        Which offset the curve through each point of a spectrum has.
    counts : ndarray, shape (n_exponents, OFFSETS, n_link)
        How many points of each link frequency that makes.
    """

    grid: Array
    cells: NDArray[np.uint8]
    counts: Array


@lru_cache(maxsize=4)
def curves(n_link: int, n_in: int, step: float) -> Curves:
    """Return the same for all matrices of one shape: there are many, in null draws."""
    log_frequency = np.log(step * np.arange(1, n_in + 1))
    lever = levers(n_link)[1]
    grid = np.linspace(log_frequency[0] - 1, log_frequency[-1] + 1, OFFSETS)
    cells = np.empty((len(EXPONENTS), n_link, n_in), np.uint8)
    for place, exponent in zip(cells, EXPONENTS, strict=True):
        offset = log_frequency - exponent * lever[:, None]
        nearest = np.rint((offset - grid[0]) / (grid[1] - grid[0]))
        place[...] = np.clip(nearest, 0, OFFSETS - 1)
    counts = np.stack(
        [[np.bincount(row, minlength=OFFSETS) for row in place] for place in cells]
    ).astype(np.float64)
    return Curves(grid, cells.reshape(len(cells), -1), counts.swapaxes(1, 2))


def levers(n_link: int) -> tuple[float, Array]:
    """Return the mean logarithm of the link frequencies, and how far each is from it."""
    log_link = np.log(np.arange(1, n_link + 1))
    middle = float(log_link.mean())
    return middle, log_link - middle
