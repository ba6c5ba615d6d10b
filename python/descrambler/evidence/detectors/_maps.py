"""Maps: which input goes to which output, and in what order."""

from __future__ import annotations

import numpy as np
import scipy.fft
import scipy.stats

from ..._util.validate import Array
from ...analysis import FrequencyMap, frequency_map
from .._study import Study
from ..nulls import COMPONENTS, NOISE
from ._detector import LATER_LAYER, Axes, Detector, first, last, whole

# Outputs and link frequencies with less than this part of the largest energy are left out.
LEAST_ENERGY = 0.01
LEAST_POINTS = 8


def _centroids(energy: Array) -> tuple[Array, Array]:
    """Mean frequency of each row with energy, zero frequency apart, and which rows have it."""
    tone = energy[:, 1:]
    total = tone.sum(axis=1)
    kept = total > LEAST_ENERGY * total.max()
    frequency = np.arange(1.0, energy.shape[1])
    return tone[kept] @ frequency / total[kept], np.flatnonzero(kept).astype(np.float64)


def output_frequencies(study: Study) -> tuple[Array, Array]:
    """Input frequency (cosine number) that excites each output, and the outputs' numbers."""
    return _centroids(np.square(scipy.fft.dct(study.jacobian, axis=1, norm="ortho")))


def by_link_frequency(energy: Array) -> Array:
    """Sum the energies of the modes of each link frequency, rows 2k-1 and 2k: (n // 2 + 1, any)."""
    summed: Array = np.add.reduceat(energy, np.r_[0, np.arange(1, len(energy), 2)], axis=0)
    return summed


def _rank_correlation(x: Array, y: Array) -> float:
    if len(x) < LEAST_POINTS or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    ranks = np.corrcoef(scipy.stats.rankdata(x), scipy.stats.rankdata(y))
    return float(ranks[0, 1])


def _order(study: Study) -> float:
    return _rank_correlation(*output_frequencies(study))


def _frequency_map(study: Study, layer: int) -> float:
    return abs(_order(study))


def _frequency_map_sentence(study: Study, layer: int, axes: Axes) -> str:
    frequency, outputs = output_frequencies(study)
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
    energy = by_link_frequency(np.square(study.modes(study.network.n_linear).T)).T
    frequency, outputs = _centroids(energy)
    return _rank_correlation(frequency, outputs)


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
