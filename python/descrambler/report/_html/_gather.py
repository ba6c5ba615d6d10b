"""What the first screen and the table of units show: responses, Jacobians, inputs, units."""

from __future__ import annotations

import datetime
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..._util.validate import Array
from ...analysis import aggregate_response, frequencies, mean_jacobian, output_frequencies
from ...evidence._checks import distinct_rows
from ...evidence._study import Study
from ...evidence._telling import absent, description, headline, told
from ...evidence._verdicts import ORDER, kind_of
from ...network._layers import Linear
from ...network._network import Network
from .._layout import rms
from ._packing import Packed, pack

if TYPE_CHECKING:
    from ...evidence._interpretation import Interpretation

N_DRAWS = 5
"""Draws of a null whose responses are shown."""
LARGEST = 200
"""Rows and columns of a picture of the first screen."""
MOST_UNITS = 300
"""Units of a layer that are shown one by one."""
N_EXAMPLES, N_STRONGEST, N_ROWS = 3, 3, 400
COST = 1_000_000_000
"""Multiplications that the gradients of the units of a deep network may take."""


def first_screen(
    result: Interpretation,
) -> tuple[dict[str, Any], dict[str, Packed], dict[str, NDArray[Any]]]:
    """Return text, pictures and numbers of the first screen."""
    null = result.counterparts[0] if result.counterparts else None
    study = result.measured
    jacobian = study.jacobian / rms(study.jacobian)
    stride = [-(-n // LARGEST) for n in jacobian.shape]
    pictures = {"first/jacobian": _packed(jacobian, stride)}
    numbers: dict[str, NDArray[Any]] = {}
    # The Jacobian of a deep network costs products for each input.
    count = N_DRAWS if study.network.n_linear < 3 else 2
    draws = [] if null is None else [result.draw(null, number) for number in range(count)]
    if draws:
        other = draws[0].jacobian
        pictures["first/jacobian_null"] = _packed(other / rms(other), stride)
    inputs, outputs = result.axes
    n_out, n_in = jacobian.shape
    if inputs.ordered and n_in > 1:
        numbers["response.frequency"] = frequencies(n_in) / (n_in * inputs.step(n_in))
        numbers["response.trained_db"] = _level(study)
        if draws:
            levels = np.stack([_level(draw) for draw in draws])
            numbers["response.null_low_db"] = levels.min(axis=0)
            numbers["response.null_high_db"] = levels.max(axis=0)
        cycles, places = output_frequencies(study.jacobian)
        numbers["map.frequency"] = cycles / (2 * n_in * inputs.step(n_in))
        numbers["map.output"] = outputs.start + places * outputs.step(n_out)
    text = {
        "description": description(result),
        "headline": headline(result),
        "absent": absent(result),
        "told": _told(result),
        "null": "" if null is None else null.name,
        "frequency": inputs.frequency_label,
        "inputs": _ends(inputs.label, inputs.edges(n_in)),
        "outputs": _ends(outputs.label, outputs.edges(n_out)),
    }
    return text, pictures, numbers


def _packed(jacobian: Array, stride: list[int]) -> Packed:
    return pack(jacobian[:: stride[0], :: stride[1]])


def _ends(label: str, edges: tuple[float, float]) -> list[Any]:
    return [label, *map(float, edges)]


def _level(study: Study) -> Array:
    response = aggregate_response(study.jacobian)
    level: Array = 20 * np.log10(np.maximum(response / (response.max() or 1.0), 1e-6))
    return level


def _told(result: Interpretation) -> list[dict[str, str]]:
    """Return the claims that are there: learnt, present, explained."""
    there = [f for f in result.findings if kind_of(f.verdict) in ORDER[:3]]
    return [
        {"what": f.what, "where": f.where, "verdict": f.verdict, "sentence": told(f)}
        for f in sorted(there, key=lambda f: ORDER.index(kind_of(f.verdict)))
    ]


def about(result: Interpretation) -> tuple[dict[str, Any], NDArray[Any]]:
    """Return what the inputs are, and examples of them."""
    x = result.study.inputs
    assert x is not None
    rows = np.unique(np.linspace(0, len(x) - 1, N_EXAMPLES).astype(int))
    text = {
        "count": len(x),
        "distinct": distinct_rows(x),
        "columns": x.shape[1],
        "least": float(x.min()),
        "largest": float(x.max()),
        "examples": [int(row) + 1 for row in rows],
        "error": result.prediction_error,
    }
    return text, x[rows]


def occasion() -> list[tuple[str, str]]:
    """Return the day, and the command if there was one."""
    day = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    program = Path(sys.argv[0]) if sys.argv and sys.argv[0] else Path()
    ours = program.name == "descrambler" or program.parts[-2:] == ("descrambler", "__main__.py")
    command = [("command", shlex.join(["descrambler", *sys.argv[1:]]))] if ours else []
    return [("date", day), *command]


def units(result: Interpretation) -> tuple[list[dict[str, Any]], dict[str, NDArray[Any]]]:
    """Return, by layer, what each unit responds to, and to which inputs most.

    The gradient of a unit is the mean over inputs of its derivative by the inputs, before its activation.
    """
    study = result.study
    assert study.inputs is not None
    step = -(-len(study.inputs) // _rows(study.network))
    some = study.inputs[::step]
    texts: list[dict[str, Any]] = []
    numbers: dict[str, NDArray[Any]] = {}
    for layer in range(1, study.network.n_linear + 1):
        n = len(study.raw(layer))
        if n > MOST_UNITS:
            texts.append({"layer": layer, "n": n, "shown": False, "strongest": []})
            continue
        part = study.network if layer == study.network.n_linear else _up_to(study.network, layer)
        gradients = (
            study.raw(1) if layer == 1 < study.network.n_linear else mean_jacobian(part, some)
        )
        signals = part(some)
        order = np.argsort(-signals, axis=0)[:N_STRONGEST].T * step + 1
        texts.append({"layer": layer, "n": n, "shown": True, "strongest": order.tolist()})
        numbers[f"layer{layer}.gradients"] = gradients.astype(np.float32)
    return texts, numbers


def _rows(network: Network) -> int:
    """Return over how many inputs gradients are averaged: fewer in deep networks, where each costs products."""
    widths = [linear.n_out for linear in network.linears]
    deep = sum(a * b for a, b in zip(widths[:-2], widths[1:-1], strict=True)) * widths[-1]
    return int(np.clip(COST // max(deep, 1), 20, N_ROWS))


def _up_to(network: Network, layer: int) -> Network:
    """Return the network up to linear layer k, without what follows it."""
    number = 0
    for place, part in enumerate(network.layers):
        number += isinstance(part, Linear)
        if number == layer:
            return Network(network.layers[: place + 1])
    raise ValueError(f"layer must be at most {number}, got {layer}")
