"""Whether a network does the task: its outputs beside the true targets, permuted ones, and the outputs of controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .._util.validate import Array, own_unit
from ..network._network import Network
from ._verdicts import LEVEL, REQUIRED, label

N_PERMUTED = 199
"""Permutations of the targets that the outputs are compared with."""


def doubt_about(
    network: Network,
    inputs: Array,
    targets: Array,
    controls: Mapping[str, Sequence[Network]],
    rng: np.random.Generator,
) -> str:
    """Return why a network does not seem to do the task; empty if it does.

    Its mean squared error must be below that on permuted targets, and below that of the controls on shuffled
    targets: a smooth function of the inputs goes along with the targets in half of all cases, whatever it is.
    """
    outputs = network(inputs)
    if permutation_p(outputs, targets, rng) > LEVEL:
        return "the outputs are no closer to the targets than to permuted ones"
    own = _error(outputs, targets)
    for kind in REQUIRED:
        others = controls.get(kind, ())
        closer = sum(_error(other(inputs), targets) <= own for other in others)
        if closer and (1 + closer) / (1 + len(others)) > LEVEL:
            return (
                f"the outputs are no closer to the targets than those of controls ({label(kind)})"
            )
    return ""


def permutation_p(outputs: Array, targets: Array, rng: np.random.Generator) -> float:
    """Return p of the mean squared error among those with the rows of the targets permuted; ties count.

    The squares of both are the same for all permutations: only the sum of the products differs.
    """
    y = own_unit(targets - targets.mean(axis=0, dtype=np.float64))[0]
    f, exponent = own_unit(outputs.astype(np.float64))
    # Outputs that do not vary but for rounding go with nothing.
    rounding = np.finfo(outputs.dtype).eps * np.linalg.norm(f) * np.linalg.norm(y)
    f = f - f.mean(axis=0)
    least = np.vdot(f, y) - rounding
    closer = sum(np.vdot(f, y[rng.permutation(len(y))]) >= least for _ in range(N_PERMUTED))
    return float(1 + closer) / (1 + N_PERMUTED)


def _error(outputs: Array, targets: Array) -> float:
    return float(np.mean(np.square(outputs - targets, dtype=np.float64)))
