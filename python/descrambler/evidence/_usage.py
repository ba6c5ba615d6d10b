"""The loss of a network without a feature, and without random parts of the same size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from .._util.validate import Array, matrix
from ..analysis import layer_loss
from ..analysis._ablation import Loss
from ._claims import Claim
from ._findings import Finding
from ._study import Study
from .detectors import Part

N_RANDOM = 10
"""Random removals that each removal is compared with."""
OUTPUTS = "outputs"


def target_rows(targets: ArrayLike | str | None, study: Study) -> Array | None:
    """Return targets as a matrix with a row for each input, None without any.

    The word "outputs" stands for the network's own outputs.

    Raises
    ------
    TypeError, ValueError
        If they are not a finite real matrix of shape (m, n_out).
    """
    if targets is None:
        return None
    assert study.inputs is not None
    if isinstance(targets, str):
        if targets != OUTPUTS:
            raise ValueError(f"targets must be an array or {OUTPUTS!r}, got {targets!r}")
        return study.network(study.inputs)
    rows = matrix("targets", targets)
    shape = len(study.inputs), study.network.n_out
    if rows.shape != shape:
        raise ValueError(f"targets must have shape {shape}, a row per input, got {rows.shape}")
    return rows


def relative_error(study: Study, targets: Array) -> float | None:
    """Return the mean squared error on all inputs, as a share of the targets' variance."""
    assert study.inputs is not None
    variance = float(np.mean(np.square(targets - targets.mean(axis=0), dtype=np.float64)))
    if variance == 0:
        return None
    error = np.square(study.network(study.inputs) - targets, dtype=np.float64)
    return float(np.mean(error)) / variance


def with_usage(
    study: Study,
    family: Sequence[Claim],
    findings: Sequence[Finding],
    targets: Array,
    rng: np.random.Generator,
) -> tuple[Finding, ...]:
    """Fill in `Finding.used` of every claim with a value whose feature can be removed."""
    variance = float(np.mean(np.square(targets - targets.mean(axis=0), dtype=np.float64)))
    losses = _Losses(study, targets)
    told = []
    for claim, finding in zip(family, findings, strict=True):
        part = claim.detector.part(study, claim.layer) if np.isfinite(finding.value) else None
        used = "" if part is None or variance == 0 else _told(losses, part, variance, rng)
        told.append(replace(finding, used=used))
    return tuple(told)


def _told(losses: _Losses, part: Part, variance: float, rng: np.random.Generator) -> str:
    """Losses in per cent of the targets' variance: with all, without the part, without random parts."""
    chance = [losses.without(part.layer, part.at_random(rng)) for _ in range(N_RANDOM)]
    values = [losses.without(part.layer, part.removed), losses.whole, *chance]
    without, full, *others = 100 * np.array(values) / variance
    change, random = without - full, np.array(others) - full
    # Adding zero takes the sign from a change that rounds to it.
    return f"{round(change, 1) + 0.0:+.1f} % of the variance (at random {random.mean():+.1f} ± {random.std():.1f} %)"


class _Losses:
    """Loss of a network without some of its parts; what does not depend on the part is computed once."""

    def __init__(self, study: Study, targets: Array) -> None:
        assert study.inputs is not None
        self._study, self._inputs, self._targets = study, study.inputs, targets
        self._of_layer: dict[int, Loss] = {}

    @cached_property
    def _outputs(self) -> Array:
        return self._study.network(self._inputs)

    @cached_property
    def _deviations(self) -> Array:
        deviations: Array = self._inputs - self._inputs.mean(axis=0)
        return deviations

    @cached_property
    def whole(self) -> float:
        """With every part."""
        return float(np.mean(np.square(self._outputs - self._targets, dtype=np.float64)))

    def without(self, layer: int, removed: Array) -> float:
        """Without a part: a layer's weights lose it, or the outputs a linear map of the inputs."""
        if layer == 0:
            left = self._outputs - self._deviations @ removed.T - self._targets
            return float(np.mean(np.square(left, dtype=np.float64)))
        if layer not in self._of_layer:
            self._of_layer[layer] = layer_loss(
                self._study.network, layer, self._inputs, self._targets
            )
        w: Array = self._study.raw(layer).astype(np.float64, copy=False)
        return self._of_layer[layer](w - removed)
