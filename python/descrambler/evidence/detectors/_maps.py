"""Maps: which input goes to which output, and in what order."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import scipy  # its submodules load at first use

from ..._solvers.result import Descrambling
from ..._util.validate import Array, own_unit
from ...analysis import (
    frequencies,
    frequency_map,
    frequency_order,
    mode_order,
    output_frequencies,
)
from ...analysis._ridge import exponent_and_evidence
from ...analysis._ridge_likelihood import RESOLUTION
from ...criteria import link_basis
from ...network._network import Network
from .._study import Study
from ..nulls import COMPONENTS, NOISE, WEIGHTS_ALONE
from ._detector import (
    LATER_LAYER,
    NO_INPUTS,
    WORLDS_OF_INPUTS,
    Axes,
    Detector,
    first,
    input_link,
    last,
    output_link,
    whole,
)
from ._parts import Part, bands

LEAST_POINTS = 8
LEAST_SPREAD = 1.0
"""Half width of the band of an output that responds to a single cosine, in cosines."""


def _order(study: Study) -> float:
    return frequency_order(study.jacobian)


def _frequency_map(study: Study, layer: int) -> float:
    return _order(study)


def _frequency_map_sentence(study: Study, layer: int, axes: Axes) -> str:
    frequency, outputs = output_frequencies(study.jacobian)
    direction = "rises" if _order(study) > 0 else "falls"
    position = axes.outputs.start + outputs * axes.outputs.step(study.network.n_out)
    power = ""
    if (position > 0).all():
        slope = np.polyfit(np.log(position), np.log(frequency), 1)[0]
        power = f", about as {axes.outputs.name} to the power {slope:.2f}"
    return (
        f"The {axes.inputs.frequency_name} that excites an output {direction} with its {axes.outputs.name}"
        f"{power} (rank correlation {_order(study):+.2f}, mean Jacobian)"
    )


def _link_map(study: Study, layer: int) -> float:
    exponent, evidence = exponent_and_evidence(study.weights(1))
    return evidence * max(exponent - 1, 0.0)


def _link_map_sentence(study: Study, layer: int, axes: Axes) -> str:
    found = frequency_map(study.weights(1))
    return (
        f"In P W_1, the strongest {axes.inputs.frequency_name} goes as the power {found.exponent:.2f} ± {found.error:.2f} "
        f"of link frequency (evidence for a ridge: {found.evidence:.2f} nats per link frequency)"
    )


def _frequency_map_part(study: Study, layer: int) -> Part:
    """Return each output's band of input frequencies: around its mean, as wide as all outputs' spread."""
    picture = scipy.fft.dct(study.jacobian, axis=1, norm="ortho")
    frequency, outputs = output_frequencies(study.jacobian)
    away = np.arange(picture.shape[1]) - frequency[:, None]
    # The mean of an output leaves out frequency zero, and so does its band.
    energy = np.square(own_unit(picture[outputs])[0]) * (np.arange(picture.shape[1]) > 0)
    spread = np.sqrt(np.sum(energy * np.square(away)) / np.sum(energy))
    own = np.zeros(picture.shape, bool)
    own[outputs, 1:] = np.abs(away[:, 1:]) <= max(float(spread), LEAST_SPREAD)
    return bands(
        0, own, np.asarray, lambda kept: scipy.fft.idct(picture * kept, axis=1, norm="ortho")
    )


def _link_map_part(study: Study, layer: int) -> Part:
    """Return the ridge in P W_1, two standard deviations to each side."""
    picture = scipy.fft.dct(study.modes(1), axis=1, norm="ortho")
    found = frequency_map(study.weights(1))
    center = found(np.arange(1, len(picture) // 2 + 1))[:, None]
    spread = np.hypot(center * found.width, RESOLUTION)
    ridge = np.abs(frequencies(picture.shape[1]) - center) <= 2 * spread
    ridge[:, 0] = False
    rotation = study.links[0].before.rotation.matrix.astype(np.float64, copy=False)

    def dealt(own: Array) -> Array:
        # Mode 0 is constant; modes 2k-1 and 2k are link frequency k.
        return np.repeat(np.pad(own, ((1, 0), (0, 0))), 2, axis=0)[1:][: len(picture)]

    def within(kept: Array) -> Array:
        lines = scipy.fft.idct(picture * kept, axis=1, norm="ortho")
        return rotation.T @ link_basis(len(lines)).from_modes(lines)

    return bands(1, ridge, dealt, within)


def _link_order(study: Study, layer: int) -> float:
    return mode_order(study.weights(layer))


def _joint_order(study: Study, layer: int) -> float:
    """By the paper's recipe for the last layer: the next weights are appended to the signals."""
    return mode_order(study.links[layer - 2].joint.rotation.right(study.raw(layer)))


