"""Answers that take a second, before any null is drawn."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .._util.threads import computes
from .._util.validate import Array
from ..analysis import frequencies, notch_depth, participation_ratio, pass_band, upper_band_level
from ..evidence import Study
from ..evidence.detectors import Axes
from ..network._network import Network

N_INPUTS, MOST_DIRECTIONS = 500, 1000


def first_answers(network: Network, x: Array, axes: Axes) -> Iterator[str]:
    """Yield lines: the layers, how many directions each uses, and the response to frequencies."""
    yield str(network)
    used = [_used(linear.weight) for linear in network.linears]
    yield f"directions used by the layers (participation ratio): {', '.join(used)}"
    if axes.inputs.ordered and network.n_in > 2:
        yield _response(Study(network, x[:: -(-len(x) // N_INPUTS)]), axes)
    yield "These are values; null networks are drawn now, for the verdicts."


@computes
def _used(weights: Array) -> str:
    if min(weights.shape) > MOST_DIRECTIONS:
        return "not counted in a large layer"
    values = np.linalg.svd(weights.astype(np.float64), compute_uv=False)
    return f"{participation_ratio(values):.1f} of {len(values)}"


def _response(study: Study, axes: Axes) -> str:
    axis, n = axes.inputs, study.network.n_in
    response = study.response(0)
    frequency = frequencies(n) / (n * axis.step(n))
    if not response.any():
        return "response: the outputs do not depend on the inputs"
    band = pass_band(frequency, response)
    return (
        f"response of the network (mean Jacobian) along {axis.frequency_label}: within 3 dB of its peak from "
        f"{band.low:.3g} to {band.high:.3g}; at zero {notch_depth(response):.1f} dB, upper half of the axis "
        f"{upper_band_level(response):.1f} dB"
    )
