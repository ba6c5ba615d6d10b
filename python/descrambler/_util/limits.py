"""Limits of time and memory for reading one file, from environment variables."""

from __future__ import annotations

import os
import re

SECONDS = "DESCRAMBLER_READ_SECONDS"
"""Environment variable: wall-clock time that reading one file may take (default 60)."""
MEGABYTES = "DESCRAMBLER_READ_MEGABYTES"
"""Environment variable: memory of a child, and twice what a file may hold (default 2048)."""


class TooLarge(ValueError):
    """A file that holds more than the limit."""


def seconds() -> int:
    """Return the limit of time; ValueError if the variable does not hold a valid limit."""
    return _limit(SECONDS, 60)


def megabytes() -> int:
    """Return the limit of memory; ValueError if the variable does not hold a valid limit."""
    return _limit(MEGABYTES, 2048)


def max_bytes() -> int:
    """Return how many bytes a file may hold: half the limit of memory, as some are held twice."""
    return megabytes() * 2**19


def check_bytes(size: int, limit: int | None = None) -> None:
    """Raise TooLarge if a file holds more bytes than `limit` (None: `max_bytes`)."""
    if size > (max_bytes() if limit is None else limit):
        shown = (
            f"more than {megabytes() // 2} MB ({MEGABYTES} sets twice this limit)"
            if limit is None
            else f"{size} bytes; at most {limit} are expected"
        )
        raise TooLarge(f"it holds {shown}")


def _limit(variable: str, default: int) -> int:
    text = os.environ.get(variable, str(default))
    if not re.fullmatch("[1-9][0-9]{0,5}", text):
        raise ValueError(f"{variable} must be a whole number from 1 to 999999, got {text!r}")
    return int(text)