def _joint_link(study: Study, layer: int) -> tuple[Descrambling, ...]:
    return (study.links[layer - 2].joint,)


def _order_sentence(
    order: Callable[[Study, int], float], name: str, study: Study, layer: int, axes: Axes
) -> str:
    rho = order(study, layer)
    direction = "rises" if rho > 0 else "falls"
    reading = "" if rho > 0 else ", as Amey et al. read their Fig. 3"
    return (
        f"In W_{layer} P^T{name}, the link frequency that feeds an output {direction} with its "
        f"{axes.outputs.name} (rank correlation {rho:+.2f}){reading}"
    )


def _needs_outputs(network: Network, layer: int) -> str:
    if network.n_out >= LEAST_POINTS:
        return ""
    return f"it needs at least {LEAST_POINTS} outputs, and this network has {network.n_out}"


def _needs_square(network: Network, layer: int) -> str:
    n_out, n_in = network.linear(layer).weight.shape
    if min(n_out, n_in) >= LEAST_POINTS:
        return ""
    return f"it needs at least {LEAST_POINTS} inputs and units, and layer {layer} has {n_in} and {n_out}"


FREQUENCY_MAP = Detector(
    name="frequency map",
    formula="rank correlation of an output's place with the mean input frequency of its row of the mean Jacobian",
    unit="",
    rotation_matters=False,
    places=whole,
    statistic=_frequency_map,
    tail="both",
    floor=0.6,
    margin=0.3,
    sentence=_frequency_map_sentence,
    part=_frequency_map_part,
    along=("inputs", "outputs"),
    scale="correlation",
    stand_in=WORLDS_OF_INPUTS,
    needs=_needs_outputs,
)
LINK_MAP = Detector(
    name="link frequency map",
    formula=(
        "excess over 1 of the exponent of input frequency against link frequency in P W_1, times the evidence "
        "for that ridge (nats per link frequency)"
    ),
    unit="",
    rotation_matters=True,
    places=first,
    statistic=_link_map,
    tail="upper",
    floor=0.2,
    margin=0.1,
    sentence=_link_map_sentence,
    part=_link_map_part,
    along=("inputs",),
    needs=_needs_square,
    link_modes=output_link,
)
LINK_ORDER = Detector(
    name="link order",
    formula="rank correlation of an output's place with the mean link frequency, above zero, of its row of W_n P^T",
    unit="",
    rotation_matters=True,
    places=last,
    statistic=_link_order,
    tail="both",
    floor=0.6,
    margin=0.3,
    sentence=partial(_order_sentence, _link_order, ""),
    along=("outputs",),
    scale="correlation",
    needs=_needs_outputs,
    excluded={NOISE.name: LATER_LAYER, COMPONENTS.name: LATER_LAYER},
    link_modes=input_link,
)
JOINT_ORDER = Detector(
    name="link order, joint",
    formula="the same with P from the signals and W_n together (the paper's recipe for its Fig. 3)",
    unit="",
    rotation_matters=True,
    places=last,
    statistic=_joint_order,
    tail="both",
    floor=0.6,
    margin=0.3,
    sentence=partial(_order_sentence, _joint_order, " (joint recipe)"),
    along=("outputs",),
    scale="correlation",
    needs=_needs_outputs,
    excluded={
        NOISE.name: LATER_LAYER,
        COMPONENTS.name: LATER_LAYER,
        WEIGHTS_ALONE.name: NO_INPUTS,
    },
    link_modes=_joint_link,
)
