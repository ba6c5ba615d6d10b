"""descrambler simulate."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from .. import deer
from .._util.files import write_arrays
from ._common import force_argument, json_argument, new_file, print_json
from ._parser import add_command

if TYPE_CHECKING:
    from ._common import Commands

SCHEMA = "descrambler.traces.v1"


def add_to(commands: Commands) -> None:
    parser = add_command(
        commands,
        "simulate",
        "simulate DEER or RIDME traces with their distance distributions",
        does="Simulate traces like those of the training sets of DEERNets.",
        writes="one .npz or .mat file: traces and distributions, one per row, with their time (us) and "
        "distance (A) axes",
        takes="a second for 10 000 traces",
        example="descrambler simulate 10000 -o traces.npz",
    )
    parser.add_argument("n", type=int, metavar="N", help="number of traces")
    parser.add_argument("--points", type=int, default=256, help="points per trace (default: 256)")
    parser.add_argument(
        "--duration",
        type=float,
        default=2.0,
        metavar="US",
        help="length of a trace in us (default: 2)",
    )
    parser.add_argument(
        "--experiment",
        choices=("deer", "ridme"),
        default="deer",
        help="experiment to simulate (default: deer)",
    )
    parser.add_argument(
        "--exchange",
        type=float,
        nargs=2,
        default=(0.0, 0.0),
        metavar=("LOW", "HIGH"),
        help="range of the exchange coupling, as a part of the highest frequency of the time axis (default: 0 0)",
    )
    parser.add_argument(
        "--time-shift",
        type=int,
        default=0,
        metavar="STEPS",
        help="largest error of the zero time, in time steps (default: 0)",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the traces (default: 0)")
    parser.add_argument("-o", "--output", type=Path, required=True, help=".npz or .mat file")
    force_argument(parser)
    json_argument(parser)
    parser.set_defaults(action=simulate)


def simulate(options: argparse.Namespace) -> None:
    """Simulate and write."""
    output = new_file(options.output, options.force)
    data = deer.simulate(
        options.n,
        options.seed,
        options.points,
        duration=options.duration,
        experiment=options.experiment,
        exchange=tuple(options.exchange),
        time_shift=options.time_shift,
    )
    names = ("traces", "distributions", "time", "distance", "depth", "noise", "exchange", "zero")
    write_arrays(output, SCHEMA, {name: getattr(data, name) for name in names})
    if options.json:
        print_json(
            "simulate", {"output": str(output), "traces": options.n, "points": options.points}
        )
        return
    print(f"{output}: {options.n} traces of {options.points} points")
