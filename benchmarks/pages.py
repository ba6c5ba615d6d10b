"""Tables in pages of the documentation: what stands between two marks is replaced."""

from __future__ import annotations

from pathlib import Path


def write_section(path: Path, name: str, text: str) -> None:
    """Replace what stands between ``<!-- name -->`` and ``<!-- end of name -->``.

    Raises
    ------
    ValueError
        If the page does not have both marks.
    """
    first, last = f"<!-- {name} -->", f"<!-- end of {name} -->"
    page = path.read_text()
    before, opened, rest = page.partition(first)
    _, closed, after = rest.partition(last)
    if not opened or not closed:
        raise ValueError(f"{path} must have the marks {first} and {last}")
    path.write_text(f"{before}{first}\n\n{text}\n\n{last}{after}")
