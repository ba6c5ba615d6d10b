"""Distance distributions of measured traces, with the spread over networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .._util.seeds import generator_of
from .._util.tables import brief
from .._util.threads import computes
from ..errors import NoModulationError
from ._calibration import Calibration
from ._ensemble import N_SAMPLINGS, Member, member_deviation, n_points, outputs
from ._fits import Dimension, TraceFit, fit_trace, fit_traces
from ._modulation import Modulation, modulation
from ._peaks import Peak, ensemble_peaks
from ._physics import Experiment, kernel
from ._sampling import SHORTEST, Sampling, check_sampling
from ._simulate import axes
from ._traces import Trace, resample

Vector = NDArray[np.float64]

# Angstrom: a distance axis ends beyond the first, and begins before the second.
LEAST_FAR, MOST_NEAR = 20.0, 40.0


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
    lower, upper : ndarray, shape (n,), or None
        95 % band: the mean and k standard deviations of the members, see `calibrate`. None without a
        calibration.
    modulation : Modulation
    fit : TraceFit
        Model of the trace with this distribution.
    member_fits : tuple of TraceFit
        The same with the distribution of each network.
    sampling : Sampling
    calibration : Calibration or None
    """

    distance: Vector
    density: Vector
    members: Vector
    spread: Vector
    lower: Vector | None
    upper: Vector | None
    modulation: Modulation
    fit: TraceFit
    member_fits: tuple[TraceFit, ...]
    sampling: Sampling
    calibration: Calibration | None

    @property
    def peaks(self) -> tuple[Peak, ...]:
        """Peaks that stand out by a tenth of the highest, by distance, with their spread."""
        return ensemble_peaks(self.distance, self.members)

    @property
    def depth_spread(self) -> float:
        """Standard deviation of the modulation depth over the networks; NaN for one network."""
        depths = [fit.depth for fit in self.member_fits]
        return float(np.std(depths, ddof=1)) if len(depths) > 1 else float("nan")

    @property
    def background_spread(self) -> Vector:
        """Standard deviation of the background over the networks, at the times of the trace."""
        backgrounds = np.array([fit.background for fit in self.member_fits])
        if len(backgrounds) < 2:
            return np.full(backgrounds.shape[1], np.nan)
        spread: Vector = backgrounds.std(axis=0, ddof=1)
        return spread


def _check_range(trace: Trace, n: int, experiment: Experiment) -> None:
    """Check that the distance axis, which the duration sets, is one of spin labels."""
    duration = float(trace.time[-1])
    if duration > 0:
        low, high = axes(n, duration, experiment)[1][[0, -1]]
        if high >= LEAST_FAR and low <= MOST_NEAR:
            return
        reach = f"its distance axis would go from {low:.3g} to {high:.3g} A"
    else:
        reach = "nothing is left after its zero time"
    raise ValueError(
        f"trace must last as long as one of two spin labels, got {duration:.3g} us: {reach}. Name "
        "the unit of its times, unit= or --unit"
    )


@computes
def predict_distances(
    networks: Sequence[Member],
    trace: Trace,
    *,
    experiment: Experiment = "deer",
    dimension: Dimension | None = None,
    shortest: float = SHORTEST,
    calibration: Calibration | None = None,
    n_samplings: int = N_SAMPLINGS,
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
        Kind of the networks and the trace. It sets the distance axis, which scales with the third root
        of the duration.
    dimension : tuple of two floats, optional
        Range of the background's dimension in the fits; see `fit_trace`.
    shortest : float
        Shortest distance that the sample may have, in Angstrom. A trace whose mean step does not show
        it is refused.
    calibration : Calibration, optional
        Calibration of these networks, for the 95 % band: see `calibrate`.
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
        If the trace is a background and noise: networks predict a distribution from anything.
    ValueError
        If the networks are of another or of several kinds, the calibration is of others, the trace is
        so short or so long that its distance axis is not one of spin labels (times in another unit),
        or it was sampled too coarsely.
    """
    n = n_points(networks)
    _check_range(trace, n, experiment)
    if calibration is not None:
        calibration.check(networks, experiment)
    found = modulation(trace, experiment, dimension)
    if not found.found:
        raise NoModulationError(
            f"no dipolar modulation: a background and noise explain the trace (p = {found.p:.2g})"
        )
    sampled = check_sampling(trace, shortest)
    duration, signal = resample(trace, n)
    distance = axes(n, duration, experiment)[1]
    predicted = outputs(networks, signal, n_samplings, generator_of(random_state))
    predicted /= distance[1] - distance[0]
    members = predicted.mean(axis=1)
    density = members.mean(axis=0)
    factors = form_factors(trace, distance, np.vstack([density, members]))
    fit = fit_trace(trace, factors[0], experiment, dimension)
    member_fits = [fit_trace(trace, row, experiment, dimension, near=fit) for row in factors[1:]]
    lower, upper = _band(members, calibration)
    return DistanceDistribution(
        distance=distance,
        density=density,
        members=members,
        spread=predicted.std(axis=(0, 1)),
        lower=lower,
        upper=upper,
        modulation=found,
        fit=fit,
        member_fits=tuple(member_fits),
        sampling=sampled,
        calibration=calibration,
    )


def share_background(
    results: Sequence[DistanceDistribution],
    traces: Sequence[Trace],
    *,
    dimension: Dimension | None = None,
) -> tuple[DistanceDistribution, ...]:
    """Fit the traces of a dilution series again, with one background for all.

    Parameters
    ----------
    results : sequence of DistanceDistribution
        One result per trace, by one ensemble.
    traces : sequence of Trace
        Prepared, in the same order.
    dimension : tuple of two floats, optional
        Range of the background's dimension; see `fit_trace`.

    Returns
    -------
    tuple of DistanceDistribution
        The same distributions; scale, depth and background are those of `fit_traces`.
    """
    if len(results) != len(traces) or len(results) < 2:
        raise ValueError(
            f"results and traces must be two or more each, got {len(results)} and {len(traces)}"
        )
    experiment = results[0].fit.experiment
    rows = [
        form_factors(trace, result.distance, np.vstack([result.density, result.members]))
        for trace, result in zip(traces, results, strict=True)
    ]
    # One fit of all traces for the mean, and one for each network.
    fits = [
        fit_traces(traces, factors, experiment, dimension) for factors in zip(*rows, strict=True)
    ]
    return tuple(
        replace(result, fit=fit, member_fits=tuple(members))
        for result, (fit, *members) in zip(results, zip(*fits, strict=True), strict=True)
    )


def form_factors(trace: Trace, distance: Vector, densities: Vector) -> Vector:
    """Return the form factors of distributions in rows, at the times of a trace."""
    weights = densities / densities.sum(axis=1, keepdims=True)
    factors: Vector = (kernel(trace.time, distance) @ weights.T).T
    return factors


def _band(members: Vector, calibration: Calibration | None) -> tuple[Vector | None, Vector | None]:
    if calibration is None:
        return None, None
    mean = members.mean(axis=0)
    half = calibration.at(mean.size) * member_deviation(members)
    return np.maximum(mean - half, 0), mean + half
