"""Peaks of a distance distribution, and how far the members of an ensemble differ in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy  # its submodules load at first use: scipy.signal is slow to import
from numpy.typing import NDArray

Vector = NDArray[np.float64]

_PROMINENCE = 0.1  # of the highest peak


@dataclass(frozen=True)
class Peak:
    """A maximum of a distance distribution.

    Attributes
    ----------
    position, width : float
        Place and full width at half height, in Angstrom.
    share : float
        Part of the probability between the minima beside it.
    members : int
        Networks of the ensemble that have a peak there: nearer than the width.
    position_spread, width_spread : float
        Standard deviation of place and width over these networks; NaN for fewer than two.
    """

    position: float
    width: float
    share: float
    members: int = 1
    position_spread: float = np.nan
    width_spread: float = np.nan


def find_peaks(distance: Vector, density: Vector) -> tuple[Peak, ...]:
    """Return the peaks that stand out by a tenth of the highest, by distance."""
    step = distance[1] - distance[0]
    found, properties = scipy.signal.find_peaks(
        np.pad(density, 1), prominence=_PROMINENCE * density.max(), rel_height=0.5, width=0
    )
    widths = properties["widths"] * step
    minima = [
        a + int(np.argmin(density[a:b])) for a, b in zip(found[:-1] - 1, found[1:] - 1, strict=True)
    ]
    parts = np.split(density, minima)
    return tuple(
        Peak(
            _vertex(distance, density, int(k) - 1), float(width), float(part.sum() / density.sum())
        )
        for k, width, part in zip(found, widths, parts, strict=True)
    )


def _vertex(distance: Vector, density: Vector, k: int) -> float:
    """Return the place of a maximum between the points: the vertex of the parabola through three."""
    place = float(distance[k])
    if not 0 < k < density.size - 1:
        return place
    before, top, after = density[k - 1 : k + 2]
    bend = before - 2 * top + after
    # A plateau has no vertex.
    if bend >= 0:
        return place
    return place + float((before - after) / (2 * bend) * (distance[1] - distance[0]))


def ensemble_peaks(distance: Vector, members: Vector) -> tuple[Peak, ...]:
    """Return the peaks of the mean, each with the spread over the members that have it."""
    theirs = [find_peaks(distance, member) for member in members]
    return tuple(_spread(peak, theirs) for peak in find_peaks(distance, members.mean(axis=0)))


def _spread(peak: Peak, theirs: Sequence[tuple[Peak, ...]]) -> Peak:
    """Return a peak with the spread of the nearest peak of each member."""
    nearest = [
        min(peaks, key=lambda other: abs(other.position - peak.position))
        for peaks in theirs
        if peaks
    ]
    near = [other for other in nearest if abs(other.position - peak.position) <= peak.width]
    spread = [float("nan")] * 2
    if len(near) > 1:
        spread = [
            float(np.std([getattr(other, name) for other in near], ddof=1))
            for name in ("position", "width")
        ]
    return Peak(peak.position, peak.width, peak.share, len(near), *spread)
