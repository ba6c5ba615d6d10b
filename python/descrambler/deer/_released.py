"""The networks released with DEERNet: what they were trained on, and how they are fed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._util.seeds import generator_of
from .._util.validate import Array, matrix
from ..errors import WeightFileError
from ..readers import read_matlab

N_TIME = 512
"""Points of the uniform time axis that samples are drawn from."""
N_SAMPLES = 64
"""Points of a trace that a network gets, the first and the last among them."""

_CHUNK = 4096  # traces in work at a time: the random keys take 16 MB


@dataclass(frozen=True)
class ReleasedParameters:
    """The training set of a released network, as its file states it.

    Attributes
    ----------
    kernel : ndarray of float32, shape (n_time, n_distance)
        Form factor of each distance, 1 at time zero (the file has NaN there).
    time : ndarray of float64, shape (n_time,)
        In seconds.
    distance : ndarray of float64, shape (n_distance,)
        In Angstrom.
    experiment : str
        ``deer`` or ``ridme``: the kind of background.
    max_peaks : int
        Largest number of peaks in a distribution.
    min_width : float
        Smallest full width at half maximum of a peak, as a fraction of its distance.
    max_width : float
        Largest width, as a fraction of the distance range.
    modulation_depth, background_dimension, background_rate : tuple of two floats
        Ranges; the rate in 1/s. RIDME backgrounds have neither rate nor dimension.
    noise : float
        Largest noise RMS, as a fraction of the modulation depth.
    training_rmse : ndarray of float64, shape (n_iterations,)
        Root of the mean over traces of the summed squared error, batch by batch.
    """

    kernel: NDArray[np.float32]
    time: NDArray[np.float64]
    distance: NDArray[np.float64]
    experiment: str
    max_peaks: int
    min_width: float
    max_width: float
    modulation_depth: tuple[float, float]
    background_dimension: tuple[float, float]
    background_rate: tuple[float, float]
    noise: float
    training_rmse: NDArray[np.float64]


def load_parameters(path: str | os.PathLike[str]) -> ReleasedParameters:
    """Read the training parameters and statistics of a released ``.mat`` network.

    Raises
    ------
    WeightFileError
        If the file is damaged or lacks a parameter.
    OSError
        If it cannot be opened.
    """
    path = Path(path)
    arrays = read_matlab(path, ["parameters", "train_stats"])

    def get(name: str) -> NDArray[Any]:
        if name not in arrays:
            raise WeightFileError(f"{path}, {name}: missing")
        return arrays[name]

    def number(name: str) -> float:
        value = get(f"parameters.{name}")
        if value.size != 1 or value.dtype.kind not in "iuf":
            raise WeightFileError(f"{path}, parameters.{name}: must be one number")
        return float(value.item())

    time, distance = (get(f"parameters.{axis}_grid").ravel() for axis in ("time", "dist"))
    return ReleasedParameters(
        kernel=_repaired(path, get("parameters.kernel"), (time.size, distance.size)),
        time=time,
        distance=distance,
        experiment=str(get("parameters.expt").item()),
        max_peaks=int(number("ndistmax")),
        min_width=number("min_fwhm"),
        max_width=number("max_fwhm"),
        modulation_depth=(number("min_mdep"), number("max_mdep")),
        background_dimension=(number("min_bdim"), number("max_bdim")),
        background_rate=(number("min_brate"), number("max_brate")),
        noise=number("noise_lvl"),
        training_rmse=get("train_stats.TrainingRMSE").ravel(),
    )


def _repaired(path: Path, kernel: NDArray[Any], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return the kernel with its first row, 0/0 in the file, at its limit."""
    if kernel.shape != shape or kernel.dtype != np.float32 or not np.isfinite(kernel[1:]).all():
        raise WeightFileError(
            f"{path}, parameters.kernel: must be float32 of shape {shape}, finite but for its "
            f"first row; got {kernel.dtype} of shape {kernel.shape}"
        )
    kernel[0] = 1
    return kernel


def network_inputs(
    traces: ArrayLike, random_state: int | np.random.Generator | None = None
) -> Array:
    """Return the 320 inputs of a released ``(64)`` network for each trace.

    For each trace, 64 of 512 points are drawn at random, the first and the last always
    included. With s their numbers, counted from 1, ``q = 2 (s/512 - 1/2)``,
    ``z = 4 (s/512 - 1/2)**2 - 1/2`` and y the trace scaled to minimum 0 and maximum 1 (over all
    its 512 points, as in training), the inputs are ``[q, z, y, y q, y z]``.

    Parameters
    ----------
    traces : array_like of shape (m, 512)
        Traces in rows, on uniform time axes.
    random_state : int, numpy.random.Generator or None
        Seed of the sampling.

    Returns
    -------
    ndarray of shape (m, 320)
        In the dtype of `traces`.

    Raises
    ------
    TypeError, ValueError
        If `traces` is not a finite real matrix with 512 columns, or a trace is constant.
    """
    signals = matrix("traces", traces)
    if signals.shape[1] != N_TIME:
        raise ValueError(f"traces must have shape (m, {N_TIME}), got {signals.shape}")
    lowest = signals.min(axis=1, keepdims=True)
    height = signals.max(axis=1, keepdims=True) - lowest
    if not (height > 0).all():
        raise ValueError("traces must not be constant: they cannot be scaled to 0..1")
    rng = generator_of(random_state)
    inputs = np.empty((len(signals), 5 * N_SAMPLES), signals.dtype)
    for first in range(0, len(signals), _CHUNK):
        rows = slice(first, first + _CHUNK)
        index = _samples(rng, len(signals[rows]))
        y = (np.take_along_axis(signals[rows], index, axis=1) - lowest[rows]) / height[rows]
        fraction = ((index + 1) / N_TIME - 0.5).astype(signals.dtype)  # MATLAB counts from 1
        q, z = 2 * fraction, 4 * fraction**2 - 0.5
        np.concatenate([q, z, y, y * q, y * z], axis=1, out=inputs[rows])
    return inputs


def _samples(rng: np.random.Generator, m: int) -> NDArray[np.intp]:
    """Draw sorted sample positions, counted from 0, for m traces: shape (m, N_SAMPLES)."""
    keys = rng.random((m, N_TIME - 2))
    inner = np.argpartition(keys, N_SAMPLES - 2, axis=1)[:, : N_SAMPLES - 2] + 1
    ends = np.zeros((m, 1), np.intp), np.full((m, 1), N_TIME - 1, np.intp)
    return np.concatenate([ends[0], np.sort(inner, axis=1), ends[1]], axis=1)
