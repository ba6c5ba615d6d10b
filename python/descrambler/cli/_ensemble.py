"""descrambler ensemble."""

from __future__ import annotations

import argparse
from functools import partial
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
from ._parser import add_command
from ._paths import input_file

if TYPE_CHECKING:
    from ._common import Commands

N_FIGURES = 4


def add_to(commands: Commands) -> None:
    parser = add_command(
        commands,
        "ensemble",
        "how far the descrambled pictures of many networks agree",
        does="Descramble one layer of many networks on the same inputs, and say how far the pictures agree, "
        "beside untrained networks and random directions. Give all networks to 'interpret' to count in how "
        "many of them a claim holds.",
        writes="ensemble.npz, and figures (.png, .svg) of the agreement; the table is printed",
        takes="about half a minute for 20 networks of 256-80-256, most of it for the figures",
        example="descrambler ensemble nets/*.npz --simulate 10000 -o out",
    )
    parser.add_argument("networks", type=input_file, nargs="+", metavar="NET", help=NETWORKS)
    activations_argument(parser)
    parser.add_argument(
        "--initial",
        type=input_file,
        nargs="+",
        metavar="NET",
        help="the same networks before training, one for each, in the same order",
    )
    inputs = parser.add_mutually_exclusive_group(required=True)
    inputs_argument(inputs)
    inputs.add_argument(
        "--simulate", type=int, metavar="M", help="M simulated DEER traces, for DEERNets"
    )
    parser.add_argument(
        "--layer", type=int, help="linear layer (default: 1, or the last but one with --tap after)"
    )
    parser.add_argument(
        "--tap",
        choices=("before", "after"),
        default="before",
        help="signals before the activation: the first layer's weights (default); or after: the last layer's",
    )
    output_argument(parser)
    json_argument(parser)
    parser.set_defaults(action=compare_networks)


def compare_networks(options: argparse.Namespace) -> None:
    """Compare networks from files: print the table, write numbers and figures."""
    networks = _networks(options)
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
        print_json(
            "ensemble", {"output": str(options.output), "agreement": spreads, "outliers": outliers}
        )
        return
    print(result)
    for index in result.trained.outliers:
        print(f"outlier {index}: {options.networks[index]}")
    print(f"figures (.png, .svg) and numbers (ensemble.npz) are in {options.output}/")


def _networks(options: argparse.Namespace) -> list[Network]:
    """Return the networks, with their untrained weights where these were given."""
    read = partial(load, activations=options.activations, prefix=options.prefix)
    networks = [read(path) for path in options.networks]
    if options.initial is None:
        return networks
    if len(options.initial) != len(networks):
        raise ValueError(
            f"--initial must name one network for each of {len(networks)} NET, got {len(options.initial)}"
        )
    starts = [read(path) for path in options.initial]
    return [
        Network(network.layers, start, network.provenance, network.notes)
        for network, start in zip(networks, starts, strict=True)
    ]


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
