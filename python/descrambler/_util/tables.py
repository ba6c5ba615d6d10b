"""Tables of text."""

from __future__ import annotations

import html
from collections.abc import Sequence


def text_table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows as lines, columns aligned."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def html_table(rows: Sequence[Sequence[str]], caption: str) -> str:
    """Return the rows, the first of them the header, as an HTML table for a notebook."""

    def line(row: Sequence[str], tag: str) -> str:
        cells = (f"<{tag} style='text-align:left'>{html.escape(c)}</{tag}>" for c in row)
        return f"<tr>{''.join(cells)}</tr>"

    head, *rest = rows
    body = "".join(line(row, "td") for row in rest)
    title = f"<caption style='text-align:left'>{html.escape(caption)}</caption>"
    return f"<table>{title}<thead>{line(head, 'th')}</thead><tbody>{body}</tbody></table>"
