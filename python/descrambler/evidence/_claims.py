"""Claims: every detector at every place of a network, and their values on a study."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .._util.validate import Array
from ..network._network import Network
from ._significance import Mask
from ._study import Study
from .detectors import Axes, Detector
from .nulls import Null


class Claim(NamedTuple):
    """A detector at one place of a network: layer k, or 0 for the network as a whole.

    `barred` is the reason why it cannot be measured there (empty: it can); `floor` is the threshold there.
    """

    detector: Detector
    layer: int
    floor: float
    barred: str = ""

    @property
    def where(self) -> str:
        """Name of the place."""
        return f"layer {self.layer}" if self.layer else "network"


def claims(
    network: Network, detectors: Sequence[Detector], axes: Axes, n_distinct: int
) -> tuple[Claim, ...]:
    """Return every detector at every place of the network that it applies to.

    `n_distinct` is the number of distinct inputs: a claim that depends on P needs as many as units.
    """

    def claim(detector: Detector, layer: int) -> Claim:
        floor = detector.floor_at(network, layer)
        barred = detector.barred_by(axes) or detector.needs(network, layer)
        if not barred and detector.rotation_matters:
            needed = max(_link_widths(network, layer))
            if n_distinct < needed:
                barred = (
                    f"it depends on P and needs at least {needed} distinct inputs, one per unit, "
                    f"but there are {n_distinct}"
                )
        return Claim(detector, layer, floor, barred)

    return tuple(claim(d, layer) for d in detectors for layer in d.places(network))


def _link_widths(network: Network, layer: int) -> list[int]:
    """Units of the link dimensions on the sides of a layer."""
    n_out, n_in = network.linear(layer).weight.shape
    return ([n_in] if layer > 1 else []) + ([n_out] if layer < network.n_linear else [])


def widest_link(network: Network) -> int:
    """Units of the widest link dimension: so many inputs a claim that depends on P needs."""
    return max(network.linear(k).n_out for k in range(1, network.n_linear))


def flaw(study: Study, claim: Claim) -> str:
    """Return why a claim has no value for this network and these inputs; empty if it has one."""
    if claim.layer == 0:
        if study.inputs is not None and not study.jacobian.any():
            return "the outputs do not depend on the inputs: the mean Jacobian is zero (saturated or dead units)"
        return ""
    if not study.raw(claim.layer).any():
        return f"all weights of layer {claim.layer} are zero"
    if claim.detector.rotation_matters and study.inputs is not None:
        for link in study.links_of(claim.layer):
            if (link, int(link < claim.layer)) in study.silent:
                return (
                    f"the units of layer {link} give the same signals for all inputs (saturated, "
                    "dead or without weights)"
                )
    return ""


def with_flaws(study: Study, family: Sequence[Claim]) -> tuple[Claim, ...]:
    """Bar the claims that have no value on the network that is judged."""
    return tuple(
        claim if claim.barred else replace_barred(claim, flaw(study, claim)) for claim in family
    )


def replace_barred(claim: Claim, reason: str) -> Claim:
    """Return the claim, barred for a reason."""
    return claim._replace(barred=reason) if reason else claim


def measure(study: Study, family: Sequence[Claim], null: Null | None = None) -> Array:
    """Return the values of the claims, shape (d,); NaN if there is none or the null does not apply."""
    values = np.full(len(family), np.nan)
    for index, claim in enumerate(family):
        if claim.barred or (null is not None and claim.detector.reason_against(null)):
            continue
        if not flaw(study, claim):
            values[index] = claim.detector.statistic(study, claim.layer)
    return values


def reached(family: Sequence[Claim], values: Array) -> Mask:
    """Return which values, shape (n, d), reach the threshold of their claim; NaN does not."""
    columns = [c.detector.reach(values[:, j], c.floor) for j, c in enumerate(family)]
    return np.stack(columns, axis=1) if columns else np.zeros(values.shape, bool)


def strengths(family: Sequence[Claim], values: Array) -> Array:
    """Return values, shape (n, d), on the natural scale of their detectors: larger is a stronger effect."""
    columns = [c.detector.strength(values[:, j]) for j, c in enumerate(family)]
    return np.stack(columns, axis=1) if columns else values
