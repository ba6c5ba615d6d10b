"""Filters: how a network answers to the frequencies of its inputs. P plays no part."""

from __future__ import annotations

import numpy as np
import scipy.fft
import scipy.ndimage

from .._validate import Array
from ..study import Study
from .detector import Axes, Detector, whole, whole_and_first

# Frequencies are averaged over this part of the band before a peak is looked for.
RESOLUTION = 1 / 50


def response(study: Study, layer: int) -> Array:
    """Mean squared response to each cosine of the input axis, shape (n_in,).

    Of the mean Jacobian (layer 0) or of the weights of the first layer. Cosines (DCT-II), not a
    periodic transform: a one-sided signal has no reason to end where it began.
    """
    matrix = study.jacobian if layer == 0 else study.raw(layer).astype(np.float64, copy=False)
    amplitude = scipy.fft.dct(matrix, axis=1, norm="ortho")
    energy: Array = np.mean(np.square(amplitude), axis=0)
    return energy


def _smooth(energy: Array) -> Array:
    width = max(1, round(RESOLUTION * len(energy)))
    smooth: Array = scipy.ndimage.uniform_filter1d(energy, width, mode="nearest")
    return smooth


def _decibel(energy: float, reference: float) -> float:
    if reference <= 0:
        return float("nan")
    return float(10 * np.log10(max(energy, 1e-30 * reference) / reference))


def _low_pass(study: Study, layer: int) -> float:
    energy = response(study, layer)
    return -_decibel(float(energy[len(energy) // 2 :].mean()), float(_smooth(energy).max()))


def _band_pass(study: Study, layer: int) -> float:
    energy = response(study, layer)
    smooth = _smooth(energy)
    peak = int(smooth.argmax())
    below, above = energy[: (peak + 1) // 2], energy[(peak + len(energy)) // 2 :]
    if below.size == 0 or above.size == 0:
        return 0.0
    return -_decibel(float(max(below.mean(), above.mean())), float(smooth[peak]))


def _notch(study: Study, layer: int) -> float:
    energy = response(study, layer)
    return -_decibel(float(energy[0]), float(_smooth(energy).max()))


def _subject(layer: int) -> str:
    return "The network as a whole (mean Jacobian)" if layer == 0 else f"Layer {layer}"


def _frequency(index: float, n: int, axes: Axes) -> str:
    value = index / (2 * n * axes.inputs.step(n))
    return f"{value:.3g} {axes.inputs.frequency_unit}"


def _low_pass_sentence(study: Study, layer: int, axes: Axes) -> str:
    n = study.network.n_in
    return (
        f"{_subject(layer)} answers to {axes.inputs.frequency_name} above {_frequency(n // 2, n, axes)} "
        f"{_low_pass(study, layer):.1f} dB less than at its peak"
    )


def _band_pass_sentence(study: Study, layer: int, axes: Axes) -> str:
    smooth = _smooth(response(study, layer))
    n, peak = len(smooth), int(smooth.argmax())
    passed = smooth >= smooth[peak] / 2
    low = peak - int(np.argmin(passed[: peak + 1][::-1])) + 1 if not passed[: peak + 1].all() else 0
    high = peak + int(np.argmin(passed[peak:])) - 1 if not passed[peak:].all() else n - 1
    return (
        f"{_subject(layer)} passes {axes.inputs.frequency_name} from {_frequency(low, n, axes)} to "
        f"{_frequency(high, n, axes)} (half power) and answers at least "
        f"{_band_pass(study, layer):.1f} dB less on both sides"
    )


def _notch_sentence(study: Study, layer: int, axes: Axes) -> str:
    return (
        f"{_subject(layer)} answers to what is constant along the {axes.inputs.name} axis "
        f"{_notch(study, layer):.1f} dB less than at its peak"
    )


LOW_PASS = Detector(
    name="low-pass",
    formula="peak of the response to cosines of the input axis, against its mean over the upper half of the band",
    unit="dB",
    rotation_matters=False,
    places=whole,
    statistic=_low_pass,
    tail="upper",
    floor=6.0,
    margin=3.0,
    sentence=_low_pass_sentence,
)
BAND_PASS = Detector(
    name="band-pass",
    formula=(
        "peak of the response, against the larger of its means below half the peak's frequency and above the "
        "middle between the peak and the end of the band"
    ),
    unit="dB",
    rotation_matters=False,
    places=whole,
    statistic=_band_pass,
    tail="upper",
    floor=6.0,
    margin=3.0,
    sentence=_band_pass_sentence,
)
NOTCH = Detector(
    name="notch at zero",
    formula="peak of the response, against the response to a constant",
    unit="dB",
    rotation_matters=False,
    places=whole_and_first,
    statistic=_notch,
    tail="upper",
    floor=6.0,
    margin=3.0,
    sentence=_notch_sentence,
)
