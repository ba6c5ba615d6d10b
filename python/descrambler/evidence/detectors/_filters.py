"""Filters: how a network responds to the frequencies of its inputs. P does not matter."""

from __future__ import annotations

from functools import partial
from typing import TypeAlias

import numpy as np
import scipy.fft

from ..._util.validate import Array
from ...analysis import (
    band_pass_level,
    frequencies,
    gain,
    gain_ratio,
    notch_depth,
    pass_band,
    upper_band_level,
)
from ...network._network import Network
from .._study import Study
from ..nulls import SMOOTH
from ._detector import (
    SAME_RESPONSE,
    WORLDS_OF_INPUTS,
    Axes,
    Detector,
    whole,
    whole_and_first,
)
from ._parts import Part, directions

LEAST_POINTS = 4


def needs_points(network: Network, layer: int) -> str:
    """Say that there are too few inputs for a response."""
    if network.n_in >= LEAST_POINTS:
        return ""
    return f"it needs at least {LEAST_POINTS} inputs, and this network has {network.n_in}"


def _low_pass(study: Study, layer: int) -> float:
    return -upper_band_level(study.response(layer))


def _band_pass(study: Study, layer: int) -> float:
    return -band_pass_level(study.response(layer))


def _notch(study: Study, layer: int) -> float:
    return -notch_depth(study.response(layer))


def _band(study: Study, layer: int) -> Part:
    """Cosines of the pass band, which the first layer loses."""
    n = study.network.n_in
    band = pass_band(frequencies(n), study.response(layer))
    waves = frequencies(n)
    kept = np.flatnonzero((waves >= band.low) & (waves <= band.high))
    return directions(study, 1, "inputs", scipy.fft.idct(np.eye(n)[kept], axis=1, norm="ortho"))


def _constant(study: Study, layer: int) -> Part:
    n = study.network.n_in
    return directions(study, 1, "inputs", np.full((1, n), n**-0.5))


def _subject(layer: int) -> str:
    return "The network as a whole (mean Jacobian)" if layer == 0 else f"Layer {layer}"


def _frequency(cycles: float, n: int, axes: Axes) -> str:
    return f"{cycles / (n * axes.inputs.step(n)):.3g} {axes.inputs.frequency_unit}"


def _weaker(level: float) -> str:
    """Return how much weaker a response is, without a minus sign."""
    word = "strongly" if round(level, 1) < 0 else "weakly"
    return f"{abs(level):.1f} dB more {word}"


def _low_pass_sentence(study: Study, layer: int, axes: Axes) -> str:
    n = study.network.n_in
    return (
        f"{_subject(layer)} responds {_weaker(_low_pass(study, layer))} to {axes.inputs.frequency_name} above "
        f"{_frequency(n / 4, n, axes)} than at its peak"
    )


def _band_pass_sentence(study: Study, layer: int, axes: Axes) -> str:
    n = study.network.n_in
    band = pass_band(frequencies(n), study.response(layer))
    return (
        f"{_subject(layer)} passes {axes.inputs.frequency_name} from {_frequency(band.low, n, axes)} to "
        f"{_frequency(band.high, n, axes)} (-3 dB) and responds at least "
        f"{_weaker(_band_pass(study, layer))} far below and far above"
    )


def _bias_line(study: Study, layer: int) -> str:
    """Say how a bias compares with what a constant input can do: both are constant lines of a layer."""
    bias = study.network.linear(layer).bias if layer else None
    if bias is None:
        return ""
    weights = study.raw(layer)
    constant = float(np.linalg.norm(weights.sum(axis=1))) or 1.0
    share = float(np.linalg.norm(bias)) / constant
    return f"; its bias is {share:.2g} times as large as its response to a constant input of 1"


def _notch_sentence(study: Study, layer: int, axes: Axes) -> str:
    return (
        f"{_subject(layer)} responds {_weaker(_notch(study, layer))} to a constant along the "
        f"{axes.inputs.name} axis than at its peak{_bias_line(study, layer)}"
    )


def rejection(nuisance: Array | None, wanted: Array | None) -> Detector:
    """Return the detector of gain on nuisance directions against gain on wanted ones, rows of each.

    Without directions it is not testable: a network does not show what is a nuisance.
    """
    directions = None if nuisance is None or wanted is None else (nuisance, wanted)
    return Detector(
        name="nuisance rejection",
        formula="gain of the mean Jacobian on the wanted directions, against that on the nuisance directions (r.m.s. of each)",
        unit="dB",
        rotation_matters=False,
        places=whole,
        statistic=partial(_rejection, directions),
        tail="upper",
        floor=3.0,
        margin=3.0,
        sentence=partial(_rejection_sentence, directions),
        missing="no nuisance and wanted directions were given",
        part=partial(_nuisance, directions),
        excluded={SMOOTH.name: SAME_RESPONSE},
        stand_in=WORLDS_OF_INPUTS,
    )


Directions: TypeAlias = tuple[Array, Array] | None


def _nuisance(given: Directions, study: Study, layer: int) -> Part | None:
    if given is None:
        return None
    q, triangle = np.linalg.qr(given[0].T.astype(np.float64))
    size = np.abs(np.diagonal(triangle))
    return directions(study, 1, "inputs", q.T[size > 1e-10 * size.max()])


def _rejection(directions: Directions, study: Study, layer: int) -> float:
    if directions is None:
        return float("nan")
    nuisance, wanted = (gain(study.jacobian, rows) for rows in directions)
    return -gain_ratio(nuisance, wanted)


def _rejection_sentence(directions: Directions, study: Study, layer: int, axes: Axes) -> str:
    return (
        f"{_subject(layer)} responds {_weaker(_rejection(directions, study, layer))} to the "
        "nuisance directions than to the wanted ones"
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
    along=("inputs",),
    excluded={SMOOTH.name: SAME_RESPONSE},
    stand_in=WORLDS_OF_INPUTS,
    part=_band,
    needs=needs_points,
)
BAND_PASS = Detector(
    name="band-pass",
    formula=(
        "peak of the response, against the larger of its means below half the lower edge of the pass band (-3 dB) and "
        "above the middle between its upper edge and the end of the axis"
    ),
    unit="dB",
    rotation_matters=False,
    places=whole,
    statistic=_band_pass,
    tail="upper",
    floor=6.0,
    margin=3.0,
    sentence=_band_pass_sentence,
    along=("inputs",),
    excluded={SMOOTH.name: SAME_RESPONSE},
    stand_in=WORLDS_OF_INPUTS,
    part=_band,
    needs=needs_points,
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
    along=("inputs",),
    excluded={SMOOTH.name: SAME_RESPONSE},
    stand_in=WORLDS_OF_INPUTS,
    part=_constant,
    needs=needs_points,
)
