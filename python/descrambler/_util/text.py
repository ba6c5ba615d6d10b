"""Numbers in text that people and programs wrote: read strictly, whatever the encoding."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

# By the mark at the start; the longer marks first.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Marks that may stand anywhere and are seen nowhere.
_INVISIBLE = dict.fromkeys(map(ord, "\ufeff\u200b\u200e\u200f\u2060"))
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][+-]?\d+)?", re.ASCII)
MISSING = frozenset(("", "-", "--", "?", "na", "n/a", "nan", "null", "none", "nil", "inf", "-inf"))
"""What stands for a number that is missing, in lower case."""


def decoded(content: bytes) -> str:
    """Return text without its byte order mark: UTF-8, UTF-16 or UTF-32, else Latin-1.

    Raises
    ------
    ValueError
        If it is no text.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            text = content[len(mark) :].decode(encoding)
            break
    else:
        # Two bytes for each character, without a mark: the other one is zero.
        wide = {"utf-16-le": content[1::2], "utf-16-be": content[::2]}
        found = [name for name, zeros in wide.items() if zeros and not zeros.strip(b"\0")]
        try:
            text = content.decode(found[0] if len(found) == 1 else "utf-8")
        except UnicodeDecodeError:
            text = content.decode("latin-1")
    if "\0" in text:
        raise ValueError("it is no text: it holds zero bytes")
    return text.translate(_INVISIBLE)


def numbered_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield lines that are not blank, stripped, with their numbers from 1."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return ((number, line.strip()) for number, line in enumerate(lines, 1) if line.strip())


def number(text: str, comma: bool = False) -> float | None:
    """Return the number that a text is as a whole; None if it is none.

    With a decimal comma or point, an exponent with E or, as Fortran writes it, D; not with groups of
    digits, infinite or missing.
    """
    text = text.strip().replace("\N{MINUS SIGN}", "-")
    if comma and text.count(",") == 1 and "." not in text:
        text = text.replace(",", ".")
    if not _NUMBER.fullmatch(text):
        return None
    value = float(text.lower().replace("d", "e"))
    return value if abs(value) < float("inf") else None
