"""How often the truth lies in the band of an ensemble, on simulated traces that it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .._util.tables import brief
from ._calibration import Calibration, band_scores
from ._chunks import NOISE
from ._ensemble import Member, n_points
from ._simulate import simulate

_NOISE_STRATA, _DISTANCE_STRATA = 5, 5
LOWEST, HIGHEST = 0.90, 0.98
"""Share of the truth in a band of nominal 95 % that is taken as right."""


@brief
@dataclass(frozen=True, eq=False)
class Coverage:
    """How often the truth lies in a 95 % band, by stratum.

    Attributes
    ----------
    noise : ndarray, shape (n_noise + 1,)
        Edges of the strata: noise RMS as a part of the modulation depth.
    distance : ndarray, shape (n_distance + 1,)
        Edges of the strata in Angstrom, for traces of 2 microseconds.
    inside : ndarray, shape (n_noise, n_distance)
        Share of the distances where the truth exceeds 5 % of its maximum that are in the band.
    n : ndarray of int, shape (n_noise, n_distance)
        Traces that have such distances in the stratum.
    overall : float
        Over all strata.
    """

    noise: NDArray[np.float64]
    distance: NDArray[np.float64]
    inside: NDArray[np.float64]
    n: NDArray[np.int64]
    overall: float

    @property
    def outside(self) -> list[tuple[int, int]]:
        """Strata (noise, distance) whose share is not within 0.90 to 0.98."""
        wrong = ~((self.inside >= LOWEST) & (self.inside <= HIGHEST))
        return [(int(i), int(j)) for i, j in np.argwhere(wrong)]


def coverage(
    networks: Sequence[Member],
    calibration: Calibration,
    n: int = 2000,
    *,
    random_state: int | None = 96,
) -> Coverage:
    """Count how often the truth lies in the band, on simulated traces other than the calibration's.

    Parameters
    ----------
    networks : sequence of Network or Replica
    calibration : Calibration
        That of these networks.
    n : int
        Simulated traces.
    random_state : int or None
        Seed of the traces; not that of the calibration, which is 95.

    Returns
    -------
    Coverage

    Raises
    ------
    ValueError
        If the calibration is of other networks.
    """
    calibration.check(networks, calibration.experiment)
    points = n_points(networks)
    data = simulate(n, random_state, points, experiment=calibration.experiment)
    scores, visible = band_scores(networks, data)
    inside = (scores <= calibration.at(points)) & visible
    strata = np.minimum(data.noise / NOISE * _NOISE_STRATA, _NOISE_STRATA - 1).astype(int)
    edges = np.linspace(0, points, _DISTANCE_STRATA + 1).astype(int)
    share = np.empty((_NOISE_STRATA, _DISTANCE_STRATA))
    count = np.empty(share.shape, np.int64)
    for i, j in np.ndindex(share.shape):
        rows, columns = strata == i, slice(edges[j], edges[j + 1])
        seen = visible[rows, columns]
        share[i, j] = inside[rows, columns].sum() / max(seen.sum(), 1)
        count[i, j] = seen.any(axis=1).sum()
    return Coverage(
        noise=np.linspace(0, NOISE, _NOISE_STRATA + 1),
        distance=np.append(data.distance[edges[:-1]], data.distance[-1]),
        inside=share,
        n=count,
        overall=float(inside.sum() / visible.sum()),
    )
