"""What a detector is: a number, what it must beat, and the sentence it ends in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from ..._util.tables import brief
from ...axis import Axis
from ...network._network import Network
from .._study import Study
from ..nulls import COMPONENTS, HAAR, KINDS, NOISE, RANDOM, UNTRAINED, WEIGHTS_ALONE, WHITE, Null

Tail = Literal["upper", "lower"]


class Axes(NamedTuple):
    """What the network's inputs and outputs are."""

    inputs: Axis
    outputs: Axis


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
        Of the value; empty for a pure number.
    rotation_matters : bool
        Whether the value depends on P.
    places : callable
        From a network to the layers it can be measured on; 0 is the network as a whole.
    statistic : callable
        From a :class:`~descrambler.study.Study` and a layer to the value, NaN where there is none.
    tail : {"upper", "lower"}
        Which side of the nulls counts.
    floor : float
        What the value must reach for the feature to be there at all.
    margin : float
        How far it must be from the mean of every null.
    sentence : callable
        From study, layer and axes to the plain sentence.
    excluded : mapping of str to str
        Null kinds that do not apply, and why.
    missing : str
        Why there may be no value.
    along : tuple of str
        The axes on whose order it rests: "inputs", "outputs".
    """

    name: str
    formula: str
    unit: str
    rotation_matters: bool
    places: Callable[[Network], tuple[int, ...]]
    statistic: Callable[[Study, int], float]
    tail: Tail
    floor: float
    margin: float
    sentence: Callable[[Study, int, Axes], str]
    excluded: Mapping[str, str] = field(default_factory=dict)
    missing: str = "it has no value here"
    along: tuple[Literal["inputs", "outputs"], ...] = ()

    @property
    def sign(self) -> int:
        """+1 where large values count, -1 where small ones do."""
        return 1 if self.tail == "upper" else -1

    def barred_by(self, axes: Axes) -> str:
        """Return why the axes leave nothing to measure, empty where they do not."""
        unordered = [name for name in self.along if not getattr(axes, name).ordered]
        return f"it rests on the order of the {unordered[0]}, which have none" if unordered else ""

    def reason_against(self, null: Null) -> str:
        """Return why a null does not apply, empty where it does."""
        if null.name in self.excluded:
            return self.excluded[null.name]
        if not self.rotation_matters and null in _MADE_BY_ROTATION:
            return NO_ROTATION
        return ""

    @property
    def nulls(self) -> tuple[Null, ...]:
        """The kinds that apply."""
        return tuple(null for null in KINDS if not self.reason_against(null))


_MADE_BY_ROTATION = (NOISE, COMPONENTS, WHITE, WEIGHTS_ALONE)

NO_ROTATION = (
    "P plays no part in the value, and this null asks what P and the inputs make by themselves"
)
SAME_VALUES = "leaves the singular values, and so the value, as they are"
LATER_LAYER = "changes the first layer alone: random weights for this one"
TAUTOLOGY = "weights smooth by themselves give the greatest value whatever they are, and have no part in P here"


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
    "HAAR",
    "LATER_LAYER",
    "NO_ROTATION",
    "RANDOM",
    "SAME_VALUES",
    "TAUTOLOGY",
    "UNTRAINED",
    "Axes",
    "Detector",
]
