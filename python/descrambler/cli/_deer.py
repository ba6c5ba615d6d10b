"""descrambler deer."""

from __future__ import annotations

import argparse
import csv
import io
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from .. import deer
from .._util.files import write_bytes
from ..deer.figures import distance_figure, unmodulated_figure
from ..errors import NoModulationError
from ..network._network import Network
from ..readers import load
from ._common import json_argument, new_folder, output_argument, print_json, save_figure

if TYPE_CHECKING:
    from ._common import Commands


def add_to(commands: Commands) -> None:
    """Add the parser."""
    parser = commands.add_parser(
        "deer",
        help="predict a distance distribution from a measured trace",
        description="Predict a distance distribution from a measured DEER or RIDME trace, with the spread over networks.",
        epilog="example: descrambler deer trace.DTA --net 1.mat 2.mat -o out",
    )
    parser.add_argument("trace", type=Path, metavar="TRACE", help="Bruker .DTA or .DSC, or text")
    parser.add_argument(
        "--net",
        type=Path,
        nargs="+",
        metavar="NET",
        help="networks of one kind (default: the two-layer networks that ship)",
    )
    parser.add_argument("--experiment", choices=("deer", "ridme"), default="deer")
    parser.add_argument(
        "--unit",
        choices=("auto", "s", "ms", "us", "ns"),
        default="auto",
        help="of the times in a text file (default: as in their title, or by their length)",
    )
    parser.add_argument(
        "--columns",
        nargs="+",
        metavar="COLUMN",
        help="columns of a text file, by title or number from 1: time, real and, perhaps, imaginary part",
    )
    parser.add_argument("--start", type=float, metavar="US", help="drop what is before, in us")
    parser.add_argument("--stop", type=float, metavar="US", help="drop what is after, in us")
    parser.add_argument(
        "--zero", type=float, metavar="US", help="zero time in us (default: the maximum)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the 64 points of released networks")
    output_argument(parser)
    json_argument(parser)
    parser.set_defaults(action=predict)


def predict(options: argparse.Namespace) -> None:
    """Print the peaks; write the distribution as CSV and picture."""
    raw = deer.load_trace(options.trace, columns=options.columns, unit=options.unit)
    trace = deer.prepare(raw, start=options.start, stop=options.stop, zero=options.zero)
    networks = _networks(options.net)
    new_folder(options.output, options.force)
    known = {"trace": raw.name, "points": trace.time.size, "last_us": float(trace.time[-1])}
    if not options.json:
        print(f"{raw.name}: {trace.time.size} points, {trace.time[-1]:.3f} us from the zero time")
    try:
        result = deer.predict_distances(
            networks, trace, experiment=options.experiment, random_state=options.seed
        )
    except NoModulationError as error:
        found = deer.modulation(trace, options.experiment)
        save_figure(unmodulated_figure(trace, found), options.output / "trace")
        if options.json:
            print_json(known | {"modulated": False, "p": float(found.p), "peaks": []})
        else:
            print(error)
        return
    write_bytes(options.output / "distribution.csv", _comma_separated(result).encode())
    save_figure(distance_figure(trace, result), options.output / "distribution")
    if options.json:
        peaks = [asdict(peak) for peak in result.peaks]
        depth = {"depth": float(result.fit.depth), "networks": len(networks)}
        print_json(known | {"modulated": True} | depth | {"peaks": peaks})
        return
    print(f"modulation depth {result.fit.depth:.3f}, {len(networks)} networks")
    print("peak (A)  width (A)  share")
    for peak in result.peaks:
        print(f"{peak.position:8.1f}  {peak.width:9.1f}  {peak.share:5.2f}")
    print(f"distribution (.csv, .png, .svg) is in {options.output}/")


def _networks(paths: list[Path] | None) -> list[Network]:
    if paths is None:
        return [deer.pretrained(*kind) for kind in deer.PRETRAINED if kind.n_layers == 2]
    return [load(path) for path in paths]


def _comma_separated(result: deer.DistanceDistribution) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["distance_angstrom", "density_per_angstrom", "spread_per_angstrom"])
    for row in zip(result.distance, result.density, result.spread, strict=True):
        writer.writerow([f"{value:.8g}" for value in row])
    return stream.getvalue()
