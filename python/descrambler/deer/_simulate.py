"""Simulated DEER traces with their distance distributions: the published training set."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .. import _core as core
from .._util.parallel import mapping
from .._util.seeds import seed_of
from .._util.tables import brief
from .._util.validate import Array
from ._physics import Experiment, distance_range, kernel

MAX_PEAKS = 4
MODULATION_DEPTH = (0.01, 1.0)
BACKGROUND_DIMENSION = (2.0, 3.5)
BACKGROUND_RATE = 1.0  # largest rate times duration: 0.5 MHz in a 2 microsecond trace
RIDME_SCALE = 3.0  # standard deviation of the exponents of a RIDME background
NOISE = 0.05  # largest RMS as a fraction of the modulation depth
MIN_WIDTH = 0.025  # narrowest peak as a fraction of its distance
MAX_WIDTH = 0.5  # broadest peak as a fraction of the distance range

_FWHM_PER_SIGMA = 2 * np.sqrt(2 * np.log(2))
_CHUNK = 512
"""Traces made from one seed. Changing it changes what every seed gives."""


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
    """

    traces: Array
    distributions: Array
    time: NDArray[np.float64]
    distance: NDArray[np.float64]
    depth: NDArray[np.float64]
    noise: NDArray[np.float64]

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
    so the result does not depend on how the work is divided.
    """
    n, n_points = operator.index(n), operator.index(n_points)
    if n < 0:
        raise ValueError(f"n must be 0 or more, got {n}")
    if n_points < 4:
        raise ValueError(f"n_points must be at least 4, got {n_points}")
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise TypeError(f"dtype must be float32 or float64, got {np.dtype(dtype)}")
    time, distance = axes(n_points, duration, experiment)
    grid = _grid(time, distance, np.dtype(dtype))
    entropy = seed_of(random_state)
    traces = np.empty((n, n_points), dtype)
    distributions = np.empty_like(traces)
    depth, noise = np.empty((2, n))

    def fill(index: int) -> None:
        seed = np.random.SeedSequence(entropy, spawn_key=(index,))
        chunk = _simulate_chunk(np.random.default_rng(seed), grid, _BACKGROUNDS[experiment])
        rows = slice(index * _CHUNK, min((index + 1) * _CHUNK, n))
        for whole, part in zip((traces, distributions, depth, noise), chunk, strict=True):
            whole[rows] = part[: rows.stop - rows.start]

    with mapping(threads) as apply:
        for _ in apply(fill, range(-(-n // _CHUNK))):
            pass
    return DeerData(traces, distributions, time, distance, depth, noise)


def axes(
    n_points: int, duration: float, experiment: Experiment = "deer"
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the tied time (microseconds) and distance (Angstrom) axes of a trace."""
    distances = distance_range(duration / (n_points - 1), duration, experiment)
    return np.linspace(0.0, duration, n_points), np.linspace(*distances, n_points)


class _Grid(NamedTuple):
    """What all chunks share, in the working precision."""

    kernel: Array  # transposed: distances in rows
    time: Array  # as a fraction of the duration
    log_time: Array  # its logarithm; -inf at zero
    distance: Array


def _grid(time: NDArray[np.float64], distance: NDArray[np.float64], dtype: np.dtype[Any]) -> _Grid:
    fraction = time / time[-1]
    with np.errstate(divide="ignore"):
        log_time = np.log(fraction)
    transposed = np.ascontiguousarray(kernel(time, distance).T, dtype)
    return _Grid(transposed, fraction.astype(dtype), log_time.astype(dtype), distance.astype(dtype))


