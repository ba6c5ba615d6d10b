"""What a page says of networks, layers and findings, as JSON values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...axis import Axis, index_axis
from ...evidence._findings import ordered
from ...evidence.detectors import DETECTORS
from ...network._layers import Linear
from ...network._network import Network

if TYPE_CHECKING:
    from ...evidence._interpretation import Interpretation


def network_record(interpretation: Interpretation, place: int) -> dict[str, str]:
    """Return what is said of the trained network (place 0) or of a counterpart."""
    if place == 0:
        return {"name": "trained", "weights": "", "inputs": "", "purpose": ""}
    kind = interpretation.counterparts[place - 1]
    return {name: getattr(kind, name) for name in ("name", "weights", "inputs", "purpose")}


def chain(network: Network) -> list[dict[str, Any]]:
    """Return the linear layers with what follows each of them."""
    parts: list[dict[str, Any]] = []
    for layer in network.layers:
        if isinstance(layer, Linear):
            bias = layer.bias is not None
            size = {"n_in": layer.n_in, "n_out": layer.n_out, "bias": bias}
            parts.append({"number": len(parts) + 1, **size, "after": []})
        elif parts:
            parts[-1]["after"].append(getattr(layer, "name", type(layer).__name__.lower()))
    return parts


def layer_record(interpretation: Interpretation, layer: int) -> dict[str, Any]:
    """Return the size and the axes of a layer."""
    network, axes = interpretation.study.network, interpretation.axes
    n_out, n_in = network.linear(layer).weight.shape
    last = layer == network.n_linear
    return {
        "number": layer,
        "n_out": n_out,
        "n_in": n_in,
        "outputs": _axis_record(axes.outputs if last else None, n_out),
        "inputs": _axis_record(axes.inputs if layer == 1 else None, n_in),
    }


def _axis_record(axis: Axis | None, n: int) -> dict[str, Any]:
    link = axis is None
    axis = axis or index_axis("link", n)
    frequency_step = 1.0 if link else 1 / (n * axis.step(n)) if n > 1 else 1.0
    frequency = axis.frequency_label if axis.ordered else f"Fourier index; {axis.name}: no order"
    return {
        "link": link,
        "label": "link coordinate" if link else axis.label,
        "start": axis.start,
        "step": axis.step(n),
        "frequency": "link frequency k (modes 2k-1, 2k)" if link else frequency,
        "frequency_step": frequency_step,
    }


PAGES = {"kernel match": "docs/deernet.md", "nuisance rejection": "docs/what-now.md"}
"""Pages of the documentation on a claim; the others are all on one."""


def claims(interpretation: Interpretation) -> list[dict[str, str]]:
    """Return, for each name in the table, what is measured, and where the documentation has it."""
    names = dict.fromkeys(finding.what for finding in interpretation.findings)
    formulas = {detector.name: detector.formula for detector in DETECTORS}
    return [
        {
            "name": name,
            "anchor": anchor(name),
            "formula": formulas.get(
                name, "Directions or a map of your own, compared with the mean Jacobian"
            ),
            "page": PAGES.get(name, "docs/nulls.md"),
        }
        for name in names
    ]


def anchor(name: str) -> str:
    """Return a name as the target of a link."""
    return "".join(c if c.isalnum() else "-" for c in name)


def findings(interpretation: Interpretation) -> list[dict[str, Any]]:
    """Return the findings in the order of the table."""
    from ...evidence._verdicts import label, p_text

    rows = []
    for finding in ordered(interpretation.findings):
        names = (
            *(
                "what",
                "where",
                "unit",
                "rotation_matters",
                "strongest",
                "verdict",
                "sentence",
                "statement",
            ),
            *("p_text", "n_draws", "used"),
        )
        row = {name: getattr(finding, name) for name in names}
        numbers = (
            "value",
            "uncertainty",
            "stability",
            "threshold",
            "margin",
            "detectable",
            "effect",
            "p",
            "p_floor",
        )
        row |= {name: _finite(getattr(finding, name)) for name in numbers}
        named = {**finding.nulls, **{label(k): c for k, c in finding.controls.items()}}
        row["nulls"] = [
            {"name": name, "n": c.n, "p_text": p_text(c.p, c.p_floor)}
            | {k: _finite(getattr(c, k)) for k in ("mean", "sd", "effect", "p")}
            for name, c in named.items()
        ]
        rows.append(row)
    return rows


def _finite(value: float) -> float | str | None:
    """JSON has no NaN and no infinity."""
    if np.isnan(value):
        return None
    return float(value) if np.isfinite(value) else str(value)
