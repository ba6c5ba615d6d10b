"""descrambler calibrate."""

from __future__ import annotations

import argparse
import csv
import io
from typing import TYPE_CHECKING

from .. import deer
from .._util.files import write_bytes
from ..deer.figures import coverage_figure
from ._common import json_argument, new_folder, output_argument, print_json, save_figure
from ._deer import networks
from ._deer_arguments import networks_argument
from ._parser import add_command

if TYPE_CHECKING:
    from ._common import Commands


def add_to(commands: Commands) -> None:
    parser = add_command(
        commands,
        "calibrate",
        "calibrate the 95 %% bands of an ensemble of DEERNets, and check them",
        does="Calibrate the 95 % bands of an ensemble on simulated traces, and check them on others.",
        writes="calibration.json, for 'descrambler deer --calibration', coverage.csv and its picture",
        takes="minutes; it grows with --traces",
        example="descrambler calibrate --net 1.mat 2.mat 3.mat -o bands",
    )
    networks_argument(parser)
    parser.add_argument(
        "--experiment",
        choices=("deer", "ridme"),
        default="deer",
        help="experiment to calibrate for (default: deer)",
    )
    parser.add_argument(
        "--traces",
        type=int,
        default=4000,
        metavar="N",
        help="simulated traces to calibrate on, and as many to check on (default: 4000)",
    )
    output_argument(parser)
    json_argument(parser)
    parser.set_defaults(action=calibrate)


def calibrate(options: argparse.Namespace) -> None:
    """Write the calibration, and the table and picture of the check."""
    nets = networks(options.net)
    folder = new_folder(options.output, options.force)
    found = deer.calibrate(nets, options.traces, experiment=options.experiment)
    checked = deer.coverage(nets, found, options.traces)
    found.save(folder / "calibration.json")
    write_bytes(folder / "coverage.csv", _comma_separated(checked).encode())
    save_figure(coverage_figure(checked), folder / "coverage")
    wrong = len(checked.outside)
    if options.json:
        print_json(
            "calibrate",
            {
                "networks": found.n_networks,
                "traces": found.n_traces,
                "factors": list(found.factors),
                "overall": checked.overall,
                "strata_outside": wrong,
            },
        )
        return
    print(f"{found.n_networks} networks, {found.n_traces} simulated traces")
    print("standard deviations in a 95 % band, from short to long distances:")
    print(" ".join(f"{factor:.1f}" for factor in found.factors))
    print("truth inside the band, other simulated traces (rows: noise; columns: distance in A)")
    for line in coverage_lines(checked):
        print(line)
    print(
        f"overall {checked.overall:.3f}; {wrong} of {checked.inside.size} strata not in 0.90 to 0.98"
    )
    print(f"calibration.json and coverage (.csv, .png, .svg) are in {folder}/")


def coverage_lines(found: deer.Coverage) -> list[str]:
    """Return the table for the console."""
    ranges = zip(found.distance[:-1], found.distance[1:], strict=True)
    lines = [" " * 14 + "".join(f"{low:6.0f}-{high:<3.0f}" for low, high in ranges)]
    for low, high, row in zip(found.noise[:-1], found.noise[1:], found.inside, strict=True):
        lines.append(f"{low:.2f} to {high:.2f}  " + "".join(f"{share:10.3f}" for share in row))
    return lines


def _comma_separated(found: deer.Coverage) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(
        ["noise_from", "noise_to", "angstrom_from", "angstrom_to", "inside", "traces", "within"]
    )
    outside = set(found.outside)
    for (i, j), share in _strata(found):
        edges = (*found.noise[i : i + 2], *found.distance[j : j + 2])
        writer.writerow(
            [
                *(f"{edge:.4g}" for edge in edges),
                f"{share:.4f}",
                found.n[i, j],
                (i, j) not in outside,
            ]
        )
    return stream.getvalue()


def _strata(found: deer.Coverage) -> list[tuple[tuple[int, int], float]]:
    rows, columns = found.inside.shape
    return [((i, j), float(found.inside[i, j])) for i in range(rows) for j in range(columns)]
