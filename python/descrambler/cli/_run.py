"""descrambler run."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._solvers.result import Descrambling
from .._util.tables import text_table
from .._util.validate import Array
from ..evidence._study import Study, descramble_network
from ..evidence.nulls import random_counterpart
from ..network._network import Network
from ..readers import load
from ..report import Pair, network_figures
from ._common import (
    each,
    inputs_argument,
    json_argument,
    network_arguments,
    new_folder,
    output_argument,
    print_json,
    progress,
    save_figure,
)
from ._inputs import read_inputs

if TYPE_CHECKING:
    from ._common import Commands


def add_to(commands: Commands) -> None:
    """Add the parser."""
    parser = commands.add_parser(
        "run",
        help="descramble a network",
        epilog="example: descrambler run net.npz --inputs x.npy --activations tanh logistic -o out",
    )
    network_arguments(parser)
    inputs_argument(parser, required=True)
    output_argument(parser)
    json_argument(parser)
    parser.set_defaults(action=run)


def run(options: argparse.Namespace) -> None:
    """Descramble a network from a file."""
    new_folder(options.output, options.force)
    network = load(options.network, options.activations)
    x = read_inputs(options.inputs, network)
    if options.json:
        pair = _study(network, x, options.output)
        print_json({"inputs": len(x), "output": str(options.output), "results": _summary(pair)})
        return
    print(f"{options.network}: {network.n_linear} linear layers; {options.inputs}: {len(x)} inputs")
    _print_table(_study(network, x, options.output))
    print(f"figures (.png, .svg) and rotations (.npz) are in {options.output}/")


def _study(network: Network, x: Array, output: Path) -> Pair:
    """Descramble, write rotations and figures."""
    untrained, name, note = network.initial, "untrained", ""
    if untrained is None:
        untrained, name = random_counterpart(network), "random weights"
        note = (
            "No untrained weights are known: the lower row has normal random weights of the same r.m.s. "
            "in each layer, seed 0."
        )
    with progress(3 * network.n_linear - 1) as step:
        studies = (
            descramble_network(network, x, progress=each(step)),
            descramble_network(untrained, x, progress=each(step)),
        )
        for study, prefix in zip(studies, ("trained", name.replace(" ", "_")), strict=True):
            for title, result in _results(study):
                result.save(output / f"{prefix}_{title}.npz")
        pair = Pair(studies, ("trained", name), note)
        for title, figure in network_figures(pair):
            save_figure(figure, output / title)
            step(title)
    return pair


def _results(study: Study) -> Iterator[tuple[str, Descrambling]]:
    for link in study.links:
        yield f"link{link.layer}_before", link.before
        yield f"link{link.layer}_after", link.after
        yield f"link{link.layer}_joint", link.joint


def _summary(pair: Pair) -> list[dict[str, Any]]:
    """Return the figures of every descrambling, as JSON has them."""
    return [
        {
            "network": name,
            "signals": title.replace("_", " "),
            "before": float(r.initial_objective),
            "after": float(r.objective),
            "bound": float(r.bound),
            "gap": float(r.gap),
            "seconds": r.seconds,
            "units": r.rotation.n,
            "resolved": int(r.resolved.sum()),
            "signs": int(r.sign_resolved.sum()),
        }
        for study, name in zip(pair.studies, pair.names, strict=True)
        for title, r in _results(study)
    ]


def _print_table(pair: Pair) -> None:
    rows = [
        ("network", "signals", "before", "after", "bound", "gap", "seconds", "resolved", "signs")
    ]
    for r in _summary(pair):
        figures = (
            f"{r['before']:.4g}",
            f"{r['after']:.6g}",
            f"{r['bound']:.6g}",
            f"{r['gap']:.1e}",
            f"{r['seconds']:.4f}",
            f"{r['resolved']} of {r['units']}",
            f"{r['signs']} of {r['units']}",
        )
        rows.append((r["network"], r["signals"], *figures))
    print("\n".join(text_table(rows)))
