"""descrambler bench."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ..errors import DescramblerError
from ._parser import add_command

if TYPE_CHECKING:
    from ._common import Commands


def add_to(commands: Commands) -> None:
    parser = add_command(
        commands,
        "bench",
        "say where the benchmarks are",
        does="Say where the benchmarks are: in the repository, not in the installed package.",
        writes="nothing",
        takes="no time",
        example="python -m benchmarks --quick",
    )
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    parser.set_defaults(action=bench)


def bench(_: argparse.Namespace) -> None:
    """Refuse, with the command that measures."""
    raise DescramblerError(
        "the benchmarks are not part of the installed package: run 'python -m benchmarks' in the repository"
    )
