"""``python -m benchmarks performance``: the page on speed, measured on this machine in a quarter of an hour."""

from __future__ import annotations

import argparse
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from descrambler._util.files import write_bytes
from descrambler.cli._common import force_argument, new_folder, save_png
from descrambler.cli._main import run_command

from . import critical_path, machine, orthomax, processes, ratios, run, tables, threads
from .figures import gap_figure, roofline_figure
from .measure import SCALES, Scale

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SECTIONS = ("ratios", "peers", "critical-path", "defaults")
PEERS = """\
*Smoothness* of signals whose Gram matrix has eigenvalues that fall over 8 decades (and over 2), on one thread, from P = 1. A run ends
when its value is within 1e-6 of the optimum (2 decades: 1e-3), or after {seconds:g} s; the note tells how far it came. Ours begins with the
signals, its Gram matrix included; the others get the Gram matrix. "cayley-lbfgs" is the reference's algorithm in our C++.

*Varimax, quartimax, kurtosis*: {orthomax} The cap is {cap:g} s."""
PEER_CAP = 15.0
# Why a target is missed: by a part of the name of the case.
REASONS = {
    "random, best peer": "two eigendecompositions, two Hessians of some ten products each, and ten products to close",
    ", A ": "both are limited by matrix products, which the BLAS of NumPy multiplies faster than Eigen does",
    "eigh": "beside the eigendecomposition: the sign of the determinant, transform, sampling errors; calls of Python at n = 256",
    "two threads": "threads wait for each other after every loop, processes do not; the second processor is a virtual one",
    "L-BFGS step": "the smallest halves of the inverse, and passes between products, on one thread",
    "Cayley value": "the smallest halves of the inverse, and passes between products, on one thread",
    "default threads": "two virtual processors of one core: threads that wait for each other gain nothing",
    "varimax": "the singular value decomposition, by LAPACK on one thread",
}
MISSED = "| missed | measured | target | reason |\n|---|---|---|---|"


@dataclass(frozen=True)
class Picture:
    """A picture beside a section's table."""

    name: str
    caption: str
    draw: Callable[[], Figure]


@dataclass(frozen=True)
class Part:
    """A section of the page, and its targets that are missed: case, measured, target."""

    title: str
    about: str
    lines: Sequence[str]
    missed: Sequence[tuple[str, str, str]]
    picture: Picture | None = None


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    command = argparse.ArgumentParser(
        prog="python -m benchmarks performance",
        description="Measure the ratios to other packages, the critical path of the loops that threads share, and the threads "
        "of the defaults. Prints the page on speed; -o writes it as performance.md, with pictures. Needs the extra bench, "
        "and a C++ compiler and Eigen for the critical path. Leave the machine alone for these 20 minutes.",
    )
    command.add_argument(
        "sections",
        nargs="*",
        metavar="SECTION",
        help="these alone: ratios (7 minutes), peers (3), critical-path (3), defaults (5); all by default",
    )
    command.add_argument(
        "--largest", type=int, default=2048, metavar="N", help="largest size, up to 4096 (2048)"
    )
    command.add_argument(
        "--pairs",
        type=int,
        default=threads.PAIRS,
        metavar="N",
        help=f"pairs of processes, with the default and with one thread ({threads.PAIRS})",
    )
    command.add_argument("--quick", action="store_true", help="small sizes, two minutes")
    command.add_argument("-o", "--output", type=Path, help="folder for the page")
    force_argument(command)
    return command


