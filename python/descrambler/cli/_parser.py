"""The parser: help in one form, and errors in one line that suggest what was meant."""

from __future__ import annotations

import argparse
import re
import textwrap
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from ._common import Commands

EXITS = "0 done; 2 an error, told in one line; 130 interrupted (Ctrl-C, SIGTERM)"
"""Exit codes of every command."""

_CHOICE = re.compile(r"invalid choice: '(.*?)' \(choose from (.*)\)")
_UNKNOWN = "unrecognized arguments: "
_EXPECTED = re.compile(r"argument (?:\S+/)?(--\S+): expected")


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, with what may have been meant."""

    def error(self, message: str) -> NoReturn:
        """Tell an error of usage and leave with exit code 2."""
        text = f"{self.prog}: {message}{self._meant(message)}; see '{self.prog} --help'"
        self.exit(2, f"{text}\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse; a command refuses what it does not know itself, since it knows its options."""
        self._given = [str(word) for word in args or ()]
        known, rest = super().parse_known_args(args, namespace)
        if rest:
            self.error(_UNKNOWN + " ".join(rest))
        return known, rest

    def _meant(self, message: str) -> str:
        found, expected = _CHOICE.search(message), _EXPECTED.match(message)
        if expected:
            values = self._option_string_actions[expected[1]].metavar
            return f"; write {expected[1]} {values if isinstance(values, str) else ' '.join(values)}" if values else ""  # fmt: skip
        if found:
            word, choices = found[1], [name.strip("' ") for name in found[2].split(",")]
        elif message.startswith(_UNKNOWN):
            word = message.removeprefix(_UNKNOWN).split()[0].partition("=")[0]
            choices = list(self._option_string_actions)
        elif "are required" in message:
            names = [word.partition("=")[0] for word in self._given if word.startswith("--")]
            choices = list(self._option_string_actions)
            word = next((name for name in names if name not in choices), "")
        else:
            return ""
        close = get_close_matches(word, choices, 1)
        return f"; did you mean {close[0]}?" if close else ""


def add_command(
    commands: Commands, name: str, brief: str, *, does: str, writes: str, takes: str, example: str
) -> argparse.ArgumentParser:
    """Add the parser of a command.

    Parameters
    ----------
    commands : subparsers
    name, brief : str
        As in the list of commands.
    does, writes, takes : str
        What it does, what it writes or prints, and how long that takes.
    example : str
        A whole command.
    """
    facts = {"writes": writes, "time": takes, "exit codes": EXITS}
    lines = [_filled(f"{title}: {text}") for title, text in facts.items()]
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=brief,
        description=textwrap.fill(does, 88, break_on_hyphens=False),
        epilog="\n".join([*lines, f"example: {example}"]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser


def _filled(text: str) -> str:
    return textwrap.fill(text, 88, subsequent_indent="  ", break_on_hyphens=False)
