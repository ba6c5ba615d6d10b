"""descrambler report."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from .._util.files import documented, write_bytes
from ..report import Record, page
from ._common import force_argument, json_argument, new_file, print_json
from ._parser import add_command
from ._paths import input_folder

if TYPE_CHECKING:
    from ._common import Commands


def add_to(commands: Commands) -> None:
    """Add the parser."""
    parser = add_command(
        commands,
        "report",
        "make the page of a saved interpretation",
        does="Make one HTML file of an interpretation: what was found, pictures, numbers, methods.",
        writes="OUT/report.html, or FILE; it opens in a browser without network",
        takes="a few seconds",
        example="descrambler report out",
    )
    parser.add_argument(
        "folder",
        type=input_folder,
        metavar="OUT",
        help="the folder that 'descrambler interpret -o OUT' wrote, with report.npz",
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="default: report.html in the folder"
    )
    force_argument(parser)
    json_argument(parser)
    parser.set_defaults(action=report)


def report(options: argparse.Namespace) -> None:
    """Make the page."""
    target = new_file(options.output or options.folder / "report.html", options.force)
    source = options.folder / "report.npz"
    if not source.exists():
        raise FileNotFoundError(
            f"{options.folder} has no report.npz: give the folder that 'descrambler interpret -o' wrote "
            "(with --nulls 0 it makes none)"
        )
    record = Record.load(source)
    with documented(source, "is not a whole report file"):
        content = page(record).encode()
    write_bytes(target, content)
    if options.json:
        print_json("report", {"output": str(target), "bytes": len(content)})
        return
    print(f"{target}: {len(content) / 1e6:.1f} MB, needs no network")
