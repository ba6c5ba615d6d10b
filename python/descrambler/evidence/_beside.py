"""Controls as what is drawn beside a network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..network._network import Network
from ._study import Study
from ._verdicts import label
from .nulls import Null, Setting


def as_null(kind: str, networks: Sequence[Network]) -> Null:
    """Return a kind of controls as a kind to draw from: every draw is one of its networks."""

    def draw(setting: Setting, rng: np.random.Generator) -> Study:
        return Study(networks[int(rng.integers(len(networks)))], setting.inputs)

    weights = (
        f"one of {len(networks)} control networks, trained as this one was, but on shuffled targets"
    )
    return Null(label(kind), weights, "the same", "what training on any targets produces", draw)
