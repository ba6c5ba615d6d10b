"""The denoiser: short-time spectra into a network, a gain for every frequency out."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import scipy  # its submodules load at first use: scipy.signal takes longer than this package
from numpy.typing import ArrayLike, NDArray

from descrambler._util.validate import Array, own_unit, real_array
from descrambler.network._network import Network
from descrambler.readers import load

Spectrum = NDArray[np.complexfloating[Any, Any]]

SAMPLE_RATE = 8000
"""Samples a second that the denoiser is made for, in Hz."""

_NAME = "denoiser.npz"
_WINDOW = 256
_HOP = 64
_BINS = _WINDOW // 2 + 1
_QUIET = 0.2  # quantile over time; speech pauses at any one frequency for longer than that
_FLOOR = 1e-3  # of the r.m.s. magnitude; what is fainter looks alike


def analyze(waveform: ArrayLike) -> Spectrum:
    """Short-time Fourier transform: Hann windows of 256 samples (32 ms), one every 64 (8 ms).

    Parameters
    ----------
    waveform : array_like, shape (n,)
        Samples at 8 kHz, at least one.

    Returns
    -------
    ndarray of complex, shape (m, 129)
        Frames in rows, frequencies 0 to 4000 Hz in steps of 31.25 Hz; complex64 for float32.

    Raises
    ------
    TypeError, ValueError
        If the waveform is not a finite real vector or is empty.
    """
    samples = _samples("waveform", waveform)
    samples = np.pad(samples, (0, max(0, _WINDOW - samples.size)))
    transform = scipy.signal.stft(samples, nperseg=_WINDOW, noverlap=_WINDOW - _HOP)[2]
    frames: Spectrum = np.ascontiguousarray(transform.T)
    return frames


def synthesize(spectrum: Spectrum, n: int) -> Array:
    """Return the `n` samples of which `spectrum`, shape (m, 129), is the transform.

    The inverse of :func:`analyze` to rounding; of a spectrum that no waveform has, the waveform
    nearest to it in least squares.

    Raises
    ------
    ValueError
        If the spectrum is not finite, has another shape, or has fewer than `n` samples in it.
    """
    frames = _frames(spectrum).T
    inverse: Array = scipy.signal.istft(frames, nperseg=_WINDOW, noverlap=_WINDOW - _HOP)[1]
    if not 0 <= n <= inverse.size:
        raise ValueError(f"n must be 0 to {inverse.size} for {frames.shape[1]} frames, got {n}")
    return inverse[:n]


def features(spectrum: Spectrum) -> NDArray[np.float32]:
    """Return what the network is given of each frame: how far each frequency is above its quiet.

    Parameters
    ----------
    spectrum : ndarray of complex, shape (m, 129)

    Returns
    -------
    ndarray of float32, shape (m, 129)
        ``log10((a + c) / (q + c))``, a the magnitude, q its 20 % quantile over the frames at
        that frequency, c one thousandth of the r.m.s. magnitude of the recording. It does not
        depend on how loud the recording is; 0 for silence.

    Raises
    ------
    ValueError
        If the spectrum is not finite or has another shape.
    """
    magnitude = np.abs(_frames(spectrum))
    magnitude /= magnitude.max() or 1  # lest the squares overflow or vanish
    quiet = np.quantile(magnitude, _QUIET, axis=0)
    rms = float(np.sqrt(np.mean(np.square(magnitude, dtype=np.float64))))
    floor = _FLOOR * rms if rms > 0 else 1.0
    return np.asarray(np.log10((magnitude + floor) / (quiet + floor)), np.float32)


def denoise(waveform: ArrayLike, network: Network | None = None) -> Array:
    """Multiply the short-time spectrum by the gains, 0 to 1, that the network gives.

    Parameters
    ----------
    waveform : array_like, shape (n,)
        Noisy speech at 8 kHz, of any loudness. Silence stays silence.
    network : Network, optional
        From the 129 features of a frame to 129 gains. By default :func:`pretrained`.

    Returns
    -------
    ndarray, shape (n,)
        In the dtype of the waveform.

    Raises
    ------
    TypeError, ValueError
        If the waveform is not a finite real vector or is empty, or the network has other sizes.
    """
    network = pretrained() if network is None else network
    if (network.n_in, network.n_out) != (_BINS, _BINS):
        raise ValueError(
            f"network must have {_BINS} inputs and outputs, got {network.n_in} and {network.n_out}"
        )
    samples = _samples("waveform", waveform)
    spectrum = analyze(samples)
    return synthesize(spectrum * network(features(spectrum)), samples.size)


def pretrained() -> Network:
    """Return the trained denoiser that lies beside this module.

    Returns
    -------
    Network
        float32. `initial` holds the untrained network, and `provenance` the
        command that remakes it, its errors and what it was trained on.
    """
    return load(Path(__file__).with_name(_NAME))


def snr(clean: ArrayLike, estimate: ArrayLike) -> float:
    """Signal-to-noise ratio in dB: energy of `clean` over that of its difference to `estimate`.

    Raises
    ------
    TypeError, ValueError
        If the two are not finite real vectors of one length, or `clean` is silent.
    """
    signal, other = _samples("clean", clean), _samples("estimate", estimate)
    if signal.shape != other.shape:
        raise ValueError(f"estimate must have {signal.size} samples, got {other.size}")
    (energy, unit), (error, error_unit) = _energy(signal), _energy(signal - other)
    if energy == 0:
        raise ValueError("clean must not be silent")
    if error == 0:
        return math.inf
    return 10 * math.log10(energy / error) + 20 * (unit - error_unit) * math.log10(2)


def _energy(samples: Array) -> tuple[float, int]:
    scaled, exponent = own_unit(samples.astype(np.float64, copy=False))
    return float(np.sum(np.square(scaled))), int(exponent)


def _samples(name: str, value: ArrayLike) -> Array:
    samples = real_array(name, value, 1)
    if samples.size == 0:
        raise ValueError(f"{name} must not be empty")
    return samples


def _frames(spectrum: Spectrum) -> Spectrum:
    frames = np.asarray(spectrum)
    if frames.ndim != 2 or frames.shape[1] != _BINS or len(frames) == 0:
        raise ValueError(f"spectrum must have shape (m, {_BINS}), got {frames.shape}")
    if not np.isfinite(frames).all():
        raise ValueError("spectrum must be finite, got NaN or infinity among its entries")
    return frames
