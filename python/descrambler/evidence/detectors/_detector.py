"""A detector: a value, the threshold and the nulls it must exceed, and the sentence that reports it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
import scipy  # its submodules load at first use
from numpy.typing import NDArray

from ..._solvers.result import Descrambling
from ..._util.tables import brief
from ..._util.validate import Array
from ...axis import Axis
from ...network._network import Network
from .._study import Study
from ..nulls import (
    COMPONENTS,
    HAAR,
    KINDS,
    NOISE,
    RANDOM,
    SMOOTH,
    UNTRAINED,
    WEIGHTS_ALONE,
    WHITE,
    Null,
)
from ._parts import Part, no_part

Tail = Literal["upper", "lower", "both"]
Scale = Literal["plain", "correlation", "share"]
# Correlations and shares this near to their ends, and decibels beyond this, are not told apart.
EDGE, MOST = 1e-12, 300.0


class Axes(NamedTuple):
    """Axes of the network's inputs and outputs."""

    inputs: Axis
    outputs: Axis


def no_link(study: Study, layer: int) -> tuple[Descrambling, ...]:
    """Return that a claim rests on no link modes."""
    return ()


def input_link(study: Study, layer: int) -> tuple[Descrambling, ...]:
    """Return the link dimension that a layer takes, if there is one before it."""
    return (study.links[layer - 2].after,) if layer > 1 else ()


def output_link(study: Study, layer: int) -> tuple[Descrambling, ...]:
    """Return the link dimension that a layer makes."""
    return (study.links[layer - 1].before,)


def nothing_needed(network: Network, layer: int) -> str:
    """Return that nothing is missing: a function, not a lambda, so that workers can import it."""
    return ""


@brief
@dataclass(frozen=True, eq=False)
class Detector:
    """One kind of finding.

    Attributes
    ----------
    name : str
    formula : str
        What is measured.
    unit : str
        Unit of the value; empty for a pure number.
    rotation_matters : bool
        Whether the value depends on P.
    places : callable
        From a network to the layers it can be measured on; 0 is the network as a whole.
    statistic : callable
        From a :class:`~descrambler.study.Study` and a layer to the value, NaN where there is none.
    tail : {"upper", "lower", "both"}
        Side of the null distribution that counts; "both": the absolute value is tested.
    floor : float or callable
        What the value must reach for the feature to count at all; a function of the network and the
        layer if it depends on their widths.
    margin : float
        Smallest distance from the mean of every null that counts.
    sentence : callable
        From study, layer and axes to the plain sentence.
    excluded : mapping of str to str
        Null kinds that do not apply, and why.
    missing : str
        Why there may be no value.
    along : tuple of str
        Axes whose order the value depends on: "inputs", "outputs".
    scale : {"plain", "correlation", "share"}
        The natural scale of the value: itself, Fisher's z (atanh), or the logit.
    stand_in : tuple of str
        Null kinds that are ignored if controls of both kinds are given: trained controls test the same
        explanation better.
    needs : callable
        From a network and a layer to the reason why there can be no value; empty if there can.
    floor_text : str
        Text of the floor in tables, if it is a function.
    part : callable
        From a study and a layer to the :class:`Part` that a finding describes; None if it cannot be
        removed.
    link_modes : callable
        From a study and a layer to the descrambled link dimensions that the value rests on.
    """

    name: str
    formula: str
    unit: str
    rotation_matters: bool
    places: Callable[[Network], tuple[int, ...]]
    statistic: Callable[[Study, int], float]
    tail: Tail
    floor: float | Callable[[Network, int], float]
    margin: float
    sentence: Callable[[Study, int, Axes], str]
    excluded: Mapping[str, str] = field(default_factory=dict)
    missing: str = "it has no value here"
    along: tuple[Literal["inputs", "outputs"], ...] = ()
    scale: Scale = "plain"
    stand_in: tuple[str, ...] = ()
    needs: Callable[[Network, int], str] = nothing_needed
    floor_text: str = ""
    part: Callable[[Study, int], Part | None] = no_part
    link_modes: Callable[[Study, int], tuple[Descrambling, ...]] = no_link

    @property
    def sign(self) -> int:
        """+1 where large values count, -1 where small ones do."""
        return -1 if self.tail == "lower" else 1

    def floor_at(self, network: Network, layer: int) -> float:
        """Return what the value must reach at a place."""
        return self.floor(network, layer) if callable(self.floor) else self.floor

    def size(self, values: Any) -> Any:
        """Values without their sign where both signs count."""
        return np.abs(values) if self.tail == "both" else values

    def reaches(self, value: float, floor: float) -> bool:
        """Whether a value counts; NaN does not."""
        return bool(self.reach(np.array([value]), floor)[0])

    def reach(self, values: Array, floor: float) -> NDArray[np.bool_]:
        """Which values count, entry by entry; NaN does not."""
        with np.errstate(invalid="ignore"):
            counted: NDArray[np.bool_] = self.sign * self.size(values) >= self.sign * floor
        return counted

    def strength(self, values: Array) -> Array:
        """Values on their natural scale, entry by entry: larger is more of the effect."""
        size = np.asarray(self.size(values), np.float64)
        if self.scale == "correlation":
            size = np.arctanh(np.clip(size, EDGE - 1, 1 - EDGE))
        elif self.scale == "share":
            size = scipy.special.logit(np.clip(size, EDGE, 1 - EDGE))
        strength: Array = self.sign * np.clip(size, -MOST, MOST)
        return strength

    def from_strength(self, strength: float) -> float:
        """Return the value of a strength."""
        size = self.sign * strength
        if self.scale == "correlation":
            return float(np.tanh(size))
        return float(scipy.special.expit(size)) if self.scale == "share" else float(size)

    def barred_by(self, axes: Axes) -> str:
        """Return why the value cannot be measured along these axes; empty if it can."""
        unordered = [name for name in self.along if not getattr(axes, name).ordered]
        return (
            f"it depends on the order of the {unordered[0]}, and the {unordered[0]} are unordered"
            if unordered
            else ""
        )

    def reason_against(self, null: Null) -> str:
        """Return why a null does not apply; empty if it does."""
        if null.name in self.excluded:
            return self.excluded[null.name]
        if not self.rotation_matters and null.name in _MADE_BY_ROTATION:
            return NO_ROTATION
        return ""

    @property
    def nulls(self) -> tuple[Null, ...]:
        """The kinds that apply."""
        return tuple(null for null in KINDS if not self.reason_against(null))


