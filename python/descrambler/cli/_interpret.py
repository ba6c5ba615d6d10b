"""descrambler interpret."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._util.validate import Array
from ..evidence._checks import check_inputs, has_convolutions
from ..evidence._interpret import Interpretation, interpret
from ..evidence.detectors import Axes
from ..evidence.nulls import KINDS
from ..network._network import Network
from ..readers import load
from ..report import evidence_figures, panel_figure
from ._axes import axes_of, axis_arguments
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
from ._first_answers import first_answers
from ._inputs import in_precision, read_controls, read_inputs, read_matrix, read_networks
from ._json import findings_record, panel_record
from ._parser import add_command
from ._paths import input_file, input_folder
from ._pictures import draw_network

if TYPE_CHECKING:
    from ._common import Commands


def add_to(commands: Commands) -> None:
    parser = add_command(
        commands,
        "interpret",
        "say what a network has learnt and what only looks learnt",
        does="Descramble a network, measure what it may have learnt (filters, maps, low rank, ...), and "
        "compare each value with networks that learnt nothing.",
        writes="report.md, figures (.png, .svg), arrays (.npz) and report.npz, for 'descrambler report'; the layers and "
        "the response are printed at once, the table of verdicts at the end",
        takes="about a minute on one core for a few hundred units; it grows with --nulls and --null-inputs",
        example="descrambler interpret net.npz --inputs x.npy --axis time us --axis distance A "
        "--span 0 2 15 60 -o out",
    )
    parser.add_argument(
        "network",
        type=input_file,
        nargs="+",
        metavar="NET",
        help=f"{NETWORKS}; several of one shape: each verdict is counted over them",
    )
    activations_argument(parser)
    inputs_argument(parser, required=True)
    parser.add_argument(
        "--initial",
        type=input_file,
        nargs="+",
        metavar="NET",
        help="the same network before training, which adds the null of untrained networks; for several NET "
        "one for all, or one for each",
    )
    parser.add_argument(
        "--controls",
        type=input_folder,
        nargs="+",
        metavar="FOLDER",
        default=(),
        help="folders of networks trained by the same recipe on targets permuted once (folder named once) or at "
        "every step (anew); further kinds by the names of their folders. At least 19 of each for 'learnt'",
    )
    parser.add_argument(
        "--reference",
        type=input_file,
        metavar="K",
        help="matrix that the network may invert, one input per row, one output per column: inputs = K outputs",
    )
    parser.add_argument(
        "--targets",
        type=input_file,
        metavar="Y",
        help="true outputs for the inputs: adds the column 'used' to the table, the change of the loss without each "
        "feature",
    )
    parser.add_argument(
        "--nulls",
        type=int,
        default=50,
        help="largest number of draws per null (default: 50); 0: pictures and numbers, no verdicts",
    )
    parser.add_argument(
        "--null-inputs",
        type=int,
        default=2000,
        help="number of inputs for findings and nulls (default: 2000)",
    )
    for name, other, what in (
        ("nuisance", "wanted", "ignore (e.g. baselines)"),
        ("wanted", "nuisance", "respond to (e.g. signals without noise)"),
    ):
        parser.add_argument(
            f"--{name}",
            type=input_file,
            metavar="D",
            help=f"file with one direction of the inputs per row, which the output should {what}; "
            f"needs --{other}",
        )
    parser.add_argument(
        "--dtype",
        choices=("float32", "float64"),
        help="precision of signals and rotations (default: that of inputs and weights); float64 certifies "
        "optima that float32 leaves open",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of all random draws (default: 0)")
    axis_arguments(parser)
    output_argument(parser)
    json_argument(parser)
    parser.set_defaults(action=interpret_file)


def interpret_file(options: argparse.Namespace) -> None:
    """Interpret the networks of one or several files."""
    new_folder(options.output, options.force)
    stems = [path.stem for path in options.network]
    if len(set(stems)) < len(stems):
        raise ValueError("NET: two files have the same name, which is that of their folders")
    if options.nulls == 0 and len(stems) > 1:
        raise ValueError("--nulls 0 draws the pictures of one network: give one NET")
    read = partial(load, activations=options.activations, prefix=options.prefix)
    if (options.nuisance is None) != (options.wanted is None):
        given, other = (
            ("wanted", "nuisance") if options.nuisance is None else ("nuisance", "wanted")
        )
        raise ValueError(f"--{given} needs --{other}: the response to both is compared")
    networks = read_networks(options.network, read, options.inputs)
    network = networks[0]
    x = in_precision(read_inputs(options.inputs, network), networks, options.dtype)
    if not options.json:
        names = ", ".join(map(str, options.network))
        print(f"{layer_widths(network)}: {names}; {options.inputs}: {len(x)} inputs", flush=True)
    initial = _initial(options, read)
    if options.nulls == 0:
        untrained = network.initial if initial is None else initial[0]
        draw_network(network, untrained, x, options.output, as_json=options.json)
        return
    if any(map(has_convolutions, networks)):
        raise ValueError(
            "NET has convolutions, whose nulls need networks of a fresh initialization, which this command "
            "cannot make: pass a function for them to ds.interpret in Python; --nulls 0 draws pictures alone"
        )
    nuisance, wanted = (
        None if path is None else read_inputs(path, network)
        for path in (options.nuisance, options.wanted)
    )
    axes = axes_of(options, network)
    settings: dict[str, Any] = {
        "initial": initial[0] if initial and len(initial) == 1 else initial,
        "nulls": options.nulls,
        "null_inputs": options.null_inputs,
        "random_state": options.seed,
        "nuisance": nuisance,
        "wanted": wanted,
        "reference": None if options.reference is None else read_matrix(options.reference),
        "targets": None if options.targets is None else read_matrix(options.targets),
        "controls": read_controls(options.controls, read),
    }
    if len(networks) > 1:
        _interpret_several(networks, x, axes, options, settings)
        return
    if not options.json:
        check_inputs(x)
        print("\n".join(first_answers(network, x, axes)), flush=True)
    files = *options.network, options.inputs
    result = interpret_and_write(network, x, axes, options.output, files, **settings)
    print_result(result, options)


def _initial(options: argparse.Namespace, read: Callable[[Path], Network]) -> list[Network] | None:
    """Return the untrained networks: one for all, or one for each."""
    if options.initial is None:
        return None
    if len(options.initial) not in (1, len(options.network)):
        raise ValueError(
            f"--initial must name one network, or one for each of {len(options.network)} NET, got "
            f"{len(options.initial)}"
        )
    return [read(path) for path in options.initial]


def _interpret_several(
    networks: list[Network],
    x: Array,
    axes: Axes,
    options: argparse.Namespace,
    settings: dict[str, Any],
) -> None:
    """Count the verdicts over networks, and write those of each to a folder of its own."""
    panel = interpret(
        networks, x, input_axis=axes.inputs, output_axis=axes.outputs, progress=False, **settings
    )
    for path, result in zip(options.network, panel.interpretations, strict=True):
        result.save(options.output / path.stem)
    save_figure(panel_figure(panel), options.output / "verdicts")
    if options.json:
        print_json("interpret", panel_record(panel, options))
        return
    print(panel)
    print(
        f"report.md and arrays (.npz) of each network, and verdicts.png, are in {options.output}/"
    )


def print_result(result: Interpretation, options: argparse.Namespace) -> None:
    """Print the findings, and where the rest is."""
    if options.json:
        print_json(options.command, findings_record(result, options))
        return
    print(result)
    print(f"report.md, figures (.png, .svg) and arrays (.npz) are in {options.output}/")
    print(
        f"to look at them all in a browser, with the extra report: descrambler report {options.output}"
    )


def layer_widths(network: Network) -> str:
    """Return the widths of a network as text."""
    widths = [network.n_in, *(linear.n_out for linear in network.linears)]
    return "-".join(map(str, widths))


def interpret_and_write(
    network: Network,
    x: Array,
    axes: Axes,
    output: Path,
    files: Sequence[Path],
    **settings: Any,
) -> Interpretation:
    """Interpret; write report, arrays and figures."""
    kinds = len(KINDS) - (settings.get("initial") is None and network.initial is None)
    controls = sum(map(len, settings["controls"].values()))
    with progress(settings["nulls"] * kinds + controls + network.n_linear + 3) as step:
        result = interpret(
            network,
            x,
            input_axis=axes.inputs,
            output_axis=axes.outputs,
            progress=each(step),
            **settings,
        )
        result.save(output, files)
        for title, figure in evidence_figures(result):
            save_figure(figure, output / title)
            step(title)
    return result
