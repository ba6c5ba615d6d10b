"""Distance distributions of measured traces, with the spread over networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy  # its submodules load at first use: scipy.signal and scipy.stats are slow to import
from numpy.typing import NDArray

from .._util.tables import brief
from ..errors import NoModulationError
from ..network._network import Network
from ._modulation import Modulation, TraceFit, fit_trace, modulation
from ._physics import Experiment, kernel
from ._released import N_SAMPLES, N_TIME, network_inputs
from ._replica import Replica
from ._simulate import axes
from ._traces import Trace, box, resample

Vector = NDArray[np.float64]

_RELEASED_INPUTS = 5 * N_SAMPLES
# Angstrom: a distance axis ends beyond the first, and begins before the second.
LEAST_FAR, MOST_NEAR = 20.0, 40.0
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
    """

    position: float
    width: float
    share: float


@brief
@dataclass(frozen=True, eq=False)
class DistanceDistribution:
    """A distance distribution that networks predict from a trace.

    Attributes
    ----------
    distance : ndarray, shape (n,)
        In Angstrom.
    density : ndarray, shape (n,)
        Mean over the networks, in 1/Angstrom; its integral is 1.
    members : ndarray, shape (n_networks, n)
        Each network's own, a mean over its samplings.
    spread : ndarray, shape (n,)
        Standard deviation over all networks and samplings.
    modulation : Modulation
    fit : TraceFit
        Model of the trace with this distribution.
    """

    distance: Vector
    density: Vector
    members: Vector
    spread: Vector
    modulation: Modulation
    fit: TraceFit

    @property
    def peaks(self) -> tuple[Peak, ...]:
        """Peaks that stand out by a tenth of the highest, by distance."""
        step = self.distance[1] - self.distance[0]
        top = float(self.density.max())
        found, properties = scipy.signal.find_peaks(
            np.pad(self.density, 1), prominence=_PROMINENCE * top, rel_height=0.5, width=0
        )
        widths = properties["widths"] * step
        minima = [
            a + int(np.argmin(self.density[a:b]))
            for a, b in zip(found[:-1] - 1, found[1:] - 1, strict=True)
        ]
        parts = np.split(self.density, minima)
        return tuple(
            Peak(float(self.distance[k - 1]), float(width), float(part.sum() / self.density.sum()))
            for k, width, part in zip(found, widths, parts, strict=True)
        )


def _check_range(trace: Trace, n_points: int, experiment: Experiment) -> None:
    """Check that the distance axis, which the duration sets, is one of spin labels."""
    duration = float(trace.time[-1])
    if duration > 0:
        low, high = axes(n_points, duration, experiment)[1][[0, -1]]
        if high >= LEAST_FAR and low <= MOST_NEAR:
            return
        reach = f"its distance axis would go from {low:.3g} to {high:.3g} A"
    else:
        reach = "nothing is left after its zero time"
    raise ValueError(
        f"trace must last as long as one of two spin labels, got {duration:.3g} us: {reach}. Name "
        "the unit of its times, unit= or --unit"
    )


def predict_distances(
    networks: Sequence[Network | Replica],
    trace: Trace,
    *,
    experiment: Experiment = "deer",
    n_samplings: int = 32,
    random_state: int | np.random.Generator | None = 0,
) -> DistanceDistribution:
    """Predict the distance distribution behind a trace.

    Parameters
    ----------
    networks : sequence of Network or Replica
        All of one kind: trained here or replicas (as many outputs as inputs, the points of a trace),
        or released (320 inputs: 64 of 512 points and what goes with them).
    trace : Trace
        Prepared: see `prepare`.
    experiment : {"deer", "ridme"}
        Of networks and trace; it sets the distance axis, which goes with the third root of the
        duration.
    n_samplings : int
        Random choices of 64 points for each released network; trained here, a network sees all.
    random_state : int, Generator or None
        Seed of these choices.

    Returns
    -------
    DistanceDistribution

    Raises
    ------
    NoModulationError
        If the trace is a background and noise: networks make up a distribution for anything.
    ValueError
        If the networks are of another or of several kinds, or the trace is so short or so long that
        its distance axis is not one of spin labels: times in another unit.
    """
    shapes = {(network.n_in, network.n_out) for network in networks}
    if len(shapes) != 1:
        raise ValueError(f"networks must be one or more of one shape, got {sorted(shapes)}")
    n_in, n_out = shapes.pop()
    released = n_in == _RELEASED_INPUTS and n_out == N_TIME
    if not released and n_in != n_out:
        raise ValueError(
            f"networks must have {_RELEASED_INPUTS} inputs and {N_TIME} outputs, or as many "
            f"outputs as inputs; got {n_in} and {n_out}"
        )
    _check_range(trace, n_out, experiment)
    found = modulation(trace, experiment)
    if not found.found:
        raise NoModulationError(
            f"no dipolar modulation: a background and noise explain the trace (p = {found.p:.2g})"
        )
    duration, signal = resample(trace, n_out)
    if released:
        inputs = network_inputs(np.tile(signal, (n_samplings, 1)), random_state)
    else:
        inputs = box(signal[None])
    distance = axes(n_out, duration, experiment)[1]
    outputs = np.array([network(inputs) for network in networks], np.float64)
    outputs = np.maximum(outputs, 0)  # replicas go below
    outputs /= outputs.sum(axis=2, keepdims=True) * (distance[1] - distance[0])
    members = outputs.mean(axis=1)
    density = members.mean(axis=0)
    form_factor = kernel(trace.time, distance) @ (density / density.sum())
    return DistanceDistribution(
        distance=distance,
        density=density,
        members=members,
        spread=outputs.std(axis=(0, 1)),
        modulation=found,
        fit=fit_trace(trace, form_factor, experiment),
    )