def main(arguments: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    options = parser().parse_args(arguments)
    options.command = shlex.join(["python", "-m", "benchmarks", "performance", *arguments])
    return run_command(lambda: measure(options), vars(options))


def measure(options: argparse.Namespace) -> None:
    """Measure, print and write."""
    if not 256 <= options.largest <= 4096:
        raise ValueError(f"--largest must be within 256 and 4096, got {options.largest}")
    unknown = [name for name in options.sections if name not in SECTIONS]
    if unknown:
        raise ValueError(f"SECTION must be of {', '.join(SECTIONS)}, got {' '.join(unknown)}")
    if options.pairs < 1:
        raise ValueError(f"--pairs must be at least 1, got {options.pairs}")
    if options.output is not None:
        new_folder(options.output, options.force)
    description, start = machine.describe(), time.perf_counter()
    scale = SCALES["quick" if options.quick else "full"]
    scale = replace(scale, seconds=scale.seconds / 4, largest=options.largest)
    parts: list[Part] = []
    steps: dict[str, Callable[[], Part]] = {
        "ratios": lambda: _ratios(scale),
        "peers": lambda: _peers(options.quick),
        "critical-path": lambda: _critical_path(scale),
        "defaults": lambda: _defaults(scale, options.pairs),
    }
    for name in options.sections or SECTIONS:
        parts.append(steps[name]())
        print("\n".join([f"## {parts[-1].title}\n", *parts[-1].lines, ""]), flush=True)
    minutes = (time.perf_counter() - start) / 60
    text = page(description | {"Took": f"{minutes:.1f} minutes"}, parts, options.command)
    print("\n".join(missed_table(parts)))
    if options.output is not None:
        for part in parts:
            if part.picture is not None:
                save_png(part.picture.draw(), options.output / part.picture.name)
        write_bytes(options.output / "performance.md", text.encode())


def _ratios(scale: Scale) -> Part:
    lines: list[tables.Line] = []
    for count in run.THREADS:
        for row in run.run("ratios", replace(scale, threads=count)):
            lines.append(tables.Line("ratios", count, row))
    lines += [tables.Line("ratios", 2, processes.row(n)) for n in _sizes(scale)]
    return Part(ratios.TITLE, ratios.ABOUT, _table(lines), _missed(lines))


def _table(lines: Sequence[tables.Line]) -> list[str]:
    return [tables.HEADER, *map(tables.markdown, lines)]


def _missed(lines: Sequence[tables.Line]) -> list[tuple[str, str, str]]:
    return [
        (f"{line.row.case}, {line.row.theirs}, {line.threads} threads", f"{line.row.value:.3g}", f"{line.row.limit:.3g}")
        for line in lines
        if line.row.met is False
    ]  # fmt: skip


def _sizes(scale: Scale) -> list[int]:
    """Return the sizes at which threads are held against processes."""
    most = scale.choose(tiny=64, quick=256, full=min(1024, scale.largest))
    return [n for n in (64, 256, 1024) if n <= most and (n > 64 or most == 64)]


def _peers(quick: bool) -> Part:
    cap = PEER_CAP / 5 if quick else PEER_CAP
    scale = replace(SCALES["quick"], cap=cap)
    lines = [
        tables.Line(name, 1, row)
        for name in ("smoothness", "orthomax")
        for row in run.run(name, scale)
    ]
    caption = "Smoothness, eigenvalues over 8 decades, one thread: relative gap to the optimum against time."
    about = PEERS.format(seconds=cap / 3, orthomax=orthomax.ABOUT, cap=cap)
    picture = Picture("bench_gaps.png", caption, lambda: gap_figure(tables.traces(lines)))
    return Part("Beside other packages", about, _table(lines), _missed(lines), picture)


def _critical_path(scale: Scale) -> Part:
    sizes = [n for n in ratios.SIZES if n <= scale.largest]
    sizes = scale.choose(tiny=[64], quick=[256], full=sizes)
    signals = scale.choose(tiny=2000, quick=20_000, full=100_000)
    try:
        works = critical_path.measure(sizes, signals, scale.choose(tiny=1, quick=3, full=5))
    except OSError as error:
        return Part(critical_path.TITLE, critical_path.ABOUT, [f"Not measured: {error}."], [])
    rates = critical_path.machine()
    caption = (
        "Rate of one core against floating-point operations per byte of memory traffic. The roof: the measured bandwidth, "
        "and the measured rate of SciPy's matrix product. Beside the points: n."
    )
    picture = Picture("bench_roofline.png", caption, lambda: roofline_figure(rates, works))
    lines = [critical_path.HEADER, *critical_path.lines(works, rates)]
    missed = [
        (
            f"{work.work}, n = {work.n}, {work.precision}",
            f"{100 * work.serial / work.seconds:.1f} % serial",
            f"{100 * most:g} %",
        )
        for work in works
        if (most := critical_path.limit(work)) is not None and work.serial > most * work.seconds
    ]
    return Part(critical_path.TITLE, critical_path.ABOUT, lines, missed, picture)


def _defaults(scale: Scale, pairs: int) -> Part:
    names = scale.choose(
        tiny=["polar, n = 80"], quick=list(threads.ROWS)[:2], full=list(threads.ROWS)
    )
    found = threads.compare(names, pairs, scale.seconds / 5)
    lines = [threads.HEADER, *(threads.line(name, ratio) for name, ratio in found.items())]
    missed = [
        (f"{name}, default threads / one", f"{ratio.low:.2f} to {ratio.high:.2f}", f"{threads.MOST:g}")
        for name, ratio in found.items()
        if ratio.low > threads.MOST
    ]  # fmt: skip
    return Part(threads.TITLE, threads.ABOUT, lines, missed)


def missed_table(parts: Sequence[Part]) -> list[str]:
    """Return the lines of the table of targets that are missed, with reasons."""
    missed = [each for part in parts for each in part.missed]
    if not missed:
        return ["All targets are met."]
    reasons = (
        next((why for name, why in REASONS.items() if name in case), "not known")
        for case, *_ in missed
    )
    rows = (f"| {' | '.join(each)} | {why} |" for each, why in zip(missed, reasons, strict=True))
    return [MISSED, *rows]


def page(description: dict[str, str], parts: Sequence[Part], command: str) -> str:
    """Return the page: ratios, missed targets, and the rest."""
    first, *others = parts
    text = [
        "# Speed\n",
        f'Written by `{command}`. Times are medians; "value" is ours / theirs, the median of the ratios of neighbors, '
        "unless the case names another quantity.\n",
        f"## {first.title}\n\n{first.about}\n",
        *first.lines,
        "\n## Missed targets\n",
        *missed_table(parts),
    ]
    for part in others:
        text += [f"\n## {part.title}\n\n{part.about}\n", *part.lines]
        if part.picture is not None:
            caption = part.picture.caption
            text += [f"\n![{caption}]({part.picture.name})\n\n{caption}"]
    text += ["\n## Machine\n", "| machine | |\n|---|---|"]
    text += [f"| {name} | {value} |" for name, value in description.items()]
    return "\n".join(text) + "\n"
