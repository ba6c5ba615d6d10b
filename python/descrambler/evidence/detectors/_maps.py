"""Maps: which input goes to which output, and in what order."""

from __future__ import annotations

import numpy as np

from ...analysis import (
    FrequencyMap,
    frequency_map,
    frequency_order,
    mode_order,
    output_frequencies,
)
from .._study import Study
from ..nulls import COMPONENTS, NOISE
from ._detector import LATER_LAYER, Axes, Detector, first, last, whole

LEAST_POINTS = 8


def _order(study: Study) -> float:
    return frequency_order(study.jacobian)


def _frequency_map(study: Study, layer: int) -> float:
    return abs(_order(study))


def _frequency_map_sentence(study: Study, layer: int, axes: Axes) -> str:
    frequency, outputs = output_frequencies(study.jacobian)
    direction = "rises" if _order(study) > 0 else "falls"
    position = axes.outputs.start + outputs * axes.outputs.step(study.network.n_out)
    power = ""
    if (position > 0).all():
        slope = np.polyfit(np.log(position), np.log(frequency), 1)[0]
        power = f", as its power {slope:.2f}"
    return (
        f"The {axes.inputs.frequency_name} that excites an output {direction} with its {axes.outputs.name}"
        f"{power} (rank correlation {_order(study):+.2f}, mean Jacobian)"
    )


def link_map(study: Study) -> FrequencyMap | None:
    """Ridge of input frequency against link frequency in P W_1, None for widths below eight."""
    w = study.weights(1)
    return frequency_map(w) if min(w.shape) >= LEAST_POINTS else None


def _link_map(study: Study, layer: int) -> float:
    found = link_map(study)
    return float("nan") if found is None else found.evidence * max(found.exponent - 1, 0.0)


def _link_map_sentence(study: Study, layer: int, axes: Axes) -> str:
    found = link_map(study)
    assert found is not None
    return (
        f"In P W_1, the strongest {axes.inputs.frequency_name} goes as the power {found.exponent:.2f} ± {found.error:.2f} "
        f"of link frequency (evidence for a ridge: {found.evidence:.2f} nats a link frequency)"
    )


def _link_order_signed(study: Study) -> float:
    return mode_order(study.weights(study.network.n_linear))


def _link_order(study: Study, layer: int) -> float:
    return abs(_link_order_signed(study))


def _link_order_sentence(study: Study, layer: int, axes: Axes) -> str:
    rho = _link_order_signed(study)
    direction = "rises" if rho > 0 else "falls"
    return (
        f"In W_{layer} P^T, the link frequency that feeds an output {direction} with its "
        f"{axes.outputs.name} (rank correlation {rho:+.2f})"
    )


FREQUENCY_MAP = Detector(
    name="frequency map",
    formula="rank correlation, without sign, of an output's place with the mean input frequency of its row of the mean Jacobian",
    unit="",
    rotation_matters=False,
    places=whole,
    statistic=_frequency_map,
    tail="upper",
    floor=0.6,
    margin=0.3,
    sentence=_frequency_map_sentence,
    along=("inputs", "outputs"),
)
LINK_MAP = Detector(
    name="link frequency map",
    formula=(
        "excess over 1 of the exponent of input frequency against link frequency in P W_1, times the evidence "
        "for that ridge (nats a link frequency)"
    ),
    unit="",
    rotation_matters=True,
    places=first,
    statistic=_link_map,
    tail="upper",
    floor=0.2,
    margin=0.1,
    sentence=_link_map_sentence,
    along=("inputs",),
)
LINK_ORDER = Detector(
    name="link order",
    formula="rank correlation, without sign, of an output's place with the mean link frequency of its row of W_n P^T",
    unit="",
    rotation_matters=True,
    places=last,
    statistic=_link_order,
    tail="upper",
    floor=0.6,
    margin=0.3,
    sentence=_link_order_sentence,
    along=("outputs",),
    excluded={NOISE.name: LATER_LAYER, COMPONENTS.name: LATER_LAYER},
)
