"""Text for a console that cannot show every character, as that of Windows with code page 1252."""

from __future__ import annotations

import codecs
import sys
import unicodedata
from io import TextIOWrapper
from typing import TextIO

ERRORS = "descrambler.console"
"""Error handler for codecs: replaces what an encoding lacks by plain characters."""

_PLAIN = {
    "±": "+-",
    "µ": "u",
    "\N{GREEK SMALL LETTER MU}": "u",
    "Å": "A",
    "\N{ANGSTROM SIGN}": "A",
    "≥": ">=",
    "≤": "<=",
    "≈": "~",
    "×": "x",
    "·": "*",
    "°": "deg",
    "σ": "sigma",
    "–": "-",
    "—": "-",
    "−": "-",
    "→": "->",
    "²": "^2",
    "³": "^3",
    "⁻": "^-",
    "ᵀ": "^T",
    "●": "*",
    "◉": "*",
    "◐": "*",
    "○": "o",
    "…": "...",
    "“": '"',
    "”": '"',
    "‘": "'",
    "’": "'",
}


def _replace(error: UnicodeError) -> tuple[str, int]:
    """Return a replacement that ASCII has, and where to go on."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_plain, error.object[error.start : error.end])), error.end


def _plain(character: str) -> str:
    if character in _PLAIN:
        return _PLAIN[character]
    # An accented letter without its accent; "?" for other scripts.
    plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode("ascii")
    return plain or "?"


codecs.register_error(ERRORS, _replace)


def shown(text: str) -> str:
    """Return a text that ``print`` can write to standard output, whatever its encoding.

    The text is unchanged where standard output has all its characters (UTF-8), or is not there.
    """
    encoding = getattr(sys.stdout, "encoding", None)
    if text.isascii() or not isinstance(encoding, str):
        return text
    try:
        return text.encode(encoding, ERRORS).decode(encoding)
    except (LookupError, UnicodeError):  # no encoding that Python knows
        return text.encode("ascii", ERRORS).decode("ascii")


def adapt(stream: TextIO | None) -> None:
    """Make a stream of this process replace what its encoding lacks, rather than raise."""
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors=ERRORS)
