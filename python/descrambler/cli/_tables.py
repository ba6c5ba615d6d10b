"""Tables of numbers between commas: every line is a sample, or the file is refused."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence

import numpy as np

from .._util.text import MISSING, decoded, number, numbered_lines
from .._util.validate import Array

COMMENT = "#"
# So many steps of one size, or in one direction, are hardly a sample.
LEAST_STEPS, LEAST_ORDER = 4, 8
# Signs that commas between digits are decimal commas: 0,053 and 1,5, 2,5.
_LEADING_ZERO = re.compile(r"(?:^|,)[ \t]*[+-]?(0\d+)[ \t]*(?=,|$)")
_PAIRS = re.compile(r"\s*[+-]?\d+,\d+(,[ \t]+[+-]?\d+,\d+)+\s*")


def read_table(content: bytes) -> Array:
    """Return the numbers of a table, after at most one line of titles.

    A line is one of titles only if no cell of it is a number or stands for one that is missing.

    Raises
    ------
    ValueError
        If a line holds anything but numbers, or the first line or column may be titles or an index:
        the message names the line, and says how to write it.
    """
    lines = _without_comments(list(numbered_lines(decoded(content))))
    if not lines:
        raise ValueError("it holds no lines of numbers")
    first = _cells(*lines[0])
    _check_counts(first)
    titles = first if _is_title(first) else None
    body = lines if titles is None else lines[1:]
    if not body:
        raise ValueError("it holds titles alone and no lines of numbers")
    table = _table(body)
    _check_commas(body)
    _check_titles(table, titles)
    _check_index(table, titles)
    return table


def _without_comments(lines: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Leave out comments before the first line, and the sign before a line of titles."""
    start = 0
    while start < len(lines) and lines[start][1].startswith(COMMENT):
        line, text = lines[start]
        if any(number(cell) is not None for cell in _cells(line, text.lstrip("# "))):
            _refuse_comment(line)
        start += 1
    for line, text in lines[start:]:
        if text.startswith(COMMENT):
            _refuse_comment(line)
    return lines[start:]


def _refuse_comment(line: int) -> None:
    raise ValueError(
        f"line {line} begins with {COMMENT}: remove the sign if it is a sample, else the line"
    )


def _table(lines: Sequence[tuple[int, str]]) -> Array:
    """Return the numbers of all lines: fast where all is plain, else cell by cell."""
    texts = [text for _, text in lines]
    try:
        table = np.loadtxt(texts, delimiter=",", comments=None, ndmin=2)
    except ValueError:
        table = np.array([np.nan])
    if np.isfinite(table).all():
        return table
    width = len(_cells(*lines[0]))
    return np.array([_numbers(line, _cells(line, text), width) for line, text in lines])


def _cells(line: int, text: str) -> list[str]:
    try:
        (row,) = csv.reader([text], skipinitialspace=True, strict=True)
    except csv.Error as error:
        raise ValueError(f"line {line}: {error}") from error
    return [cell.strip() for cell in row]


def _is_title(row: Sequence[str]) -> bool:
    """Whether no cell is a number, and not all of them stand for missing ones."""
    if any(number(cell, comma=True) is not None for cell in row):
        return False
    return not all(cell.lower() in MISSING for cell in row)


def _numbers(line: int, row: Sequence[str], width: int) -> list[float]:
    if len(row) != width:
        raise ValueError(f"line {line} has {len(row)} cells, the first line of numbers {width}")
    values = [number(cell) for cell in row]
    if None in values:
        column = values.index(None)
        raise ValueError(f"line {line}, column {column + 1}: {_reason(row[column])}")
    return [value for value in values if value is not None]


def _reason(cell: str) -> str:
    """Say what is wrong with a cell, and how to write it."""
    if cell.lower() in MISSING:
        return f"a number is missing ({cell!r}): fill it, or drop the line"
    if ";" in cell or "\t" in cell:
        sign = "semicolons" if ";" in cell else "tabs"
        return f"{sign} separate the cells: write decimal points, and commas between the cells"
    if number(cell, comma=True) is not None:
        return f"{cell!r} has a decimal comma: write a point"
    joined = "".join(cell.split()).replace("'", "").replace("_", "").replace(",", "")
    if number(joined) is not None:
        return f"{cell!r} has its digits in groups: write {joined}"
    return f"{cell!r} is no number; a line of titles, which is the first, has none at all"


def _check_commas(lines: Sequence[tuple[int, str]]) -> None:
    """Refuse whole numbers that may be the parts of numbers with decimal commas."""
    for line, text in lines:
        if found := _LEADING_ZERO.search(text):
            raise ValueError(
                f"line {line}: {found[1]!r} begins with 0, as the digits after a decimal comma do: "
                "write decimal points, and no zeros in front"
            )
    if all(_PAIRS.fullmatch(text) for _, text in lines):
        raise ValueError(
            "its commas seem to be decimal commas, and those before blanks to separate the cells: "
            "write decimal points"
        )


def _check_counts(first: Sequence[str]) -> None:
    """Refuse a first line that pandas writes for columns without names, beside the index."""
    if (
        len(first) > 1
        and first[0] == ""
        and list(first[1:]) == list(map(str, range(len(first) - 1)))
    ):
        raise ValueError(
            "its first line counts the columns and its first column the rows: write it without "
            "(pandas: to_csv(..., header=False, index=False)), or the samples as .npy"
        )


def _check_titles(table: Array, titles: Sequence[str] | None) -> None:
    """Refuse a first line that may be titles: it counts the columns, or is an axis."""
    first, rest = table[0], table[1:]
    if titles is not None or len(rest) == 0 or len(first) < 3:
        return
    counts = any(np.array_equal(first, np.arange(len(first)) + start) for start in (0, 1))
    if counts or (_is_axis(first) and not any(_is_axis(row) for row in rest)):
        what = "counts the columns" if counts else "is in order, as an axis is"
        raise ValueError(
            f"the first line {what} and may be titles: remove it, or write the samples as .npy"
        )


def _is_axis(row: Array) -> bool:
    steps = np.diff(row)
    if not ((steps > 0).all() or (steps < 0).all()):
        return False
    even = np.ptp(steps) <= 1e-6 * np.abs(row).max()
    return bool(len(row) >= LEAST_ORDER or (len(row) >= LEAST_STEPS and even))


def _check_index(table: Array, titles: Sequence[str] | None) -> None:
    """Refuse a first column that counts the lines, as pandas writes it, or is evenly spaced, as a time."""
    column = table[:, 0]
    counts = any(np.array_equal(column, np.arange(len(column)) + start) for start in (0, 1))
    unnamed = titles is not None and (not titles[0] or titles[0].startswith("Unnamed"))
    steps = np.diff(column)
    even = titles is None and len(column) >= LEAST_ORDER and _is_axis(column)
    even = even and bool(np.ptp(steps) <= 1e-6 * np.abs(column).max())
    if table.shape[1] > 1 and (unnamed or even or (counts and len(column) > 2)):
        raise ValueError(
            "its first column seems to be an index, which is no input: write it without "
            "(pandas: to_csv(..., index=False)), or the samples as .npy"
        )
