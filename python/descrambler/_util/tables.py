"""How results are shown: tables of text and of HTML, and a repr of one line."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

from .platform.console import shown

Class = TypeVar("Class", bound=type)

LONGEST = 60
"""Characters of one value in a repr."""

# With what a spreadsheet begins a formula.
FORMULA = ("=", "+", "-", "@")


def text_table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows as lines for the console, columns aligned."""
    rows = [[shown(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def csv_cells(row: Sequence[object]) -> list[object]:
    """Return cells of which a spreadsheet takes none for a formula: an apostrophe marks such text."""
    return [
        f"'{cell}" if isinstance(cell, str) and cell.lstrip().startswith(FORMULA) else cell
        for cell in row
    ]


def html_table(rows: Sequence[Sequence[str]], caption: str) -> str:
    """Return the rows, the first of them the header, as an HTML table for a notebook."""
    head, *rest = rows
    body = "".join(_line(row, ["td"] * len(row)) for row in rest)
    return _table(caption, f"<thead>{_line(head, ['th'] * len(head))}</thead><tbody>{body}</tbody>")


def _table(caption: str, content: str) -> str:
    title = f"<caption style='text-align:left'>{html.escape(caption)}</caption>"
    return f"<table>{title}{content}</table>"


def _line(row: Sequence[str], tags: Sequence[str]) -> str:
    cells = (
        f"<{tag} style='text-align:left'>{html.escape(cell)}</{tag}>"
        for tag, cell in zip(tags, row, strict=True)
    )
    return f"<tr>{''.join(cells)}</tr>"


class Tabulated:
    """A result with a status table, which it prints, and shows in a notebook."""

    def table(self) -> list[tuple[str, str]]:
        """Return the status table: names and values, as printed."""
        raise NotImplementedError

    def __str__(self) -> str:
        lines = [type(self).__name__, *(f"  {line}" for line in text_table(self.table()))]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = "".join(_line(row, ("th", "td")) for row in self.table())
        return _table(type(self).__name__, f"<tbody>{rows}</tbody>")


def brief(cls: Class) -> Class:
    """Give a dataclass a repr of one line: arrays by dtype and shape, the rest cut short."""
    cls.__repr__ = _brief  # type: ignore[assignment]
    return cls


def _brief(self: Any) -> str:
    names = (field.name for field in fields(self) if field.repr)
    parts = (f"{name}={_short(getattr(self, name))}" for name in names)
    return shown(f"{type(self).__name__}({', '.join(parts)})")


def _short(value: object) -> str:
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is not None and dtype is not None and shape != ():
        return f"<{dtype} {' x '.join(map(str, shape))}>"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping) or (isinstance(value, list | tuple) and len(value) > 4):
        return f"<{len(value)} in a {type(value).__name__}>"
    if isinstance(value, list | tuple):
        return f"({', '.join(map(_short, value))})"
    if callable(value) and hasattr(value, "__qualname__"):
        return str(value.__qualname__)
    text = " ".join(repr(value).split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
