"""descrambler demo."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import deer
from .._util.validate import Array
from ..axis import Axis
from ..deer.figures import replica_figure
from ..evidence import Interpretation, Study
from ..evidence.detectors import Axes
from ..network._network import Network
from ..report import Pair, first_layer
from ._common import json_argument, new_folder, output_argument, save_figure, save_png
from ._interpret import interpret_and_write, layer_widths, print_result
from ._parser import add_command

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ._common import Commands

DEMO_INPUTS = 10_000
"""For the pictures; the verdicts rest on as many as any network's by default."""
DEMO_NULL_INPUTS = 2000
DEMO_NULLS = 20
REPLICA_TRACES = 1000


def add_to(commands: Commands) -> None:
    parser = add_command(
        commands,
        "demo",
        "interpret the DEERNet that ships with the package",
        does="Interpret a network that ships with the package, which turns a trace of electron spin "
        "resonance (DEER) into the distances between two spins, as 'interpret' would your own.",
        writes="report.md, figures (.png, .svg), arrays (.npz) and report.npz, for 'descrambler report'",
        takes="about half a minute on one core",
        example="descrambler demo -o demo",
    )
    output_argument(parser, Path("demo"))
    json_argument(parser)
    parser.set_defaults(action=demo)


def demo(options: argparse.Namespace) -> None:
    """Interpret the DEERNet that ships with the package."""
    new_folder(options.output, options.force)
    network = deer.pretrained()
    if not options.json:
        print(f"{layer_widths(network)}: a DEERNet, {DEMO_INPUTS} simulated DEER traces")
    traces, axes, settings = deernet_setting(DEMO_INPUTS)
    result = interpret_and_write(
        network,
        traces,
        axes,
        options.output,
        (),
        nulls=DEMO_NULLS,
        controls=deer.controls(),
        **settings,
    )
    save_figure(replica_of(network), options.output / "replica")
    save_png(untrained_beside(result), options.output / "layer1_untrained.png")
    print_result(result, options)


def deernet_setting(n: int) -> tuple[Array, Axes, dict[str, Any]]:
    """Return simulated traces, both axes, and what is known about the task."""
    data = deer.simulate(n, random_state=1)
    axes = Axes(
        Axis("time", "µs", float(data.time[0]), float(data.time[-1]), "frequency", "MHz"),
        Axis("distance", "Å", float(data.distance[0]), float(data.distance[-1])),
    )
    backgrounds, form_factors = deer.variations()
    settings = {
        "null_inputs": DEMO_NULL_INPUTS,
        "nuisance": backgrounds,
        "wanted": form_factors,
        "reference": deer.kernel(data.time, data.distance),
        "targets": data.targets,
    }
    return data.traces, axes, settings


def untrained_beside(result: Interpretation) -> Figure:
    """Draw the first layer above that of the same network before training."""
    network = result.study.network
    assert network.initial is not None
    trained = result.pictured
    studies = trained, Study(network.initial, trained.inputs)
    return first_layer(Pair(studies, ("trained", "untrained")), result.axes.inputs)


def replica_of(network: Network) -> Figure:
    """Draw the network beside filters and a transform, on fresh traces."""
    unfiltered = deer.replica(high_pass=None, low_pass=None)
    data = deer.simulate(REPLICA_TRACES, random_state=2)
    return replica_figure(data, network, deer.replica(), unfiltered)
