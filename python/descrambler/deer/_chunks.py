"""One chunk of simulated traces: random distributions, backgrounds, noise, exchange and time shifts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import _core as core
from .._util.validate import Array, as_integer
from ._physics import kernel_parts

MAX_PEAKS = 4
MODULATION_DEPTH = (0.01, 1.0)
BACKGROUND_DIMENSION = (2.0, 3.5)
BACKGROUND_RATE = 1.0  # largest rate times duration: 0.5 MHz in a 2 microsecond trace
RIDME_SCALE = 3.0  # standard deviation of the exponents of a RIDME background
NOISE = 0.05  # largest RMS as a fraction of the modulation depth
MIN_WIDTH = 0.025  # narrowest peak as a fraction of its distance
MAX_WIDTH = 0.5  # broadest peak as a fraction of the distance range

_FWHM_PER_SIGMA = 2 * np.sqrt(2 * np.log(2))
CHUNK = 512
"""Traces made from one seed. Changing it changes what every seed gives."""


class Others(NamedTuple):
    """What the published training set leaves out."""

    exchange: tuple[float, float]  # as parts of the Nyquist frequency
    shift: int  # steps


def others_of(exchange: tuple[float, float], time_shift: int, n_points: int) -> Others:
    """Return exchange and time shift, checked."""
    low, high = map(float, exchange)
    if not 0 <= low <= high <= 1:
        raise ValueError(f"exchange must be two ascending numbers within 0 to 1, got {exchange}")
    shift = as_integer("time_shift", time_shift)
    if not 0 <= shift < n_points:
        raise ValueError(f"time_shift must be from 0 to {n_points - 1}, got {shift}")
    return Others((low, high), shift)


class Grid(NamedTuple):
    """What all chunks share, in the working precision.

    The times go on beyond the end of the trace by the largest shift.
    """

    kernel: Array  # transposed: distances in rows
    quadrature: Array  # the same for the sine, which exchange mixes in; empty without
    time: Array  # as a fraction of the duration
    log_time: Array  # its logarithm; -inf at zero
    distance: Array
    n_points: int


def make_grid(
    time: NDArray[np.float64], distance: NDArray[np.float64], dtype: np.dtype[Any], others: Others
) -> Grid:
    """Return what all chunks of these axes share."""
    beyond = time[-1] + time[1] * np.arange(1, others.shift + 1)
    longer = np.concatenate([time, beyond])
    fraction = longer / time[-1]
    with np.errstate(divide="ignore"):
        log_time = np.log(fraction)
    mixed = others.exchange[1] > 0
    even, odd = kernel_parts(longer, distance, quadrature=mixed)
    return Grid(
        np.ascontiguousarray(even.T, dtype),
        np.ascontiguousarray(odd.T if mixed else odd.T[:, :0], dtype),
        fraction.astype(dtype),
        log_time.astype(dtype),
        distance.astype(dtype),
        time.size,
    )


def simulate_chunk(
    rng: np.random.Generator,
    grid: Grid,
    backgrounds: Background,
    others: Others,
    apart: np.random.Generator,
) -> tuple[NDArray[Any], ...]:
    """Return one chunk: traces and distributions (CHUNK, n_points), then what each was made with."""
    distributions = _distributions(rng, grid.distance)
    depth = rng.uniform(*MODULATION_DEPTH, (CHUNK, 1))
    relative = rng.uniform(0.0, NOISE, (CHUNK, 1))
    coupling = apart.uniform(*others.exchange, CHUNK)
    shift = apart.integers(-others.shift, others.shift, CHUNK, endpoint=True)
    traces = _form_factors(distributions, coupling, grid)
    traces *= depth.astype(traces.dtype)
    traces += (1 - depth).astype(traces.dtype)
    traces *= backgrounds(rng, grid)
    if others.shift:
        # Both are even in time: before the zero time they are as after it.
        steps = np.abs(np.arange(grid.n_points) - shift[:, None])
        traces = np.take_along_axis(traces, steps, axis=1)
    # Drawn in single precision whatever the dtype: twice as fast, and the same noise for both.
    noise = rng.standard_normal(traces.shape, dtype=np.float32)
    noise *= (relative * depth).astype(np.float32)
    traces += noise
    traces -= traces.min(axis=1, keepdims=True)
    traces /= traces.max(axis=1, keepdims=True)
    return traces, distributions, depth[:, 0], relative[:, 0], coupling, shift


def _form_factors(distributions: Array, coupling: Array, grid: Grid) -> Array:
    """Return the form factors; exchange turns each by its own angle."""
    even: Array = core.multiply(distributions, grid.kernel)
    if not grid.quadrature.size:
        return even
    # A coupling of one has the Nyquist frequency: half a turn per step.
    steps = np.arange(even.shape[1])
    turn = np.pi * coupling[:, None] * steps
    odd = core.multiply(distributions, grid.quadrature)
    even *= np.cos(turn).astype(even.dtype)
    odd *= np.sin(turn).astype(even.dtype)
    even += odd
    return even


def _distributions(rng: np.random.Generator, distance: Array) -> Array:
    """Return random mixtures of Gaussians on the distance axis, each with the sum 1."""
    counts = rng.integers(1, MAX_PEAKS, CHUNK, endpoint=True)
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


def _deer_backgrounds(rng: np.random.Generator, grid: Grid) -> Array:
    """Return ``exp(-(k t)**(d / 3))`` by logarithms: powers cost three times as much."""
    log_time = grid.log_time
    dimension = rng.uniform(*BACKGROUND_DIMENSION, (CHUNK, 1))
    rate = BACKGROUND_RATE * (1 - rng.random((CHUNK, 1)))  # never 0, which has no logarithm
    decay = np.log(rate).astype(log_time.dtype) + log_time
    decay *= (dimension / 3).astype(log_time.dtype)
    np.exp(decay, out=decay)
    np.negative(decay, out=decay)
    return np.exp(decay, out=decay)


def _ridme_backgrounds(rng: np.random.Generator, grid: Grid) -> Array:
    """Return ``exp(-(a s + b s**2))``."""
    a = RIDME_SCALE * rng.standard_normal((CHUNK, 1))
    b = np.maximum(-a / 0.4, -a / 2) + RIDME_SCALE * np.abs(rng.standard_normal((CHUNK, 1)))
    exponent = b.astype(grid.time.dtype) * grid.time
    exponent += a.astype(grid.time.dtype)
    exponent *= -grid.time
    return np.exp(exponent, out=exponent)


Background = Callable[[np.random.Generator, Grid], Array]
BACKGROUNDS: dict[str, Background] = {"deer": _deer_backgrounds, "ridme": _ridme_backgrounds}
