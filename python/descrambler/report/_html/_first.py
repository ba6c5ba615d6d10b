"""The first screen, the inputs and the units, as a page shows them: sentences, and pictures as SVG."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..._util.validate import Array
from . import _svg as svg
from ._record import Record

TOP = 0.995
"""Part of the entries of a matrix that the colors tell apart; the few beyond saturate."""
STILL = 96
"""Rows and columns of the picture of a layer that shows without JavaScript."""
MOST_CARDS = 5

RESPONSE, JACOBIAN, MAP = "response", "jacobian", "map"
PICTURES = {
    "low-pass": RESPONSE,
    "band-pass": RESPONSE,
    "notch at zero": RESPONSE,
    "frequency map": MAP,
    "low rank": "singular",
}
"""Which picture shows a claim about the network; for the others it is the mean Jacobian, or the layer."""


def cards(record: Record) -> list[dict[str, Any]]:
    """Return the pictures of the first screen, each with the sentences that it shows, in their order.

    The response and the mean Jacobian come last where no sentence is about them.
    """
    by_picture: dict[str, list[dict[str, str]]] = {}
    for claim in record.text["first"]["told"]:
        by_picture.setdefault(_picture_of(claim), []).append(claim)
    names = list(by_picture)[:MOST_CARDS]
    names += [name for name in (RESPONSE, JACOBIAN) if name not in by_picture]
    made = [_card(record, name, by_picture.get(name, [])) for name in names]
    return [card for card in made if card is not None]


def _picture_of(claim: dict[str, str]) -> str:
    layer = claim["where"].removeprefix("layer ")
    known = PICTURES.get(claim["what"])
    if claim["where"] == "network":
        return known or JACOBIAN
    return f"singular {layer}" if known == "singular" else f"layer {layer}"


def _card(record: Record, name: str, told: list[dict[str, str]]) -> dict[str, Any] | None:
    kind, _, layer = name.partition(" ")
    draw = {RESPONSE: _response, JACOBIAN: _jacobian, MAP: _map}.get(kind)
    if draw is not None:
        made = draw(record)
    else:
        made = (_singular if kind == "singular" else _layer)(record, int(layer))
    if made is None:
        return None
    pictures, caption = made
    return {"name": name.replace(" ", "_"), "told": told, "pictures": pictures, "caption": caption}


Made = tuple[list[str], str] | None


def _response(record: Record) -> Made:
    n, first = record.numbers, record.text["first"]
    if "response.frequency" not in n:
        return None
    frequency, trained = n["response.frequency"], n["response.trained_db"]
    x = svg.frequency_scale(frequency, trained, first["frequency"])
    y = svg.Scale(max(-60.0, min(-20.0, float(trained.min()))), 1.0, "response / peak (dB)")
    marks = []
    if "response.null_low_db" in n:
        low, high = n["response.null_low_db"], n["response.null_high_db"]
        marks.append(svg.band(x, y, frequency, low, high))
    marks.append(svg.line(x, y, frequency, trained, "trained"))
    picture = svg.chart(x, y, marks, "Response of the network to frequencies of its inputs")
    null = f"; grey: {first['null']}, the range of some draws" if first["null"] else ""
    return [picture], f"Which frequencies of the inputs pass. Line: this network{null}."


def _jacobian(record: Record) -> Made:
    first = record.text["first"]
    names = [k for k in ("first/jacobian", "first/jacobian_null") if k in record.pictures]
    values = [unpacked(record, name) for name in names]
    limit = float(np.quantile(np.abs(values[0]), TOP)) or 1.0
    x, y = (svg.Scale(low, high, label) for label, low, high in (first["inputs"], first["outputs"]))
    titles = ("Mean Jacobian of this network", f"Mean Jacobian beside it: {first['null']}")
    made = [
        svg.chart(x, y, [svg.image(v, limit)], title)
        for v, title in zip(values, titles, strict=False)
    ]
    second = _second(record) if len(made) > 1 else ""
    return made, f"Which input moves which output: blue down, orange up (mean Jacobian). {second}"


def _second(record: Record) -> str:
    other = record.text["networks"][1]
    return f"Second picture: the same for '{other['name']}' (its weights: {other['weights']}). "


def _map(record: Record) -> Made:
    n, first = record.numbers, record.text["first"]
    if "map.frequency" not in n:
        return None
    frequency, output = n["map.frequency"], n["map.output"]
    x = svg.Scale(0.0, float(frequency.max()) * 1.05 or 1.0, first["frequency"])
    y = svg.Scale(first["outputs"][1], first["outputs"][2], first["outputs"][0])
    picture = svg.chart(
        x, y, [svg.dots(x, y, frequency, output, "trained")], "Frequency of each output"
    )
    return [picture], "The frequency of the inputs that moves each output most."


def _singular(record: Record, layer: int) -> Made:
    values = record.numbers[f"layer{layer}.singular_values"]
    share = np.maximum(values / (float(values.max()) or 1.0), 1e-6)
    number = np.arange(1.0, len(share) + 1)
    x = svg.Scale(0, len(share) + 1, "number")
    y = svg.Scale(float(share.min()) / 1.3, 1.3, f"singular value of W{layer} / largest", True)
    picture = svg.chart(
        x, y, [svg.dots(x, y, number, share, "trained")], f"Singular values, layer {layer}"
    )
    return [picture], f"How many directions layer {layer} uses: its singular values."


def _layer(record: Record, layer: int) -> Made:
    return (
        layer_stills(record, layer),
        f"Layer {layer} after the rotation. {_second(record)}The rotation makes the waves: what the second picture also shows is not a finding.",
    )


def layer_stills(record: Record, layer: int) -> list[str]:
    """Return small pictures of a layer's descrambled weights and of the first counterpart's."""
    text = next(part for part in record.text["layers"] if part["number"] == layer)
    sides = record.text["sides"][f"0/{layer}"]
    stride = record.text["stride"]
    keys = [f"{place}/{layer}/descrambled" for place in (0, 1)]
    names = ["this network", *(other["name"] for other in record.text["networks"][1:2])]
    made = []
    for key, who in zip(keys, names, strict=False):
        if key not in record.pictures:
            continue
        values = unpacked(record, key)
        n_out, n_in = values.shape
        x, y = (
            svg.Scale(
                axis["start"] - axis["step"] / 2,
                axis["start"] + axis["step"] * (n * stride - 0.5),
                axis["label"],
            )
            for axis, n in ((text["inputs"], n_in), (text["outputs"], n_out))
        )
        steps = [-(-n // STILL) for n in values.shape]
        small = svg.image(values[:: steps[0], :: steps[1]], sides["limit"])
        made.append(svg.chart(x, y, [small], f"Layer {layer}, descrambled: {who}"))
    return made


def unpacked(record: Record, key: str) -> Array:
    """Return a picture as numbers."""
    packed = record.pictures[key]
    values: Array = packed.integers * np.float64(packed.scale)
    return values


def examples(record: Record) -> list[dict[str, Any]]:
    """Return the examples of inputs, each with its row number and curve."""
    rows = record.numbers["inputs.examples"]
    numbers = record.text["about"]["examples"]
    return [{"row": k, "curve": svg.spark(row)} for k, row in zip(numbers, rows, strict=True)]


def unit_tables(record: Record) -> list[dict[str, Any]]:
    """Return, by layer, a row for each unit: its strength, peak frequency, curves, strongest inputs."""
    tables = []
    for part in record.text["units"]:
        rows: list[dict[str, Any]] = []
        if part["shown"]:
            gradients = record.numbers[f"layer{part['layer']}.gradients"].astype(float)
            rows = _unit_rows(record, gradients, part["strongest"])
        tables.append(part | {"rows": rows})
    return tables


def _unit_rows(
    record: Record, gradients: Array, strongest: list[list[int]]
) -> list[dict[str, Any]]:
    spectra = np.abs(np.fft.rfft(gradients - gradients.mean(axis=1, keepdims=True)))
    size = np.sqrt(np.mean(gradients**2, axis=1))
    largest = float(size.max()) or 1.0
    axis = record.text["layers"][0]["inputs"]
    step = axis["frequency_step"]
    # The part of the axis in which nearly all units have their signal.
    power = np.cumsum((spectra**2).sum(axis=0))
    end = max(int(np.searchsorted(power, 0.99 * power[-1])) + 2, 8) if power[-1] > 0 else 8
    return [
        {
            "number": k + 1,
            "size": f"{size[k] / largest:.3f}",
            "peak": f"{np.argmax(spectra[k]) * step:.3g}" if spectra[k].any() else "–",
            "share": f"{_concentration(spectra[k]):.2f}",
            "curve": svg.spark(gradients[k]),
            "spectrum": svg.spark(spectra[k, :end]),
            "strongest": ", ".join(map(str, strongest[k])),
        }
        for k in range(len(gradients))
    ]


def _concentration(spectrum: Array) -> float:
    """Share of the energy in the three frequencies around the peak."""
    energy = spectrum**2
    peak = int(np.argmax(energy))
    return float(energy[max(peak - 1, 0) : peak + 2].sum() / (energy.sum() or 1.0))
