"""WAV files in and out, one channel at 8 kHz."""

from __future__ import annotations

import io
import os
import warnings
from math import gcd
from pathlib import Path
from typing import BinaryIO

import numpy as np
import scipy  # its submodules load at first use: scipy.signal takes longer than this package
from denoiser import SAMPLE_RATE
from numpy.typing import ArrayLike

from descrambler._util.files import write_bytes
from descrambler._util.validate import Array, real_array

RATES = range(1000, 384_001)  # in Hz; the resampling filter grows with the rate


def read_wav(source: str | os.PathLike[str] | BinaryIO) -> Array:
    """Read a WAV file as one channel at 8 kHz.

    Parameters
    ----------
    source : path or binary file
        Integer or float samples; several channels are averaged, other sample rates are
        resampled by a polyphase filter, which drops what lies above 4 kHz.

    Returns
    -------
    ndarray of float32, shape (n,)
        Full scale is 1.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is no WAV file, has no samples, has NaN or infinity among them, or a sample rate
        outside 1 to 384 kHz.
    """
    name = "source" if hasattr(source, "read") else source
    content = source.read() if hasattr(source, "read") else Path(source).read_bytes()
    try:
        with warnings.catch_warnings():
            # Unknown chunks, and the length that a pipe could not go back to fill in.
            warnings.simplefilter("ignore", scipy.io.wavfile.WavFileWarning)
            rate, samples = scipy.io.wavfile.read(io.BytesIO(content))
    except Exception as error:  # SciPy raises many kinds on damaged files
        raise ValueError(f"{name} is not a readable WAV file: {error}") from error
    if samples.size == 0:
        raise ValueError(f"{name} has no samples")
    if rate not in RATES:
        raise ValueError(f"{name} must have a sample rate from 1 to 384 kHz, got {rate} Hz")
    channels = samples.reshape(len(samples), -1)
    mono = _full_scale(channels).mean(axis=1)
    if not np.isfinite(mono).all():
        raise ValueError(f"{name} has NaN or infinity among its samples")
    common = gcd(rate, SAMPLE_RATE)
    resampled = scipy.signal.resample_poly(mono, SAMPLE_RATE // common, rate // common)
    return resampled.astype(np.float32)


def write_wav(path: str | os.PathLike[str], waveform: ArrayLike) -> None:
    """Write a waveform at 8 kHz as a WAV file, 16-bit, one channel, whole or not at all.

    Parameters
    ----------
    path : str or path-like
    waveform : array_like, shape (n,)
        Full scale is 1; a waveform that goes beyond is made quieter until it fits.

    Raises
    ------
    TypeError, ValueError
        If the waveform is not a finite real vector.
    """
    samples = real_array("waveform", waveform, 1)
    peak = max(1.0, float(np.abs(samples).max(initial=0)))
    stream = io.BytesIO()
    integers = np.round(samples / peak * np.iinfo(np.int16).max).astype(np.int16)
    scipy.io.wavfile.write(stream, SAMPLE_RATE, integers)
    write_bytes(path, stream.getvalue())


def _full_scale(samples: Array) -> Array:
    """Bring integer samples to -1..1; those of 8 bits have their zero at 128."""
    if samples.dtype.kind == "f":
        return samples
    bits = 8 * samples.dtype.itemsize
    zero = 128 if samples.dtype.kind == "u" else 0
    scaled: Array = (samples.astype(np.float64) - zero) / 2 ** (bits - 1)
    return scaled
