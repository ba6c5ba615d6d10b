"""descrambler inspect, info."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from ..config import show_config
from ..readers import load
from .common import network_arguments

if TYPE_CHECKING:
    from .common import Commands


def add_to(commands: Commands) -> None:
    """Add the parsers."""
    parser = commands.add_parser("inspect", help="print the layers of a network")
    network_arguments(parser)
    parser.set_defaults(action=inspect)

    parser = commands.add_parser("info", help="versions, CPU variant, BLAS, threads")
    parser.set_defaults(action=info)


def inspect(options: argparse.Namespace) -> None:
    """Print the layers of a network and where it comes from."""
    network = load(options.network, options.activations)
    print(network)
    if network.initial is not None:
        print("with its initial, untrained weights")
    if network.provenance:
        print(json.dumps(network.provenance, indent=2))


def info(_: argparse.Namespace) -> None:
    """Print what this installation is made of."""
    show_config()
