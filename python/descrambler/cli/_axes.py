"""The axes of a network's inputs and outputs, from options of the command line."""

from __future__ import annotations

import argparse
from dataclasses import replace

from ..axis import Axis, index_axis
from ..evidence.detectors import Axes
from ..network._network import Network


def axis_arguments(parser: argparse.ArgumentParser) -> None:
    """Add names, units, ranges and order of both axes, for `axes_of`."""
    parser.add_argument(
        "--axis",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "UNIT"),
        help='name and unit of the input axis, as in --axis time us; given again: of the output axis. No unit: ""',
    )
    parser.add_argument(
        "--span",
        nargs="+",
        type=float,
        metavar="VALUE",
        help="first and last value of the input axis, then of the output axis, as in --span 0 2 15 60",
    )
    parser.add_argument(
        "--unordered",
        nargs="+",
        choices=("inputs", "outputs"),
        default=(),
        help="axes without a natural order (e.g. several signals concatenated); order-dependent findings are not tested",
    )


def axes_of(options: argparse.Namespace, network: Network) -> Axes:
    """Return the axes; plain numbers where nothing was said.

    Raises
    ------
    ValueError
        If there are more than two axes, or the range of one is not of two values.
    """
    if len(options.axis) > 2:
        raise ValueError("--axis must be given once for the inputs and once for the outputs")
    span = options.span or []
    if len(span) not in (0, 2, 4):
        raise ValueError(
            f"--span must have two values (inputs), or four (inputs, outputs), got {len(span)}"
        )
    plain = index_axis("input", network.n_in), index_axis("output", network.n_out)
    made = []
    for number, (name, axis) in enumerate(zip(Axes._fields, plain, strict=True)):
        ends = span[2 * number : 2 * number + 2]
        if number < len(options.axis):
            given, unit = options.axis[number]
            axis = Axis(given, unit, axis.start, axis.stop)
        if ends:
            if not ends[1] > ends[0]:
                raise ValueError(
                    f"--span must have rising values, got {ends[0]:g} and {ends[1]:g}: where they fall, give "
                    f"them with a minus, {-ends[0]:g} {-ends[1]:g}"
                )
            axis = Axis(axis.name, axis.unit, *ends)
        made.append(replace(axis, ordered=name not in options.unordered))
    return Axes(*made)