_MADE_BY_ROTATION = (WHITE.name, WEIGHTS_ALONE.name)
WORLDS_OF_INPUTS = (NOISE.name, COMPONENTS.name)
"""Nulls whose first weights are sums of inputs, as those of every trained network are, controls too."""

NO_ROTATION = "the value does not depend on P; this null only tests what P and the inputs produce"
SAME_VALUES = "this null keeps the singular values, and with them the value"
SAME_RESPONSE = (
    "this null nearly keeps each layer's response along its ordered axes, and with it the value"
)
LATER_LAYER = "this null changes only the first layer; here it equals 'random weights'"
NO_INPUTS = "this null has no signals to combine with the weights"
TAUTOLOGY = (
    "under this null each layer is smoothed by its own weights, so any weights reach the maximum"
)


def whole(network: Network) -> tuple[int, ...]:
    """Place of what is measured on the network as a whole."""
    return (0,)


def whole_and_first(network: Network) -> tuple[int, ...]:
    """Places of what is measured on whatever takes the network's inputs."""
    return (0, 1)


def first(network: Network) -> tuple[int, ...]:
    """Place of the first layer."""
    return (1,)


def last(network: Network) -> tuple[int, ...]:
    """Place of the last layer."""
    return (network.n_linear,)


def every(network: Network) -> tuple[int, ...]:
    """Places of all layers."""
    return tuple(range(1, network.n_linear + 1))


def later(network: Network) -> tuple[int, ...]:
    """Places of the layers that a link dimension precedes."""
    return tuple(range(2, network.n_linear + 1))


def inner(network: Network) -> tuple[int, ...]:
    """Places of the layers between two link dimensions."""
    return tuple(range(2, network.n_linear))


__all__ = [
    "COMPONENTS",
    "HAAR",
    "LATER_LAYER",
    "NOISE",
    "NO_INPUTS",
    "NO_ROTATION",
    "RANDOM",
    "SAME_RESPONSE",
    "SAME_VALUES",
    "SMOOTH",
    "TAUTOLOGY",
    "UNTRAINED",
    "WORLDS_OF_INPUTS",
    "Axes",
    "Detector",
]
