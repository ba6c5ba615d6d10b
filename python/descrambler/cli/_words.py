"""Errors of the Python functions in the words of the command line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

OPTIONS = {
    "random_state": "seed",
    "n_steps": "steps",
    "n_points": "points",
    "input_axis": "axis",
    "output_axis": "axis",
    "P": "rotation",
}
"""Arguments of Python that have another name on the command line."""

ARGUMENTS = {"network": "NET", "networks": "NET", "trace": "TRACE", "folders": "OUT", "n": "N"}
"""Arguments without a flag."""

_ASSIGNED = re.compile(r"\b(\w+)=(\[[^\]]*\]|'[^']*'|\"[^\"]*\"|[\w.]+)")
_WORDS = re.compile(r"\[((?:'[^']*'|\"[^\"]*\")(?:, (?:'[^']*'|\"[^\"]*\"))*)\]")
_MEMBER = re.compile(r"\bnetworks?\[(\d+)\]")


def spoken(message: str, options: Mapping[str, Any]) -> str:
    """Return a message with the flags of a command for arguments of Python.

    Parameters
    ----------
    message : str
    options : mapping
        What was given on the command line, by destination.
    """
    names = {name: name for name in options} | OPTIONS

    def flag(name: str) -> str:
        known = names.get(name, name)
        return ARGUMENTS.get(known) or "--" + known.replace("_", "-")

    def assigned(found: re.Match[str]) -> str:
        name, value = found[1], found[2]
        return f"{flag(name)} {_plain(value)}" if names.get(name) in options else found[0]

    def member(found: re.Match[str]) -> str:
        given: list[Path] | None = options.get("networks") or options.get("network")
        index = int(found[1])
        return str(given[index]) if given and index < len(given) else found[0]

    message = _MEMBER.sub(member, _ASSIGNED.sub(assigned, message))
    message = _WORDS.sub(lambda found: _plain(found[1]), message)
    first, space, rest = message.partition(" ")
    if names.get(first) in options and rest.startswith(("must", "have", "has", "resolve")):
        value = options[names[first]]
        place = f" {value}" if isinstance(value, Path) else ""
        return f"{flag(first)}{place}{space}{rest}"
    return message


def _plain(value: str) -> str:
    """Return a list of words as a shell has it."""
    return value.strip("[]").translate(str.maketrans("", "", "'\","))
