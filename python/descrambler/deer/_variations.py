"""Directions in which DEER traces vary: with the background, which a network should ignore, and with the distance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .._util.seeds import generator_of
from ._chunks import BACKGROUND_DIMENSION, BACKGROUND_RATE
from ._physics import kernel
from ._simulate import axes


def variations(
    n: int = 200, random_state: int = 0, n_points: int = 256, *, duration: float = 2.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return directions of nuisance and directions that matter, for ``ds.interpret``.

    Parameters
    ----------
    n : int
        How many of each.
    random_state : int
    n_points : int
    duration : float
        In microseconds.

    Returns
    -------
    backgrounds : ndarray, shape (n, n_points)
        ``exp(-(k t)**(d / 3))`` with k and d as in `simulate`, less their mean over the draws.
    form_factors : ndarray, shape (n, n_points)
        Form factors of single distances, uniform over the distance axis, less their mean.

    Raises
    ------
    ValueError
        If there are fewer than two.
    """
    if n < 2:
        raise ValueError(f"n must be at least 2, got {n}")
    rng = generator_of(random_state)
    time, distance = axes(n_points, duration)
    dimension = rng.uniform(*BACKGROUND_DIMENSION, (n, 1))
    rate = rng.uniform(0, BACKGROUND_RATE, (n, 1))
    backgrounds = np.exp(-((rate * time / duration) ** (dimension / 3)))
    distances = rng.uniform(distance[0], distance[-1], n)
    form_factors = np.asarray(kernel(time, distances).T, np.float64)
    return backgrounds - backgrounds.mean(axis=0), form_factors - form_factors.mean(axis=0)
