"""Bruker BES3T pairs: a header of keys, and numbers in binary beside it."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._util.files import open_regular, read_bytes
from .._util.validate import choice
from ._text_traces import UNITS, Vector, scale

_MAX_POINTS = 1_000_000
# Headers hold the program of the spectrometer, too: a few hundred kilobytes.
_MAX_HEADER = 2**24
_FORMATS = {"D": "f8", "F": "f4", "I": "i4", "S": "i2", "C": "i1"}


class _Header:
    """Keys and values of a .DSC file, each with its file in what is wrong with it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._values: dict[str, str] = {}
        for line in read_bytes(path, _MAX_HEADER).decode("latin-1").splitlines():
            # A tab; blanks in headers that were written by hand.
            key, *value = line.strip().split(None, 1)[:2] or [""]
            self._values.setdefault(key, "".join(value).strip().strip("'").strip())

    def text(self, key: str, default: str | None = None) -> str:
        if key not in self._values and default is None:
            raise ValueError(f"{self._path}, {key}: missing")
        return self._values.get(key, default or "")

    def number(self, key: str) -> float:
        text = self.text(key)
        try:
            value = float(text)
        except ValueError as error:
            raise ValueError(f"{self._path}, {key}: {error}") from error
        if not math.isfinite(value):
            raise ValueError(f"{self._path}, {key}: must be finite, got {value}")
        return value

    def choice(self, key: str, allowed: tuple[str, ...]) -> str:
        first = self.text(key).split(",")[0].strip()
        return choice(f"{self._path}, {key}", first, allowed)

    def points(self) -> int:
        points = self.number("XPTS")
        if points != int(points) or not 8 <= points <= _MAX_POINTS:
            raise ValueError(
                f"{self._path}, XPTS: must be between 8 and {_MAX_POINTS}, got {points:g}"
            )
        for axis in "YZ":
            typed = self.text(f"{axis}TYP", "NODATA") != "NODATA"
            if typed and self.number(f"{axis}PTS") != 1:
                raise ValueError(f"{self._path}, {axis}PTS: must be 1, the trace of one experiment")
        return int(points)


def read_pair(path: Path, unit: str) -> tuple[Path, Vector, NDArray[Any]]:
    """Return the data file, the times in microseconds and the signal; `unit` where the header has none.

    Raises
    ------
    ValueError
        If header and data do not fit together, or are not those of one trace.
    OSError
        If one of them cannot be opened.
    """
    header_path, data_path = (_beside(path, suffix) for suffix in (".DSC", ".DTA"))
    header = _Header(header_path)
    points = header.points()
    order = {"BIG": ">", "LIT": "<"}[header.choice("BSEQ", ("BIG", "LIT"))]
    form = _FORMATS[header.choice("IRFMT", tuple(_FORMATS))]
    complex_ = header.choice("IKKF", ("CPLX", "REAL")) == "CPLX"
    if header.text("XTYP") == "IGD":
        raise ValueError(
            f"{header_path}, XTYP: IGD, sampled at times of its own (.XGF); networks take traces "
            "of equal steps, XTYP IDX"
        )
    header.choice("XTYP", ("IDX",))
    values = _numbers(data_path, points * (2 if complex_ else 1), order + form)
    start, width = header.number("XMIN"), header.number("XWID")
    time = np.linspace(start, start + width, points)
    named = header.text("XUNI", "ns")
    if named:
        time = time * UNITS[choice(f"{header_path}, XUNI", named, tuple(UNITS))]
    else:
        try:
            time = time * scale(time, unit)
        except ValueError as error:
            raise ValueError(f"{header_path}, XUNI: no unit, and {error}") from error
    return data_path, time, values[::2] + 1j * values[1::2] if complex_ else values


def _numbers(path: Path, count: int, dtype: str) -> Vector:
    """Return the numbers of a file, whose size is checked before it is read."""
    expected = count * np.dtype(dtype).itemsize
    with open_regular(path) as stream:
        found = os.fstat(stream.fileno()).st_size
        if found != expected:
            raise ValueError(
                f"{path} must have {expected} bytes for the {count} numbers of its header, "
                f"found {found}"
            )
        content = stream.read(expected)
    return np.frombuffer(content, dtype, count).astype(np.float64)


def _beside(path: Path, suffix: str) -> Path:
    """Return the file of a pair; the suffix of the other has the case of the given one."""
    names = [path.with_suffix(s) for s in (suffix, suffix.lower())]
    there = [name for name in names if name.exists()]
    if not there:
        raise FileNotFoundError(
            f"{names[0]} is missing: a Bruker trace is a pair of a .DSC and a .DTA file"
        )
    return there[0]
