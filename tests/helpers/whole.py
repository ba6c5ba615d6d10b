"""Whether the files that a command left are whole, and hold what they should."""

from __future__ import annotations

import csv
import json
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import matplotlib.image
import numpy as np

# Times, and dates.
VARYING = {"seconds", "provenance", "states", "initial.provenance"}


def damaged(folder: Path, *, killed: bool = False) -> str:
    """Say which file is not whole; "" if all are. What is killed may leave hidden files."""
    for path in sorted(folder.rglob("*")):
        if path.is_dir() or (killed and path.suffix == ".part"):
            continue
        try:
            check = CHECKS[path.suffix]
            check(path)
        except Exception as error:
            return f"{path.name}: {error!r}"
    return ""


def different(folder: Path, reference: Path, *, some: bool = False) -> str:
    """Say which arrays are not those of the reference; "" if all are. Of a part, if `some`."""
    for path in sorted(reference.rglob("*.npz")):
        found = folder / path.relative_to(reference)
        if some and not found.exists():
            continue
        if not found.exists():
            return f"{path.name} is not there"
        with np.load(path) as one, np.load(found) as other:
            if one.keys() != other.keys():
                return f"{path.name} holds {sorted(other)}"
            for key in set(one) - VARYING:
                if not np.array_equal(one[key], other[key], equal_nan=one[key].dtype.kind == "f"):
                    return f"{path.name}: another {key}"
    return ""


def _arrays(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
    with np.load(path) as arrays:
        assert "schema" in arrays
        for name in arrays:
            _ = arrays[name]


def _table(path: Path) -> None:
    text = path.read_text()
    rows = list(csv.reader(text.splitlines()))
    # The log of a training grows by lines; its last may be cut where the disk is full.
    if not path.with_suffix(".npz").exists() and path.name != "bench.csv":
        rows = rows[:-1]
    else:
        assert text.endswith("\n")
    assert all(len(row) == len(rows[0]) for row in rows)


def _page(path: Path) -> None:
    assert path.read_text().rstrip().endswith("</html>")


def _text(path: Path) -> None:
    assert path.read_text().endswith("\n")


CHECKS = {
    ".npz": _arrays,
    ".checkpoint": _arrays,
    ".csv": _table,
    ".json": lambda path: json.loads(path.read_text()),
    ".png": matplotlib.image.imread,
    ".svg": ElementTree.parse,
    ".html": _page,
    ".md": _text,
}
