"""How much time and memory reading one file may take, from environment variables."""

from __future__ import annotations

import os
import re

SECONDS = "DESCRAMBLER_READ_SECONDS"
"""Environment variable: wall-clock time that reading one file may take (default 60)."""
MEGABYTES = "DESCRAMBLER_READ_MEGABYTES"
"""Environment variable: address space of a child, and twice what a file may hold (default 2048)."""


def seconds() -> int:
    """Return the limit of time; ValueError if the variable has none."""
    return _limit(SECONDS, 60)


def megabytes() -> int:
    """Return the limit of memory; ValueError if the variable has none."""
    return _limit(MEGABYTES, 2048)


def _limit(variable: str, default: int) -> int:
    text = os.environ.get(variable, str(default))
    if not re.fullmatch("[1-9][0-9]{0,5}", text):
        raise ValueError(f"{variable} must be a whole number from 1 to 999999, got {text!r}")
    return int(text)
