"""Traces in text: columns of time and signal, read as meant or refused with the line."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .._util.text import decoded, number, numbered_lines

Vector = NDArray[np.float64]
Column = int | str

UNITS = {"ns": 1e-3, "us": 1.0, "µs": 1.0, "\N{GREEK SMALL LETTER MU}s": 1.0, "ms": 1e3, "s": 1e6}
"""Microseconds in each unit of time."""

SHORTEST, LONGEST = 0.05, 50.0
"""Microseconds that a trace of unknown unit may last: as nanoseconds there is no other such number."""

_COMMENTS = ("#", "%", "//", ";", "!", "*", "'", '"', "$")
_UNIT = re.compile(r"(?:^|[\s/(\[_,;])(ns|us|µs|\u03bcs|ms|s)(?:$|[\s)\],;])")
_IMAGINARY = re.compile(r"\b(im|imag|imaginary|quadrature)\b|^im", re.IGNORECASE)
_OTHER = re.compile(r"ba?c?kg|background|fit|err|std|sigma|model|form|resid|noise", re.IGNORECASE)
# An imaginary part that the phase mixes with the signal has the shape of the real part, and noise of
# about the same size.
_LEAST_CORRELATION, _NOISE_RATIO, _LEAST_POINTS = 0.5, 4.0, 16


def read_columns(
    content: bytes, columns: Sequence[Column] | None, unit: str
) -> tuple[Vector, NDArray[np.float64 | np.complex128]]:
    """Return the time in microseconds, and the signal.

    Raises
    ------
    ValueError
        If a line is damaged, or what the columns mean cannot be told: the message says what to name.
    """
    titles, lines = _split(decoded(content))
    table = _table(lines)
    names = _titles(titles, table.shape[1])
    if columns is None:
        _check_meaning(table, names, unit)
        chosen = list(range(table.shape[1]))
    else:
        chosen = [_position(column, names, table.shape[1]) for column in columns]
    time = table[:, chosen[0]]
    title = names[chosen[0]] if names else ""
    signal = (
        table[:, chosen[1]] if len(chosen) == 2 else table[:, chosen[1]] + 1j * table[:, chosen[2]]
    )
    return time * scale(time, unit, title), signal


def read_table(content: bytes) -> Vector:
    """Return all columns of a text file, whatever they mean.

    Raises
    ------
    ValueError
        If a line is damaged.
    """
    return _table(_split(decoded(content))[1])


def scale(time: Vector, unit: str, title: str = "") -> float:
    """Return the microseconds in the unit of a time axis: named, in its title, or by its length."""
    if unit != "auto":
        return UNITS[unit]
    length = float(np.abs(time).max())
    found = _UNIT.search(title.lower())
    if found is not None:
        factor = UNITS[found[1]]
        if not SHORTEST <= factor * length <= 10 * LONGEST:
            raise ValueError(
                f"its times reach {length:g} {found[1]}, the unit in its title, which is no time of a "
                "trace: name the unit (unit=, --unit)"
            )
        return factor
    if SHORTEST <= length < LONGEST:
        return UNITS["us"]
    if LONGEST <= length <= LONGEST * 1e3:
        return UNITS["ns"]
    raise ValueError(
        f"its times reach {length:g}: neither microseconds nor nanoseconds of a trace, which lasts "
        f"{SHORTEST} to {LONGEST:g} us. Name the unit: unit= or --unit, one of s, ms, us, ns"
    )


def _split(text: str) -> tuple[list[str], list[tuple[int, list[str], bool]]]:
    """Return the titles above, and of each line of numbers its cells and whether commas are decimal."""
    titles: list[str] = []
    rows: list[tuple[int, list[str], bool]] = []
    above: list[tuple[int, list[str], bool]] = []
    for line, content in numbered_lines(text):
        comment = content.startswith(_COMMENTS) and not _begins_with_number(content)
        words, comma = _cells(content.lstrip("".join(_COMMENTS)) if comment else content)
        values = [number(word, comma) for word in words]
        if not comment and (rows or _begins_with_number(content)):
            rows.append((line, words, comma))
        else:
            above.append((line, words, comma))
            titles.append(content)
        if comment and len(values) > 1 and None not in values:
            raise ValueError(
                f"line {line} is a point behind {content[0]!r}: remove the sign, or the line"
            )
    if not rows:
        raise ValueError("it holds no lines of numbers: time and signal, two or three columns")
    # A point whose time is damaged is no title.
    for line, words, comma in above:
        known = [number(word, comma) for word in words]
        if len(words) == len(rows[0][1]) and sum(v is not None for v in known) * 2 >= len(words):
            raise ValueError(f"line {line}: {words[known.index(None)]!r} is no number")
    return titles, rows


def _begins_with_number(content: str) -> bool:
    return re.match(r"[+\N{MINUS SIGN}-]?\.?\d", content) is not None


def _cells(content: str) -> tuple[list[str], bool]:
    """Return the cells of a line, and whether commas are decimal signs in them."""
    for separator in ("\t", ";"):
        if separator in content:
            return [cell.strip().strip('"') for cell in content.split(separator)], True
    words = content.split()
    commas = [word for word in words if "," in word.rstrip(",")]
    if len(words) > 1 and commas and not any("," in (word[0], word[-1]) for word in words):
        return words, True
    if "," in content:
        return [cell.strip().strip('"') for cell in content.split(",")], False
    return words, False


def _table(lines: Sequence[tuple[int, list[str], bool]]) -> Vector:
    first, width = lines[0][0], len(lines[0][1])
    points = commas = False
    rows = []
    for line, words, comma in lines:
        if len(words) != width:
            raise ValueError(f"line {line} has {len(words)} columns, line {first} has {width}")
        values = []
        for column, word in enumerate(words, 1):
            value = number(word, comma)
            if value is None:
                raise ValueError(f"line {line}, column {column}: {_reason(word)}")
            values.append(value)
        text = "".join(words)
        points, commas = points or "." in text, commas or (comma and "," in text)
        if points and commas:
            raise ValueError(f"line {line}: decimal commas and decimal points are mixed")
        rows.append(values)
    if width < 2:
        raise ValueError("it must hold two or three columns, time and signal; found one")
    return np.array(rows)


def _reason(word: str) -> str:
    if word.lower() in ("nan", "inf", "-inf", "+inf", "infinity"):
        return f"{word!r} is not finite: remove the point"
    if "," in word and "." in word:
        return f"{word!r} has a comma and a point: write the number without groups of digits"
    return f"{word!r} is no number"


def _titles(lines: Sequence[str], width: int) -> list[str]:
    """Return the titles of the columns, where a line above has as many words or cells."""
    for line in reversed(lines):
        bare = line.lstrip("".join(_COMMENTS))
        for parts in (_cells(bare)[0], bare.split(","), bare.split()):
            if len(parts) == width:
                return [part.strip().strip('"') for part in parts]
    return []


def _position(column: Column, names: Sequence[str], width: int) -> int:
    if isinstance(column, str) and column.isdigit() and column not in names:
        column = int(column)
    if isinstance(column, str):
        if column not in names:
            known = ", ".join(map(repr, names)) or "no titles"
            raise ValueError(
                f"columns must be its titles or numbers from 1, got {column!r}: {known}"
            )
        return list(names).index(column)
    if not 1 <= column <= width:
        raise ValueError(
            f"columns must be from 1 to {width}, the columns of the file, got {column}"
        )
    return column - 1


_NAME = "name the columns of time, real and, perhaps, imaginary part: columns= or --columns"


def _check_meaning(table: Vector, names: Sequence[str], unit: str) -> None:
    """Refuse columns whose meaning cannot be told."""
    first, width = table[:, 0], table.shape[1]
    if width > 3:
        raise ValueError(f"it has {width} columns: {_NAME}")
    counts = any(np.array_equal(first, np.arange(len(first)) + start) for start in (0, 1))
    if (counts or (names and not names[0])) and (width == 3 or unit == "auto"):
        raise ValueError(
            f"its first column counts the points: an index (pandas: index=False), or times? {_NAME}, "
            "and their unit"
        )
    if width < 3 or (names and _IMAGINARY.search(names[2])):
        return
    other = bool(names) and _OTHER.search(names[2]) is not None
    if other or not _may_be_imaginary(table[:, 1], table[:, 2]):
        raise ValueError(
            "its third column is no imaginary part as far as one can tell: it is called so, or stays "
            f"away from zero, as a background, a fit or an error. {_NAME}"
        )


def _may_be_imaginary(real: Vector, third: Vector) -> bool:
    """Whether a column scatters about zero; or has the shape of the real part, and noise of its own."""
    if not third.any() or np.count_nonzero(np.diff(np.signbit(third))) > 1:
        return True
    if np.ptp(third) == 0 or np.ptp(real) == 0 or len(real) < _LEAST_POINTS:
        return False
    # Third differences: the noise, and hardly anything of the signal.
    rough = [np.diff(column, 3) for column in (real, third)]
    noise = [float(np.std(column)) for column in rough]
    if not all(noise) or not 1 / _NOISE_RATIO <= noise[1] / noise[0] <= _NOISE_RATIO:
        return False
    own = abs(float(np.corrcoef(rough[0], rough[1])[0, 1])) < _LEAST_CORRELATION
    return own and abs(float(np.corrcoef(real, third)[0, 1])) >= _LEAST_CORRELATION
