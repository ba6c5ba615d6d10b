"""descrambler ensemble."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from .. import deer
from .._util.validate import Array
from ..axis import Axis
from ..evidence._ensemble import ensemble
from ..network._network import Network
from ..readers import load
from ..report import ensemble_figures
from ._common import (
    NETWORKS,
    activations_argument,
    each,
    inputs_argument,
    json_argument,
    new_folder,
    output_argument,
    print_json,
    progress,
    save_figure,
)
from ._inputs import read_inputs

if TYPE_CHECKING:
    from ._common import Commands

N_FIGURES = 4


def add_to(commands: Commands) -> None:
    """Add the parser."""
    parser = commands.add_parser(
        "ensemble",
        help="how far the descrambled pictures of many networks agree",
        epilog="example: descrambler ensemble nets/*.npz --simulate 10000 -o out",
    )
    parser.add_argument("networks", type=Path, nargs="+", metavar="NET", help=NETWORKS)
    activations_argument(parser)
    inputs = parser.add_mutually_exclusive_group(required=True)
    inputs_argument(inputs)
    inputs.add_argument(
        "--simulate", type=int, metavar="M", help="M simulated DEER traces, for DEERNets"
    )
    parser.add_argument("--layer", type=int, default=1, help="linear layer (default: 1)")
    parser.add_argument("--tap", choices=("before", "after"), default="before")
    output_argument(parser)
    json_argument(parser)
    parser.set_defaults(action=compare_networks)


def compare_networks(options: argparse.Namespace) -> None:
    """Compare networks from files: print the table, write numbers and figures."""
    networks = [load(path, options.activations, prefix=options.prefix) for path in options.networks]
    x, axis = _inputs(options, networks[0])
    new_folder(options.output, options.force)
    with progress(2 * len(networks) + N_FIGURES) as step:
        result = ensemble(networks, x, options.layer, options.tap, progress=each(step))
        result.save(options.output / "ensemble.npz")
        for title, figure in ensemble_figures(result, axis):
            save_figure(figure, options.output / title)
            step(title)
    if options.json:
        spreads = {name: spread._asdict() for name, spread in result.summary().items()}
        outliers = [str(options.networks[index]) for index in result.trained.outliers]
        print_json({"output": str(options.output), "agreement": spreads, "outliers": outliers})
        return
    print(result)
    for index in result.trained.outliers:
        print(f"outlier {index}: {options.networks[index]}")
    print(f"figures (.png, .svg) and numbers (ensemble.npz) are in {options.output}/")


def _inputs(options: argparse.Namespace, network: Network) -> tuple[Array, Axis | None]:
    """Return the inputs of all networks, and what the weights' other axis is, where known."""
    if options.inputs is not None:
        return read_inputs(options.inputs, network), None
    data = deer.simulate(options.simulate, random_state=1, n_points=network.n_in)
    if options.tap == "before":
        ends = float(data.time[0]), float(data.time[-1])
        return data.traces, Axis("time", "µs", *ends, "frequency", "MHz")
    ends = float(data.distance[0]), float(data.distance[-1])
    return data.traces, Axis("distance", "Å", *ends, "distance frequency", "1/Å")
