"""Several saved interpretations on one page: verdicts side by side, their differences and counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..._util.validate import require_extra
from ...evidence._verdicts import ORDER, kind_of
from . import _svg as svg
from ._first import TOP, unpacked
from ._record import Record
from ._render import mark, own, short

CURVES = ("trained", "second", "third", "fourth")
"""Kinds of curves: more networks than these are counted, not drawn."""


def compare_page(records: Sequence[Record], names: Sequence[str]) -> str:
    """Return a page that holds interpretations side by side.

    For two, it shows the differences of values, responses and mean Jacobians; for more, the number of
    networks by verdict. It needs no JavaScript.

    Parameters
    ----------
    records : sequence of Record
        At least two.
    names : sequence of str
        Their names on the page.

    Raises
    ------
    MissingExtraError
        Without Jinja2, the extra "report".
    ValueError
        If there are fewer than two, or not as many names.
    """
    if len(records) < 2:
        raise ValueError(f"records must hold at least two interpretations, got {len(records)}")
    if len(names) != len(records):
        raise ValueError(f"names must be {len(records)}, one for each record, got {len(names)}")
    jinja2 = require_extra("jinja2", "report", "a report")
    safe = jinja2.utils.markupsafe.Markup
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    rows = _rows(records)
    return str(
        environment.from_string(own("compare.html")).render(
            style=safe(own("page.css")),
            names=list(names),
            descriptions=[record.text["first"]["description"] for record in records],
            rows=rows,
            differing=[row for row in rows if row["differs"]],
            kinds=ORDER,
            pictures=[part | {"svg": safe(part["svg"])} for part in _pictures(records, names)],
        )
    )


def _rows(records: Sequence[Record]) -> list[dict[str, Any]]:
    """Return a row for each claim that any of them has."""
    by_claim = [{(f["what"], f["where"]): f for f in record.text["findings"]} for record in records]
    claims = dict.fromkeys(claim for found in by_claim for claim in found)
    return [
        _row(what, where, [found.get((what, where)) for found in by_claim])
        for what, where in claims
    ]


def _row(what: str, where: str, found: list[dict[str, Any] | None]) -> dict[str, Any]:
    cells = [_cell(finding) for finding in found]
    kinds = [cell["verdict"] and kind_of(cell["verdict"]) for cell in cells]
    values = [finding["value"] if finding else None for finding in found]
    known = [float(value) for value in values if value is not None]
    unit = next((f" {finding['unit']}" for finding in found if finding and finding["unit"]), "")
    difference = f"{known[1] - known[0]:+.3g}{unit}" if len(found) == len(known) == 2 else ""
    counts = [kinds.count(kind) for kind in ORDER]
    return {
        "what": what,
        "where": where,
        "cells": cells,
        "difference": difference,
        "counts": [f"{count} of {len(found)}" if count else "" for count in counts],
        "differs": len(set(kinds)) > 1,
    }


def _cell(finding: dict[str, Any] | None) -> dict[str, str]:
    if finding is None:
        return {"verdict": "", "kind": "untestable", "symbol": "", "value": "not measured"}
    kind, symbol = mark(str(finding["verdict"]))
    unit = f" {finding['unit']}" if finding["unit"] and finding["value"] is not None else ""
    return {
        "verdict": str(finding["verdict"]),
        "kind": kind,
        "symbol": symbol,
        "value": short(finding["value"]) + unit,
    }


def _pictures(records: Sequence[Record], names: Sequence[str]) -> list[dict[str, str]]:
    made = _responses(records, names)
    jacobians = [unpacked(record, "first/jacobian") for record in records]
    if len({values.shape for values in jacobians}) > 1 or len(records) > len(CURVES):
        return made
    titles = [*names]
    if len(records) == 2:
        jacobians.append(jacobians[1] - jacobians[0])
        titles.append(f"{names[1]} minus {names[0]}")
    limit = float(np.quantile(np.abs(jacobians[0]), TOP)) or 1.0
    first = records[0].text["first"]
    x, y = (svg.Scale(low, high, label) for label, low, high in (first["inputs"], first["outputs"]))
    for values, title in zip(jacobians, titles, strict=True):
        picture = svg.chart(x, y, [svg.image(values, limit)], f"Mean Jacobian: {title}")
        made.append({"svg": picture, "caption": f"Mean Jacobian, in units of its r.m.s.: {title}"})
    return made


def _responses(records: Sequence[Record], names: Sequence[str]) -> list[dict[str, str]]:
    """Return the responses in one picture, where their axes are the same."""
    none = np.empty(0)
    axes = [record.numbers.get("response.frequency", none) for record in records]
    frequency = axes[0]
    same = all(axis.size and np.array_equal(axis, frequency) for axis in axes)
    if len(records) > len(CURVES) or not same:
        return []
    levels = [record.numbers["response.trained_db"] for record in records]
    x = svg.frequency_scale(frequency, levels[0], records[0].text["first"]["frequency"])
    y = svg.Scale(max(-60.0, min(-20.0, float(np.min(levels)))), 1.0, "response / peak (dB)")
    curves = [
        svg.line(x, y, frequency, level, kind) for level, kind in zip(levels, CURVES, strict=False)
    ]
    picture = svg.chart(x, y, curves, "Responses of the networks")
    dashes = ("full", "dashed", "dotted", "dash-dotted")
    told = ", ".join(f"{dash}: {name}" for dash, name in zip(dashes, names, strict=False))
    return [{"svg": picture, "caption": f"Which frequencies of the inputs pass. {told}."}]
