"""descrambler train."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import astuple, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from .. import deer
from ..deer.figures import learning_curve
from ._common import force_argument, json_argument, new_file, print_json, save_png
from ._parser import add_command
from ._processes import orphaned, train_all

if TYPE_CHECKING:
    from ._common import Commands


def add_to(commands: Commands) -> None:
    parser = add_command(
        commands,
        "train",
        "train DEERNets (extra: train)",
        does="Train a DEERNet, or one for each of several seeds. An interrupted training goes on from its "
        "checkpoint when the same command is given again.",
        writes="NET.npz, its log (.csv) and learning curve (.png); NET.checkpoint while it trains",
        takes="three to seven minutes per network of 150 000 steps",
        example="descrambler train -o nets --seeds 0-99 --steps 20000",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help=".npz file, with --seeds a folder"
    )
    force_argument(parser)
    json_argument(parser)
    parser.add_argument("--seed", type=int, default=0, help="seed of the training (default: 0)")
    parser.add_argument(
        "--seeds",
        type=_seeds,
        metavar="A-B",
        help="one network for each seed, in parallel processes; those that are there are kept",
    )
    parser.add_argument(
        "--jobs", type=int, help="networks trained at a time (default: one for each processor)"
    )
    parser.add_argument("--widths", type=int, nargs="+", default=[256, 80, 256])
    parser.add_argument("--weight-decay", type=float, default=1e-6)
    parser.add_argument(
        "--shuffle",
        choices=["once", "anew"],
        help="train a control, which cannot learn the task: targets permuted once, in one fixed set of 16384 traces, "
        "or permuted again at every pass",
    )
    parser.add_argument(
        "--steps",
        type=int,
        default=150_000,
        help="training steps (default: 150000, three to seven minutes)",
    )
    parser.add_argument(
        "--minutes", type=float, help="stop after this many minutes, if the steps take longer"
    )
    parser.set_defaults(action=train)


def train(options: argparse.Namespace) -> None:
    """Train one network, or one for each seed."""
    if options.seeds is not None:
        _train_many(options)
        return
    with tqdm(total=options.steps, unit="step", disable=not sys.stderr.isatty()) as bar:

        def show(state: deer.TrainState) -> bool:
            bar.update(state.step - bar.n)
            bar.set_postfix(loss=f"{state.loss:.4f}")
            return orphaned()

        provenance = _train_one(options, options.seed, options.output, show)
    if options.json:
        print_json("train", {"output": str(options.output), "provenance": provenance})
        return
    print(f"{options.output}: {json.dumps(provenance, indent=2)}")


def _train_many(options: argparse.Namespace) -> None:
    options.output.mkdir(parents=True, exist_ok=True)
    paths = {seed: options.output / _name(options, seed) for seed in options.seeds}
    missing = {seed: path for seed, path in paths.items() if not path.exists()}
    there = len(paths) - len(missing)
    if there and not options.json:
        print(f"{there} of {len(paths)} networks are there already")
    commands = {path: _command(options, seed, path) for seed, path in missing.items()}
    errors = train_all(commands, options.jobs, options.steps)
    if options.json:
        print_json("train", {"kept": there, "validation_errors": errors})
        return
    for path, value in errors.items():
        print(f"{path}: validation error {value:.4g}")


def _seeds(text: str) -> range:
    first, dash, last = text.partition("-")
    try:
        seeds = range(int(first), int(last if dash else first) + 1)
    except ValueError:
        seeds = range(0)
    if not seeds:
        raise argparse.ArgumentTypeError(f"must be like 0-99, got {text!r}")
    return seeds


def _train_one(
    options: argparse.Namespace,
    seed: int,
    output: Path,
    show: Callable[[deer.TrainState], bool | None],
) -> dict[str, Any] | None:
    """Train and write one network, its log and its curve; None if `show` stopped it."""
    # Known now rather than when the training is done.
    new_file(output, options.force)
    checkpoint = output.with_suffix(".checkpoint")
    states: list[deer.TrainState] = []
    stopped = False
    with output.with_suffix(".csv").open("w", encoding="utf-8") as log:
        print(*(field.name for field in fields(deer.TrainState)), sep=",", file=log)

        def record(state: deer.TrainState) -> bool:
            nonlocal stopped
            states.append(state)
            print(*(f"{value:.8g}" for value in astuple(state)), sep=",", file=log, flush=True)
            stopped = bool(show(state))
            return stopped

        network = deer.train(
            options.widths,
            random_state=seed,
            n_steps=options.steps,
            minutes=options.minutes,
            weight_decay=options.weight_decay,
            shuffle=options.shuffle,
            callback=record,
            checkpoint=checkpoint,
            command=_command(options, seed, output),
        )
    if stopped:
        return None
    rivals = {name: network.provenance[f"validation_mse_{name}"] for name in ("ridge", "mean")}
    save_png(learning_curve(states, rivals), output.with_suffix(".png"))
    # Last: a network that is there was trained to the end and has its picture.
    network.save(output)
    checkpoint.unlink()
    return network.provenance


def _name(options: argparse.Namespace, seed: int) -> str:
    widths = "_".join(map(str, options.widths))
    kind = f"_{options.shuffle}" if options.shuffle else ""
    return f"deernet_{widths}_wd{options.weight_decay:g}{kind}_seed{seed}.npz"


def _command(options: argparse.Namespace, seed: int, output: Path) -> str:
    widths = " ".join(map(str, options.widths))
    command = (
        f"descrambler train -o {output.name} --seed {seed} --widths {widths}"
        f" --weight-decay {options.weight_decay:g} --steps {options.steps}"
    )
    if options.shuffle:
        command += f" --shuffle {options.shuffle}"
    return command + (f" --minutes {options.minutes:g}" if options.minutes is not None else "")
