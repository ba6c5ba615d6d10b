"""Arguments of the commands on measured traces."""

from __future__ import annotations

import argparse

from ._paths import input_file


def networks_argument(parser: argparse.ArgumentParser) -> None:
    """Add the networks, for `networks`."""
    parser.add_argument(
        "--net",
        type=input_file,
        nargs="+",
        metavar="NET",
        help="networks of one kind (default: the two-layer networks that ship)",
    )


def reading_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how the files are read, and which part of the trace is used."""
    parser.add_argument(
        "--unit",
        choices=("auto", "s", "ms", "us", "ns"),
        default="auto",
        help="unit of the times in a text file (default: from their title, or by their length)",
    )
    parser.add_argument(
        "--columns",
        nargs="+",
        metavar="COLUMN",
        help="columns of a text file, by title or number from 1: time, real and, perhaps, imaginary part; "
        "names of variables for a .mat file",
    )
    parser.add_argument(
        "--slice",
        metavar="N",
        help="trace of a file that has several, from 1, or all",
    )
    parser.add_argument(
        "--start", type=float, metavar="US", help="drop what is before this time, in us"
    )
    parser.add_argument(
        "--stop", type=float, metavar="US", help="drop what is after this time, in us"
    )
    parser.add_argument(
        "--zero", type=float, metavar="US", help="zero time in us (default: the maximum)"
    )


def model_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the background, the sampling limit and the band."""
    parser.add_argument(
        "--dimension",
        type=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="range of the background's dimension in the fit (default: 2 3.5; the authors' program: 3 3.5)",
    )
    parser.add_argument(
        "--shared-background",
        action="store_true",
        help="fit one background to all traces (dilution series)",
    )
    parser.add_argument(
        "--shortest",
        type=float,
        default=25.0,
        metavar="A",
        help="shortest distance that the sample may have; refuse traces whose steps do not show it (default: 25)",
    )
    parser.add_argument(
        "--calibration",
        type=input_file,
        metavar="FILE",
        help="calibration of these networks by descrambler calibrate (default: the one that ships, or a quick one)",
    )
