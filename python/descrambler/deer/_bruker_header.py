"""Headers of Bruker BES3T files (.DSC): keys, values, and the delays of the pulse program."""

from __future__ import annotations

import math
import re
from pathlib import Path

from .._util.files import read_bytes
from .._util.validate import choice

_MAX_POINTS = 1_000_000
_MAX_SLICES = 10_000
# Headers hold the program of the spectrometer, too: a few hundred kilobytes.
_MAX_HEADER = 2**24
_DELAY = re.compile(r"\s*(d\d{1,2})\s*=\s*(\d+)\s*(?:;.*)?(?:\\n)?\\?\s*$")


class Header:
    """Keys and values of a .DSC file; every error names the file and the key."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._values: dict[str, str] = {}
        self.delays: dict[str, float] = {}
        for line in read_bytes(path, _MAX_HEADER).decode("latin-1").splitlines():
            # Tabs separate keys from values; headers from other programs may have blanks.
            key, *value = line.strip().split(None, 1)[:2] or [""]
            text = "".join(value).strip().strip("'\"").strip()
            self._values.setdefault(key, text)
            # The first definition counts: later ones change it while the program runs.
            if (delay := _DELAY.match(line)) is not None:
                self.delays.setdefault(delay[1], float(delay[2]) / 1000)

    def text(self, key: str, default: str | None = None) -> str:
        """Return a value; an error if it is missing and there is no default."""
        if key not in self._values and default is None:
            raise ValueError(f"{self.path}, {key}: missing")
        return self._values.get(key, default or "")

    def number(self, key: str) -> float:
        """Return a finite number."""
        text = self.text(key)
        try:
            value = float(text)
        except ValueError as error:
            raise ValueError(f"{self.path}, {key}: {error}") from error
        if not math.isfinite(value):
            raise ValueError(f"{self.path}, {key}: must be finite, got {value}")
        return value

    def choice(self, key: str, allowed: tuple[str, ...], default: str | None = None) -> str:
        """Return one of the allowed words, which may be written in lower case."""
        first = self.text(key, default).split(",")[0].strip().strip("'").upper()
        return choice(f"{self.path}, {key}", first, allowed)

    def points(self) -> int:
        """Return the number of times."""
        return self._count("XPTS", 8, _MAX_POINTS)

    def slices(self) -> int:
        """Return the number of traces in the file."""
        if self._extent("Z") != 1:
            raise ValueError(
                f"{self.path}, ZPTS: must be 1, got {self.text('ZPTS')}: files of three dimensions "
                "are not read"
            )
        return self._extent("Y")

    def _extent(self, axis: str) -> int:
        if self.text(f"{axis}TYP", "NODATA").upper() in ("NODATA", ""):
            return 1
        return self._count(f"{axis}PTS", 1, _MAX_SLICES)

    def _count(self, key: str, least: int, most: int) -> int:
        count = self.number(key)
        if count != int(count) or not least <= count <= most:
            raise ValueError(
                f"{self.path}, {key}: must be between {least} and {most}, got {count:g}"
            )
        return int(count)
