"""A record as one HTML file: the page, its script, the plotting library and the numbers."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from ..._util.tables import csv_cells
from ..._util.validate import require_extra
from .._colors import MAGNITUDE, signed
from ._describe import anchor
from ._first import cards, examples, layer_stills, unit_tables
from ._record import Record

LARGEST = 4_900_000
"""Bytes of a page beyond which the weights are left out of the numbers in it."""

SCRIPTS = ("plots.js", "layers.js", "page.js")

VERDICTS = {
    "learnt": ("learnt", "●", "beyond every null and every kind of trained controls"),
    "present": ("present", "◉", "beyond every null; controls are missing or of another recipe"),
    "explained": ("explained", "◐", "a null or a control shows as much"),
    "not found": ("missing", "○", "below its threshold"),
    "not testable": ("untestable", "–", "no value or no null that applies"),
}
"""Class, symbol and meaning of each verdict, by its first word or words."""


def page(record: Record) -> str:
    """Return the page.

    Everything in the record is escaped text. A content security policy allows only the two scripts, by
    their hashes, and no network.

    Raises
    ------
    MissingExtraError
        Without Jinja2 and Bokeh, the extra "report".
    """
    jinja2 = require_extra("jinja2", "report", "a report")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(own("page.html"))
    scripts = [_library(), "\n".join(map(own, SCRIPTS))]
    safe = jinja2.utils.markupsafe.Markup
    heavy = (".raw", ".descrambled", ".gradients")
    small = {k: v for k, v in record.numbers.items() if not k.endswith(heavy)}
    context: dict[str, Any] = {
        "title": record.text["title"],
        "policy": _policy(scripts),
        "style": safe(own("page.css")),
        "scripts": [safe(script) for script in scripts],
        "text": record.text | {"chain": _drawn(record.text["chain"])},
        "findings": [_row(finding) for finding in record.text["findings"]],
        "cards": [_marked(card, safe) for card in cards(record)],
        "examples": [e | {"curve": safe(e["curve"])} for e in examples(record)],
        "units": [_safe_units(table, safe) for table in unit_tables(record)],
        "stills": {
            layer["number"]: [safe(picture) for picture in layer_stills(record, layer["number"])]
            for layer in record.text["layers"]
        },
        "legend": [
            {"kind": kind, "symbol": symbol, "word": word, "meaning": meaning}
            for word, (kind, symbol, meaning) in VERDICTS.items()
        ],
        "content": jinja2.utils.htmlsafe_json_dumps(_content(record)),
        "findings_csv": base64.b64encode(_findings_csv(record).encode()).decode(),
    }

    def rendered(numbers: dict[str, Any]) -> str:
        whole = numbers is not small
        return str(template.render(context | {"numbers_npz": _npz(numbers), "whole": whole}))

    # Compression seldom makes up for base64: weights that fill the page by themselves are not tried.
    if sum(array.nbytes for array in record.numbers.values()) <= LARGEST:
        whole = rendered(record.numbers)
        if len(whole.encode()) <= LARGEST:
            return whole
    return rendered(small)


def _marked(card: dict[str, Any], safe: Any) -> dict[str, Any]:
    """Return a card with its verdicts as the table shows them, its pictures as SVG."""
    told = [
        claim | dict(zip(("kind", "symbol"), mark(claim["verdict"]), strict=True))
        for claim in card["told"]
    ]
    return card | {"told": told, "pictures": [safe(picture) for picture in card["pictures"]]}


def mark(verdict: str) -> tuple[str, str]:
    """Return the class and the symbol of a verdict."""
    kind, symbol, _ = VERDICTS.get(verdict.split(" by ")[0], VERDICTS["not testable"])
    return kind, symbol


def _safe_units(table: dict[str, Any], safe: Any) -> dict[str, Any]:
    rows = [
        row | {name: safe(row[name]) for name in ("curve", "spectrum")} for row in table["rows"]
    ]
    return table | {"rows": rows}


def own(name: str) -> str:
    """Return a file of this folder."""
    return resources.files(__package__).joinpath(name).read_text("utf-8")


def _library() -> str:
    """BokehJS with its plotting interface, as one script."""
    bokeh = require_extra("bokeh", "report", "a report")
    folder = Path(bokeh.__file__).parent / "server" / "static" / "js"
    parts = [(folder / name).read_text("utf-8") for name in ("bokeh.min.js", "bokeh-api.min.js")]
    library = "\n".join(parts)
    if "</script" in library.lower():
        raise RuntimeError("this version of BokehJS cannot be put into a page as it is")
    return library


def _policy(scripts: list[str]) -> str:
    hashes = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts]
    allowed = " ".join(f"'sha256-{value}'" for value in hashes)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        "img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'"
    )


def _content(record: Record) -> dict[str, Any]:
    """Return what the script of the page needs."""
    import matplotlib

    names = ("stride", "networks", "layers", "sides")
    return {name: record.text[name] for name in names} | {
        "palettes": {
            "signed": _palette(signed()),
            "magnitude": _palette(matplotlib.colormaps[MAGNITUDE]),
        },
        "pictures": {
            key: picture.record()
            for key, picture in record.pictures.items()
            if not key.startswith("first/")
        },
    }


def _palette(colors: Any) -> list[str]:
    rgb = np.rint(255 * colors(np.linspace(0, 1, 256))[:, :3]).astype(int)
    return [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in rgb]


def _drawn(chain: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add outlines to the layers: sides as long as the layer is wide, on a square-root scale.

    None shorter than the lettering in it.
    """
    largest = max(max(link["n_in"], link["n_out"]) for link in chain)

    def outline(link: dict[str, Any]) -> str:
        left, right = (max(38 * (link[side] / largest) ** 0.5, 14) for side in ("n_in", "n_out"))
        corners = (2, 42 - left), (74, 42 - right), (74, 42 + right), (2, 42 + left)
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)

    return [link | {"shape": outline(link)} for link in chain]


