"""Simulated DEER traces with their distance distributions: the published training set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .._util.parallel import mapping
from .._util.seeds import seed_of
from .._util.tables import brief
from .._util.validate import Array, as_integer
from ._chunks import BACKGROUNDS, CHUNK, make_grid, others_of, simulate_chunk
from ._physics import Experiment, distance_range


@brief
@dataclass(frozen=True)
class DeerData:
    """Simulated DEER traces and the distributions that made them.

    Attributes
    ----------
    traces : ndarray of shape (n, n_points)
        Noisy traces, each shifted and scaled into [0, 1].
    distributions : ndarray of shape (n, n_points)
        Distance distributions; each row sums to 1, so that
        ``distributions @ kernel(time, distance).T`` are the form factors.
    time : ndarray of float64, shape (n_points,)
        Times in microseconds, from zero.
    distance : ndarray of float64, shape (n_points,)
        Distances in Angstrom.
    depth : ndarray of float64, shape (n,)
        Modulation depths.
    noise : ndarray of float64, shape (n,)
        Noise RMS as a part of the modulation depth.
    exchange : ndarray of float64, shape (n,)
        Exchange couplings in MHz.
    zero : ndarray of float64, shape (n,)
        Zero times in microseconds; negative where the trace begins after it.
    """

    traces: Array
    distributions: Array
    time: NDArray[np.float64]
    distance: NDArray[np.float64]
    depth: NDArray[np.float64]
    noise: NDArray[np.float64]
    exchange: NDArray[np.float64]
    zero: NDArray[np.float64]

    @property
    def targets(self) -> Array:
        """Distributions scaled to a maximum of 1, shape (n, n_points): what networks learn."""
        peak: Array = self.distributions.max(axis=1, keepdims=True)
        return self.distributions / peak


def simulate(
    n: int,
    random_state: int | np.random.Generator | None = 0,
    n_points: int = 256,
    *,
    duration: float = 2.0,
    experiment: Experiment = "deer",
    exchange: tuple[float, float] = (0.0, 0.0),
    time_shift: int = 0,
    dtype: DTypeLike = np.float64,
    threads: int | None = 1,
) -> DeerData:
    """Simulate DEER or RIDME traces as the training sets of the published DEERNets.

    Each distribution has 1 to 4 Gaussian peaks with uniform random areas. Positions and
    widths have linearly falling densities, towards short and narrow: positions over the whole
    distance axis, full widths at half maximum from 0.025 of the distance to 0.5 of the
    distance range. The trace is ``(1 - m + m * form_factor) * background`` plus white noise,
    with m in 0.01..1 and a noise RMS of 0..0.05 m, both uniform, and is then shifted and scaled
    into [0, 1].

    The DEER background is ``exp(-(k t)**(d / 3))`` with d in 2..3.5 and ``k * duration`` in 0..1,
    both uniform. The RIDME background is ``exp(-(a s + b s**2))`` with ``s = t / duration``, a
    normal with standard deviation 3 and b above ``max(-a / 0.4, -a / 2)`` by the absolute value
    of another such number: it may rise at first, but not in the end.

    Parameters
    ----------
    n : int
        Number of traces, 0 or more.
    random_state : int, numpy.random.Generator or None
        Seed. The first traces of a longer run are those of a shorter one.
    n_points : int
        Points of the time axis and of the distance axis, at least 4.
    duration : float
        Last time in microseconds. It sets the distance axis through `distance_range`: 256
        points over 2 microseconds of DEER reach from 11.8 to 59.3 A.
    experiment : {"deer", "ridme"}
        Which background and which distance axis.
    exchange : tuple of two floats
        Range of the exchange coupling, uniform, as a part of the highest frequency that the time axis
        shows, ``1 / (2 step)``.
    time_shift : int
        Largest number of steps by which the zero time is off, uniform, to either side. Form factor and
        background are even in time.
    dtype : dtype
        float64 or float32 (nearly twice as fast, same random draws).
    threads : int or None
        Threads that share the work; None for one per processor. Their number does not change the
        result.

    Returns
    -------
    DeerData

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or is out of range.

    Notes
    -----
    Amey, Keeley, Choudhury and Kuprov, PNAS 118(5), 2021, doi 10.1073/pnas.2016917118.
    Every 512 traces have a seed of their own, spawned from `random_state` by their position,
    so the result does not depend on how the work is divided. Exchange and shift have random numbers
    of their own: with and without them, distributions, depths and noise are the same. Orientation
    selection is not simulated.
    """
    n, n_points = as_integer("n", n), as_integer("n_points", n_points)
    if n < 0:
        raise ValueError(f"n must be 0 or more, got {n}")
    if n_points < 4:
        raise ValueError(f"n_points must be at least 4, got {n_points}")
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise TypeError(f"dtype must be float32 or float64, got {np.dtype(dtype)}")
    others = others_of(exchange, time_shift, n_points)
    time, distance = axes(n_points, duration, experiment)
    grid = make_grid(time, distance, np.dtype(dtype), others)
    entropy = seed_of(random_state)
    traces = np.empty((n, n_points), dtype)
    distributions = np.empty_like(traces)
    depth, noise, coupling, shift = np.empty((4, n))
    parts = traces, distributions, depth, noise, coupling, shift

    def fill(index: int) -> None:
        rng, apart = (
            np.random.default_rng(np.random.SeedSequence(entropy, spawn_key=key))
            for key in ((index,), (index, 1))
        )
        chunk = simulate_chunk(rng, grid, BACKGROUNDS[experiment], others, apart)
        rows = slice(index * CHUNK, min((index + 1) * CHUNK, n))
        for whole, part in zip(parts, chunk, strict=True):
            whole[rows] = part[: rows.stop - rows.start]

    with mapping(threads) as apply:
        for _ in apply(fill, range(-(-n // CHUNK))):
            pass
    step = float(time[1])
    return DeerData(
        traces, distributions, time, distance, depth, noise, coupling / (2 * step), shift * step
    )


def axes(
    n_points: int, duration: float, experiment: Experiment = "deer"
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the tied time (microseconds) and distance (Angstrom) axes of a trace."""
    distances = distance_range(duration / (n_points - 1), duration, experiment)
    return np.linspace(0.0, duration, n_points), np.linspace(*distances, n_points)
