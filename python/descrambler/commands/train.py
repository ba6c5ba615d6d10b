"""descrambler train."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from .. import deer

if TYPE_CHECKING:
    from .common import Commands


def add_to(commands: Commands) -> None:
    """Add the parser."""
    parser = commands.add_parser("train", help="train a DEERNet (extra: train)")
    parser.add_argument("-o", "--output", type=Path, required=True, help=".npz file to write")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--widths", type=int, nargs="+", default=[256, 80, 256])
    parser.add_argument("--weight-decay", type=float, default=1e-6)
    parser.add_argument(
        "--steps", type=int, default=150_000, help="default: 150000, about 7 minutes"
    )
    parser.add_argument("--minutes", type=float, help="stop earlier than the steps would")
    parser.set_defaults(action=train)


def train(options: argparse.Namespace) -> None:
    """Train a DEERNet and write it."""
    # Known now rather than when the training is done.
    if not options.output.parent.is_dir():
        raise FileNotFoundError(
            f"{options.output.parent} is not a folder: {options.output} cannot be written"
        )
    if options.output.is_dir():
        raise IsADirectoryError(f"{options.output} is a folder, not a file to write")
    widths = " ".join(map(str, options.widths))
    command = (
        f"descrambler train -o {options.output.name} --seed {options.seed} --widths {widths}"
        f" --weight-decay {options.weight_decay:g} --steps {options.steps}"
    )
    if options.minutes is not None:
        command += f" --minutes {options.minutes:g}"
    with tqdm(total=options.steps, unit="step", disable=not sys.stderr.isatty()) as bar:

        def show(state: deer.TrainState) -> None:
            bar.update(state.step - bar.n)
            bar.set_postfix(loss=f"{state.loss:.4f}")

        network = deer.train(
            options.widths,
            random_state=options.seed,
            n_steps=options.steps,
            minutes=options.minutes,
            weight_decay=options.weight_decay,
            callback=show,
            command=command,
        )
    network.save(options.output)
    print(f"{options.output}: {json.dumps(network.provenance, indent=2)}")
