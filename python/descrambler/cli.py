"""Command line: descrambler demo, inspect, run, train, info."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from . import __version__, commands
from .errors import DescramblerError


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    root = argparse.ArgumentParser(
        prog="descrambler",
        description="Make the weight matrices of a trained neural network readable.",
    )
    root.add_argument("--version", action="version", version=f"descrambler {__version__}")
    commands_of = root.add_subparsers(dest="command", required=True, metavar="COMMAND")

    demo = commands_of.add_parser("demo", help="descramble the DEERNet that ships with the package")
    demo.add_argument(
        "-o", "--output", type=Path, default=Path("demo"), help="folder (default: demo)"
    )
    demo.set_defaults(action=lambda a: commands.demo(a.output))

    inspect = commands_of.add_parser("inspect", help="print the layers of a network")
    _network_arguments(inspect)
    inspect.set_defaults(action=lambda a: commands.inspect(a.network, a.activations))

    run = commands_of.add_parser(
        "run",
        help="descramble a network",
        epilog="example: descrambler run net.npz --inputs x.npy --activations tanh logistic -o out",
    )
    _network_arguments(run)
    run.add_argument("--inputs", type=Path, required=True, help=".npy file, one sample in a row")
    run.add_argument("-o", "--output", type=Path, required=True, help="folder for the results")
    run.set_defaults(action=lambda a: commands.run(a.network, a.activations, a.inputs, a.output))

    train = commands_of.add_parser("train", help="train a DEERNet (extra: train)")
    train.add_argument("-o", "--output", type=Path, required=True, help=".npz file to write")
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--widths", type=int, nargs="+", default=[256, 80, 256])
    train.add_argument("--weight-decay", type=float, default=1e-6)
    train.add_argument(
        "--steps", type=int, default=150_000, help="default: 150000, about 7 minutes"
    )
    train.add_argument("--minutes", type=float, help="stop earlier than the steps would")
    train.set_defaults(action=commands.train)

    info = commands_of.add_parser("info", help="versions, CPU variant, BLAS, threads")
    info.set_defaults(action=lambda a: commands.info())
    return root


def _network_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("network", type=Path, metavar="NET", help=".npz or .mat file")
    command.add_argument(
        "--activations",
        nargs="+",
        metavar="NAME",
        help="after each linear layer, for files that hold weights alone",
    )


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit code: 0, 2 for a user's error, 130 for Ctrl-C."""
    options = parser().parse_args(arguments)
    try:
        options.action(options)
    except KeyboardInterrupt:
        print("descrambler: interrupted", file=sys.stderr)
        return 130
    except (DescramblerError, OSError, TypeError, ValueError) as error:
        print(f"descrambler: {error}", file=sys.stderr)
        return 2
    return 0