def _row(finding: dict[str, Any]) -> dict[str, Any]:
    """One finding as the table shows it."""
    word = str(finding["verdict"])
    kind, symbol = mark(word)
    where = str(finding["where"])
    nulls = [
        {"name": null["name"], "n": null["n"], "p": null["p_text"]}
        | {k: short(null[k]) for k in ("mean", "sd", "effect")}
        for null in finding["nulls"]
    ]
    strongest = [
        f"{null['name']} {null['mean']} ± {null['sd']}"
        for null in nulls
        if null["name"] == finding["strongest"]
    ]
    known = finding["unit"] and finding["value"] is not None
    sure = f" ± {float(finding['uncertainty']):.2g}" if finding.get("uncertainty") else ""
    unit = f" {finding['unit']}" if known else ""
    return finding | {
        "kind": kind,
        "symbol": symbol,
        "word": word,
        "layer": where.removeprefix("layer ") if where.startswith("layer ") else "",
        "value": short(finding["value"]) + sure + unit,
        "effect": short(finding["effect"]),
        "p": _p(finding),
        "anchor": anchor(str(finding["what"])),
        "threshold": short(finding["threshold"]) + unit,
        "detectable": short(finding["detectable"]),
        "nulls": nulls,
        "strongest": strongest[0] if strongest else "–",
    }


def _p(finding: dict[str, Any]) -> str:
    """Return p as text; the smallest p that so many draws can give is marked as such."""
    text = str(finding["p_text"])
    if not text.startswith("<="):
        return text
    return f"≤{text.removeprefix('<=')} (smallest possible with {finding['n_draws']} draws)"


def short(value: float | str | None) -> str:
    """Return a value as tables show it."""
    if value is None:
        return "–"
    number = float(value)
    return f"{number:.0f}" if 999.5 <= abs(number) < 1e6 else f"{number:.3g}"


def _findings_csv(record: Record) -> str:
    """Return the findings with one row for each null kind."""
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    names = (
        *("verdict", "what", "where", "value", "unit", "rotation_matters", "threshold", "margin"),
        *("detectable", "strongest", "effect", "p", "p_floor", "n_draws", "used"),
        *("uncertainty", "stability"),
    )
    parts = ("name", "n", "mean", "sd", "effect", "p")
    table.writerow([*names, *(f"null {part}" for part in parts), "sentence"])
    for finding in record.text["findings"]:
        for null in finding["nulls"] or [dict.fromkeys(parts)]:
            row = [*(finding.get(n) for n in names), *(null[p] for p in parts), finding["sentence"]]
            table.writerow(csv_cells(row))
    return stream.getvalue()


def _npz(numbers: dict[str, Any]) -> str:
    stream = io.BytesIO()
    np.savez_compressed(stream, **numbers)
    return base64.b64encode(stream.getvalue()).decode()
