"""descrambler inspect, info."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from .._util.config import configuration, show_config
from ..network._activations import Activation, Renormalize
from ..network._layers import Linear, describe
from ..network._network import Network
from ..readers import NotVerified, load
from ._common import json_argument, network_arguments, print_json
from ._parser import add_command

if TYPE_CHECKING:
    from ._common import Commands


def add_to(commands: Commands) -> None:
    parser = add_command(
        commands,
        "inspect",
        "print the layers of a network",
        does="Read a network and print its layers: sizes, activations, where it comes from, and whether "
        "the runtime of its format computes the same.",
        writes="nothing; the table is printed",
        takes="a few seconds",
        example="descrambler inspect net.onnx",
    )
    network_arguments(parser)
    json_argument(parser)
    parser.set_defaults(action=inspect)

    parser = add_command(
        commands,
        "info",
        "versions, CPU variant, BLAS, threads",
        does="Print versions and build options of this installation, for a bug report.",
        writes="nothing; the table is printed",
        takes="a second",
        example="descrambler info --json",
    )
    json_argument(parser)
    parser.set_defaults(action=info)


def inspect(options: argparse.Namespace) -> None:
    """Print the layers of a network and where it comes from."""
    network, verified = _load(options)
    if options.json:
        print_json(
            "inspect",
            {
                "layers": [_description(layer) for layer in network.layers],
                "initial": network.initial is not None,
                "provenance": network.provenance,
                "notes": network.notes,
                "verified": verified,
            },
        )
        return
    print(network)
    if network.initial is not None:
        print("with its initial, untrained weights")
    for note in network.notes:
        print(f"note: {note}")
    if network.provenance:
        print(json.dumps(network.provenance, indent=2))


def _load(options: argparse.Namespace) -> tuple[Network, bool]:
    """Return a network and whether it was compared with a runtime; say so if it was not."""
    try:
        return load(options.network, options.activations, prefix=options.prefix, verify=True), True
    except NotVerified as error:
        network = load(options.network, options.activations, prefix=options.prefix)
        reason = str(error).partition("not verified, since ")[2].partition("; load it")[0]
        notes = [*network.notes, f"not verified: {reason}"]
    return Network(network.layers, network.initial, network.provenance, notes), False


def _description(layer: Linear | Activation | Renormalize) -> dict[str, Any]:
    sizes: dict[str, Any] = {}
    if isinstance(layer, Linear):
        sizes = {"inputs": layer.n_in, "outputs": layer.n_out, "bias": layer.bias is not None}
        sizes["dtype"] = str(layer.weight.dtype)
    return describe(layer) | sizes


def info(options: argparse.Namespace) -> None:
    """Print versions and build options of this installation."""
    if options.json:
        print_json("info", configuration())
    else:
        show_config()
