"""What the commands do."""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from . import deer
from ._validate import Array
from .config import show_config
from .files import write_bytes
from .network import Network
from .readers import load
from .report import Axis, network_figures
from .result import Descrambling
from .study import Study, descramble_network, random_counterpart

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DEMO_INPUTS = 10_000


def info() -> None:
    """Print what this installation is made of."""
    show_config()


def inspect(path: Path, activations: Sequence[str] | None) -> None:
    """Print the layers of a network and where it comes from."""
    network = load(path, activations)
    print(network)
    if network.initial is not None:
        print("with its initial, untrained weights")
    if network.provenance:
        print(json.dumps(network.provenance, indent=2))


def demo(output: Path) -> None:
    """Descramble the DEERNet that ships with the package."""
    network = deer.pretrained()
    data = deer.simulate(DEMO_INPUTS, random_state=1)
    time = Axis("time", "µs", *_ends(data.time), "frequency", "MHz")
    distance = Axis("distance", "Å", *_ends(data.distance), "distance frequency", "1/Å")
    print(f"DEERNet {network.n_in}-80-{network.n_out}, {DEMO_INPUTS} simulated DEER traces")
    _study(network, data.traces, output, time, distance)


def run(path: Path, activations: Sequence[str] | None, inputs: Path, output: Path) -> None:
    """Descramble a network from a file."""
    network = load(path, activations)
    x = _read_inputs(inputs, network)
    print(f"{path}: {network.n_linear} linear layers; {inputs}: {len(x)} inputs")
    _study(network, x, output, None, None)


def train(options: argparse.Namespace) -> None:
    """Train a DEERNet and write it."""
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


def _ends(values: Array) -> tuple[float, float]:
    return float(values[0]), float(values[-1])


def _read_inputs(path: Path, network: Network) -> Array:
    try:
        x = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path} must be an .npy file of numbers: {error}") from error
    if not isinstance(x, np.ndarray) or x.ndim != 2 or x.shape[1] != network.n_in:
        found = x.shape if isinstance(x, np.ndarray) else "an archive"
        raise ValueError(f"{path} must hold an array of shape (m, {network.n_in}), found {found}")
    return x


def _study(
    network: Network, x: Array, output: Path, inputs: Axis | None, outputs: Axis | None
) -> None:
    """Descramble, print the table, write rotations and figures."""
    untrained, name = network.initial, "untrained"
    if untrained is None:
        untrained, name = random_counterpart(network), "random weights"
    output.mkdir(parents=True, exist_ok=True)
    with _progress(3 * network.n_linear - 1) as step:
        studies = descramble_network(network, x, step), descramble_network(untrained, x, step)
        for study, prefix in zip(studies, ("trained", name.replace(" ", "_")), strict=True):
            for title, result in _results(study):
                result.save(output / f"{prefix}_{title}.npz")
        for title, figure in network_figures(*studies, ("trained", name), inputs, outputs):
            _save(figure, output / title)
            step(title)
    _print_table(studies, ("trained", name))
    print(f"figures (.png, .svg) and rotations (.npz) are in {output}/")


@contextmanager
def _progress(total: int) -> Iterator[Callable[[str], None]]:
    with tqdm(total=total, leave=False, disable=not sys.stderr.isatty()) as bar:

        def step(name: str) -> None:
            bar.set_description(name)
            bar.update()

        yield step


def _results(study: Study) -> Iterator[tuple[str, Descrambling]]:
    for link in study.links:
        yield f"link{link.layer}_before", link.before
        yield f"link{link.layer}_after", link.after
        yield f"link{link.layer}_joint", link.joint


def _save(figure: Figure, stem: Path) -> None:
    for suffix in ("png", "svg"):
        stream = io.BytesIO()
        # Fixed metadata and ids: the same figure gives the same file.
        metadata = {"Date": None} if suffix == "svg" else None
        figure.savefig(stream, format=suffix, dpi=200, metadata=metadata)
        # Laid out once: the second format need not do it again.
        figure.set_layout_engine("none")
        write_bytes(stem.with_suffix(f".{suffix}"), stream.getvalue())


def _print_table(studies: tuple[Study, Study], names: tuple[str, str]) -> None:
    header = "network", "signals", "before", "after", "bound", "gap", "seconds", "resolved", "signs"
    rows = [header]
    for study, name in zip(studies, names, strict=True):
        for title, r in _results(study):
            rows.append(
                (
                    name,
                    title.replace("_", " "),
                    f"{r.initial_objective:.4g}",
                    f"{r.objective:.6g}",
                    f"{r.bound:.6g}",
                    f"{r.gap:.1e}",
                    f"{r.seconds:.4f}",
                    f"{r.resolved.sum()} of {r.rotation.n}",
                    f"{r.sign_resolved.sum()} of {r.rotation.n}",
                )
            )
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    for row in rows:
        print(
            "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        )