def _simulate_chunk(
    rng: np.random.Generator, grid: _Grid, backgrounds: Background
) -> tuple[Array, Array, Array, Array]:
    """Return one chunk: traces and distributions (_CHUNK, n_points), depths and noise (_CHUNK,)."""
    distributions = _distributions(rng, grid.distance)
    depth = rng.uniform(*MODULATION_DEPTH, (_CHUNK, 1))
    relative = rng.uniform(0.0, NOISE, (_CHUNK, 1))
    noise_level = relative * depth
    traces = core.multiply(distributions, grid.kernel)
    traces *= depth.astype(traces.dtype)
    traces += (1 - depth).astype(traces.dtype)
    traces *= backgrounds(rng, grid)
    # Drawn in single precision whatever the dtype: twice as fast, and the same noise for both.
    noise = rng.standard_normal(traces.shape, dtype=np.float32)
    noise *= noise_level.astype(np.float32)
    traces += noise
    traces -= traces.min(axis=1, keepdims=True)
    traces /= traces.max(axis=1, keepdims=True)
    return traces, distributions, depth[:, 0], relative[:, 0]


def _distributions(rng: np.random.Generator, distance: Array) -> Array:
    """Return random mixtures of Gaussians on the distance axis, each with the sum 1."""
    counts = rng.integers(1, MAX_PEAKS, _CHUNK, endpoint=True)
    present = np.arange(MAX_PEAKS)[:, None] < counts
    # The uniform variate can be exactly 0, and a lone peak of area 0 is no distribution.
    area = np.maximum(rng.random(present.shape), 1e-9)[present, None]
    shortest, longest = float(distance[0]), float(distance[-1])
    position = shortest + (longest - shortest) * _falling(rng, present.shape)[present, None]
    narrowest, broadest = MIN_WIDTH * position, MAX_WIDTH * (longest - shortest)
    width = narrowest + (broadest - narrowest) * _falling(rng, present.shape)[present, None]

    peaks = distance - position.astype(distance.dtype)
    peaks *= (_FWHM_PER_SIGMA / (np.sqrt(2) * width)).astype(distance.dtype)
    np.square(peaks, out=peaks)
    np.subtract(np.log(area / width).astype(distance.dtype), peaks, out=peaks)
    np.exp(peaks, out=peaks)
    mixtures, *others = np.split(peaks, np.cumsum(present.sum(axis=1))[:-1])
    for rows, other in zip(present[1:], others, strict=True):
        mixtures[rows] += other
    mixtures /= mixtures.sum(axis=1, keepdims=True)
    return mixtures


def _falling(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Draw from [0, 1] with a density that falls linearly to zero at 1."""
    return 1 - np.sqrt(rng.random(shape))


def _deer_backgrounds(rng: np.random.Generator, grid: _Grid) -> Array:
    """Return ``exp(-(k t)**(d / 3))`` by logarithms: powers cost three times as much."""
    log_time = grid.log_time
    dimension = rng.uniform(*BACKGROUND_DIMENSION, (_CHUNK, 1))
    rate = BACKGROUND_RATE * (1 - rng.random((_CHUNK, 1)))  # never 0, which has no logarithm
    decay = np.log(rate).astype(log_time.dtype) + log_time
    decay *= (dimension / 3).astype(log_time.dtype)
    np.exp(decay, out=decay)
    np.negative(decay, out=decay)
    return np.exp(decay, out=decay)


def _ridme_backgrounds(rng: np.random.Generator, grid: _Grid) -> Array:
    """Return ``exp(-(a s + b s**2))``."""
    a = RIDME_SCALE * rng.standard_normal((_CHUNK, 1))
    b = np.maximum(-a / 0.4, -a / 2) + RIDME_SCALE * np.abs(rng.standard_normal((_CHUNK, 1)))
    exponent = b.astype(grid.time.dtype) * grid.time
    exponent += a.astype(grid.time.dtype)
    exponent *= -grid.time
    return np.exp(exponent, out=exponent)


Background = Callable[[np.random.Generator, _Grid], Array]
_BACKGROUNDS: dict[str, Background] = {"deer": _deer_backgrounds, "ridme": _ridme_backgrounds}
