"""descrambler report."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from .._util.files import documented, write_bytes
from ..report import Record, compare_page, page
from ._common import force_argument, json_argument, new_file, print_json
from ._parser import add_command
from ._paths import input_folder

if TYPE_CHECKING:
    from ._common import Commands


def add_to(commands: Commands) -> None:
    parser = add_command(
        commands,
        "report",
        "make the page of a saved interpretation",
        does="Make one HTML file of an interpretation: what was found, pictures, numbers, methods. Or of several: "
        "their verdicts side by side, and what differs.",
        writes="OUT/report.html, compare.html of several, or FILE; it opens in a browser without network",
        takes="a few seconds",
        example="descrambler report out",
    )
    parser.add_argument(
        "folders",
        type=input_folder,
        nargs="+",
        metavar="OUT",
        help="the folder that 'descrambler interpret -o OUT' wrote, with report.npz; several: one page that compares "
        "them",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="default: report.html in the folder, or compare.html here for several",
    )
    force_argument(parser)
    json_argument(parser)
    parser.set_defaults(action=report)


def report(options: argparse.Namespace) -> None:
    """Make the page."""
    folders = options.folders
    default = folders[0] / "report.html" if len(folders) == 1 else Path("compare.html")
    target = new_file(options.output or default, options.force)
    records = [_read(folder) for folder in folders]
    with documented(folders[0] / "report.npz", "is not a whole report file"):
        names = [str(folder) for folder in folders]
        text = page(records[0]) if len(folders) == 1 else compare_page(records, names)
    content = text.encode()
    write_bytes(target, content)
    if options.json:
        print_json("report", {"output": str(target), "bytes": len(content)})
        return
    size = len(content)
    text = f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{max(1, round(size / 1e3))} kB"
    print(f"{target}: {text}, needs no network")


def _read(folder: Path) -> Record:
    source = folder / "report.npz"
    if not source.exists():
        raise FileNotFoundError(
            f"{folder} has no report.npz: give the folder that 'descrambler interpret -o' wrote "
            "(with --nulls 0 it makes none)"
        )
    return Record.load(source)
