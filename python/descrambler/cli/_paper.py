"""descrambler paper."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .. import deer
from .._util.files import write_bytes
from .._util.validate import Array
from ..analysis import frequency_map
from ..deer.figures import distance_figure
from ..evidence._interpret import Interpretation, interpret
from ..evidence._study import descramble_network
from ..evidence.nulls import KINDS
from ..report import Pair, first_layer, last_layer, last_layer_structure
from ._common import (
    each,
    json_argument,
    new_folder,
    output_argument,
    print_json,
    progress,
    save_figure,
)
from ._demo import deernet_setting, replica_of
from ._parser import add_command

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ._common import Commands

INPUTS, NULLS = 10_000, 20
TRACE_SEED = 3


class Panel(NamedTuple):
    """One figure of the paper: what it shows, and the claims that are read off it."""

    name: str
    figure: Figure
    caption: str
    claims: Sequence[str]


def add_to(commands: Commands) -> None:
    parser = add_command(
        commands,
        "paper",
        "draw the figures of the paper on a DEERNet that ships, beside a control",
        does="Draw the figures of Amey et al. (PNAS 2021) in the paper's order, on a network that ships with the package. "
        "It stands above a control: a network that was trained by the same recipe on shuffled targets.",
        writes="fig1 to fig5_6 (.png, .svg), and figures.md with captions and the verdicts of what is read off them",
        takes="about a minute on one core",
        example="descrambler paper -o paper",
    )
    output_argument(parser, Path("paper"))
    json_argument(parser)
    parser.set_defaults(action=paper)


def paper(options: argparse.Namespace) -> None:
    """Draw the figures of the paper, with captions and verdicts."""
    new_folder(options.output, options.force)
    controls = deer.controls()
    steps = NULLS * len(KINDS) + sum(map(len, controls.values()))
    with progress(steps + 10) as step:
        traces, axes, settings = deernet_setting(INPUTS)
        result = interpret(
            deer.pretrained(),
            traces,
            nulls=NULLS,
            controls=controls,
            input_axis=axes.inputs,
            output_axis=axes.outputs,
            progress=each(step),
            **settings,
        )
        control = descramble_network(controls["once"][0], traces)
        pair = Pair((result.study, control), ("trained", "shuffled once"))
        sections, records = [], []
        for panel in _panels(pair, result):
            save_figure(panel.figure, options.output / panel.name)
            sentences = [f.sentence for f in result.findings if f.what in panel.claims]
            sections.append(_section(panel, sentences))
            records.append({"figure": panel.name, "caption": panel.caption, "findings": sentences})
            step(panel.name)
    write_bytes(options.output / "figures.md", "\n".join(["# Figures", *sections]).encode())
    if options.json:
        print_json("paper", {"output": str(options.output), "figures": records})
        return
    print(
        f"{len(records)} figures (.png, .svg) and figures.md, their captions and verdicts, are in {options.output}/"
    )


def _section(panel: Panel, sentences: Sequence[str]) -> str:
    lines = ["", f"## {panel.name}", "", f"![{panel.caption}]({panel.name}.png)", "", panel.caption]
    return "\n".join([*lines, "", *(f"- {sentence}" for sentence in sentences)])


def _panels(pair: Pair, result: Interpretation) -> Iterator[Panel]:
    inputs, outputs = result.axes
    yield Panel(
        "fig1", _distances(), "A simulated trace, and the distribution of distances behind it by five networks, with a 95 % band.",
        ("nuisance rejection",),
    )  # fmt: skip
    yield Panel(
        "fig2", first_layer(pair, inputs, curves=_maps(result)),
        "The first layer, raw and descrambled, and its spectrum with the fitted map and a cube drawn over it.",
        ("low-pass", "band-pass", "notch at zero", "link frequency map"),
    )  # fmt: skip
    yield Panel(
        "fig3", last_layer(pair, outputs, center=True),
        "The last layer, raw and descrambled, jointly with its signals and by the signals alone.",
        ("link order", "link order, joint"),
    )  # fmt: skip
    claims = "link sinusoids", "polynomial outputs", "orthogonal columns", "low rank"
    yield Panel(
        "fig4", last_layer_structure(pair, outputs, center=True),
        "Products and singular vectors of the last layer, the mean of each output vector removed.", claims,
    )  # fmt: skip
    yield Panel(
        "fig4_mean_kept", last_layer_structure(pair, outputs),
        "The same, the mean of each output vector kept.", (),
    )  # fmt: skip
    yield Panel(
        "fig5_6", replica_of(result.study.network),
        "The rational replica: two filters and a regularized transform, and what they give beside the network.",
        ("inverse of the reference", "kernel match"),
    )  # fmt: skip


def _distances() -> Figure:
    """Draw one trace as the ensemble sees it whose 95 % band is calibrated."""
    data = deer.simulate(1, random_state=TRACE_SEED)
    networks = [deer.pretrained(*kind) for kind in deer.PRETRAINED if kind.n_layers == 2]
    trace = deer.Trace(data.time, data.traces[0])
    calibration = deer.shipped_calibration(networks, "deer")
    return distance_figure(trace, deer.predict_distances(networks, trace, calibration=calibration))


def _maps(result: Interpretation) -> dict[str, Callable[[Array], Array]]:
    """Return the fitted map of the first layer, and the cube that crosses it where the modes are resolved."""
    link = result.study.links[0].before
    fitted = frequency_map(link.rotation.left(result.study.network.linear(1).weight))
    middle = max(1.0, link.resolved.sum() / 4)

    def cube(k: Array) -> Array:
        return np.asarray(fitted(middle) * (k / middle) ** 3)

    return {f"fitted: power {fitted.exponent:.2f} ± {fitted.error:.2f}": fitted, "cube": cube}
