"""``python -m benchmarks``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from descrambler._util.files import write_bytes
from descrambler.cli._common import force_argument, json_argument, new_folder, save_png
from descrambler.cli._main import run_command

from . import machine, run, tables
from .figures import cost_figure, gap_figure
from .measure import SCALES, Scale
from .performance import main as speed_page
from .threads import main as threads_table

GAPS, COSTS = "bench_gaps.png", "bench_costs.png"
CAPTIONS = {
    GAPS: "Smoothness, Gram eigenvalues over 8 decades, one thread: relative gap to the optimum against time.",
    COSTS: "Time against size, one thread, with fitted powers of n.",
}


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    command = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure speed side by side with the other packages that are installed (extra: bench). Prints "
        "one table; -o writes it as .csv, .json and a page with pictures.",
        epilog="example: python -m benchmarks --quick -o bench; 'python -m benchmarks performance --help' measures the page on "
        "speed, 'python -m benchmarks threads --help' the threads of the defaults",
    )
    command.add_argument(
        "sections", nargs="*", metavar="SECTION", help=f"default: {' '.join(run.SECTIONS)}"
    )
    command.add_argument("--quick", action="store_true", help="small sizes, three minutes")
    command.add_argument(
        "--cap",
        type=float,
        metavar="S",
        help="seconds for an optimizer to get there (60; quick: 2)",
    )
    command.add_argument("--threads", type=int, nargs="+", default=run.THREADS, metavar="T")
    command.add_argument("-o", "--output", type=Path, help="folder for the results")
    force_argument(command)
    json_argument(command)
    return command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks; return the exit code of a command of the package."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    others = {"threads": threads_table, "performance": speed_page}
    if given and given[0] in others:
        return others[given[0]](given[1:])
    options = parser().parse_args(given)
    return run_command(lambda: bench(options), vars(options))


def bench(options: argparse.Namespace) -> None:
    """Measure, print and write."""
    sections = options.sections or run.SECTIONS
    for name in sections:
        if name not in run.SECTIONS:
            raise ValueError(f"SECTION must be one of {', '.join(run.SECTIONS)}, got {name!r}")
    if min(options.threads) < 1:
        raise ValueError(f"threads must be positive, got {min(options.threads)}")
    scale = SCALES["quick" if options.quick else "full"]
    if options.cap is not None:
        if not options.cap > 0:
            raise ValueError(f"cap must be positive, got {options.cap}")
        scale = replace(scale, cap=options.cap)
    if options.output is not None:
        new_folder(options.output, options.force)
    description = machine.describe()
    if not options.json:
        for name, value in description.items():
            print(f"{name:<14} {value}")
        print(f"\n{tables.HEADER}")
    lines: list[tables.Line] = []
    for name in sections:
        for threads in options.threads:
            for row in run.run(name, replace(scale, threads=threads)):
                lines.append(tables.Line(name, threads, row))
                if not options.json:
                    print(tables.markdown(lines[-1]), flush=True)
        if options.output is not None:
            _write(options.output, lines, description, scale)
    print(tables.as_json(lines, description) if options.json else f"\n{tables.summary(lines)}")


def _write(
    folder: Path, lines: Sequence[tables.Line], description: dict[str, str], scale: Scale
) -> None:
    """Write all there is so far, each file whole."""
    write_bytes(folder / "bench.csv", tables.comma_separated(lines).encode())
    write_bytes(folder / "bench.json", tables.as_json(lines, description).encode())
    pictures = {}
    if traces := tables.traces(lines):
        save_png(gap_figure(traces), folder / GAPS)
        pictures[GAPS] = CAPTIONS[GAPS]
    if costs := _costs(lines):
        save_png(cost_figure(costs), folder / COSTS)
        pictures[COSTS] = CAPTIONS[COSTS]
    about = {name: (run.section(name).TITLE, run.section(name).ABOUT) for name in run.SECTIONS}
    command = (
        f"python -m benchmarks{' --quick' if scale.name == 'quick' else ''} --cap {scale.cap:g}"
    )
    text = tables.page(lines, description, about, pictures, command)
    write_bytes(folder / "bench.md", text.encode())


def _costs(lines: Sequence[tables.Line]) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """Seconds of ours against size, by section, where there are at least two; one thread."""
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for section, threads, row in lines:
        if row.curve and row.ours_seconds and threads == 1:
            curves = found.setdefault(run.section(section).CURVES, {})
            curves.setdefault(row.curve, []).append((row.n, row.ours_seconds))
    drawn = {
        title: {name: points for name, points in curves.items() if len(points) > 1}
        for title, curves in found.items()
    }
    return {title: curves for title, curves in drawn.items() if curves}
