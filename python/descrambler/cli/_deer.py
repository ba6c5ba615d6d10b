"""descrambler deer."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import deer
from .._util.files import write_bytes
from ..deer.figures import band_text, distance_figure, unmodulated_figure
from ..errors import NoModulationError
from ..network._network import Network
from ..readers import load
from ._common import json_argument, new_folder, output_argument, print_json, save_figure
from ._deer_arguments import model_arguments, networks_argument, reading_arguments
from ._deer_tables import distribution_csv, peak_lines, result_row, results_csv, trace_csv
from ._parser import add_command
from ._paths import input_file

if TYPE_CHECKING:
    from ._common import Commands

QUICK = 400
"""Simulated traces for the band of networks that come without a calibration."""


def add_to(commands: Commands) -> None:
    parser = add_command(
        commands,
        "deer",
        "predict distance distributions from measured traces",
        does="Predict distance distributions from measured DEER or RIDME traces, with 95 % bands.",
        writes="results.csv; for each trace its distribution (.csv) and picture (.png, .svg)",
        takes="seconds per trace; the first time with some networks longer, for their calibration",
        example="descrambler deer trace.DTA --net 1.mat 2.mat -o out",
    )
    parser.add_argument(
        "traces",
        type=input_file,
        nargs="+",
        metavar="TRACE",
        help="Bruker .DTA or .DSC, MATLAB .mat, or text",
    )
    networks_argument(parser)
    parser.add_argument(
        "--experiment",
        choices=("deer", "ridme"),
        default="deer",
        help="experiment that was measured (default: deer)",
    )
    reading_arguments(parser)
    model_arguments(parser)
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="seed that draws the 64 points of released networks (default: 0)",
    )
    parser.add_argument(
        "--write",
        nargs="+",
        choices=("deeranalysis", "deerlab"),
        default=[],
        metavar="PROGRAM",
        help="write the results for other programs, too: deeranalysis (_distr.dat, _bckg.dat, _fit.dat) or deerlab (.json)",
    )
    parser.add_argument(
        "--report",
        action="store_true",
        help="write report.html: everything of a trace on one page",
    )
    output_argument(parser)
    json_argument(parser)
    parser.set_defaults(action=predict)


def predict(options: argparse.Namespace) -> None:
    """Print the peaks; write distributions, tables and pictures."""
    raw = [trace for path in options.traces for trace in _loaded(options, path)]
    cuts = {name: getattr(options, name) for name in ("start", "stop", "zero")}
    traces = [deer.prepare(trace, **cuts) for trace in raw]
    nets = networks(options.net)
    known = None if options.calibration is None else deer.load_calibration(options.calibration)
    if known is not None:
        known.check(nets, options.experiment)
    if options.shared_background and len(traces) < 2:
        raise ValueError("--shared-background needs two or more traces")
    new_folder(options.output, options.force)
    band = known or _calibration(options, nets)
    found = _predicted(options, nets, band, traces)
    rows = [
        _write(options, folder, measured, trace, result)
        for folder, measured, trace, result in zip(
            _folders(options, traces), raw, traces, found, strict=True
        )
    ]
    refused = [row for row in rows if "refused" in row]
    if refused and len(rows) == 1:
        raise ValueError(refused[0]["refused"])
    if len(rows) > 1 or rows[0]["modulated"]:
        write_bytes(options.output / "results.csv", results_csv(rows).encode())
    if options.json:
        print_json("deer", rows[0] if len(rows) == 1 else {"traces": rows})
    elif any(row["modulated"] for row in rows):
        print(f"results (.csv, .png, .svg) are in {options.output}/")
    if refused:
        raise ValueError(
            f"{len(refused)} of {len(rows)} traces were refused, {refused[0]['trace']} for one: "
            f"{refused[0]['refused']}. The others are in {options.output}/"
        )


def _loaded(options: argparse.Namespace, path: Path) -> tuple[deer.Trace, ...]:
    reading = {"columns": options.columns, "unit": options.unit}
    if options.slice == "all":
        return deer.load_traces(path, **reading)
    if options.slice is not None and not options.slice.isdecimal():
        raise ValueError(f"--slice must be a number from 1, or all, got {options.slice!r}")
    number = None if options.slice is None else int(options.slice)
    return (deer.load_trace(path, slice=number, **reading),)


def networks(paths: list[Path] | None) -> list[Network]:
    """Return the networks of these files, or those that ship."""
    if paths is None:
        return [deer.pretrained(*kind) for kind in deer.PRETRAINED if kind.n_layers == 2]
    return [load(path) for path in paths]


def _calibration(options: argparse.Namespace, nets: list[Network]) -> deer.Calibration | None:
    """Return the calibration that ships with the networks, or a quick one, which is kept."""
    if len(nets) < 2:
        return None
    shipped = deer.shipped_calibration(nets, options.experiment)
    if shipped is not None:
        return shipped
    if not options.json:
        print(f"calibrating the 95 % band of these networks on {QUICK} simulated traces")
    quick = deer.calibrate(nets, QUICK, experiment=options.experiment)
    quick.save(options.output / "calibration.json")
    return quick


Outcome = deer.DistanceDistribution | NoModulationError | ValueError


def _predicted(
    options: argparse.Namespace,
    nets: list[Network],
    band: deer.Calibration | None,
    traces: list[deer.Trace],
) -> list[Outcome]:
    """Return for each trace its distribution, or why it has none."""
    dimension = None if options.dimension is None else tuple(options.dimension)
    found: list[Outcome] = []
    for trace in traces:
        try:
            found.append(
                deer.predict_distances(
                    nets, trace, experiment=options.experiment, dimension=dimension,
                    shortest=options.shortest, calibration=band, random_state=options.seed,
                )
            )  # fmt: skip
        except (NoModulationError, ValueError) as error:
            found.append(error)
    places = [k for k, one in enumerate(found) if isinstance(one, deer.DistanceDistribution)]
    if options.shared_background and len(places) > 1:
        results = [one for one in found if isinstance(one, deer.DistanceDistribution)]
        shared = deer.share_background(results, [traces[k] for k in places], dimension=dimension)
        for k, result in zip(places, shared, strict=True):
            found[k] = result
    return found


def _folders(options: argparse.Namespace, traces: list[deer.Trace]) -> list[Path]:
    if len(traces) == 1:
        return [options.output]
    digits = len(str(len(traces)))
    return [options.output / f"trace_{number:0{digits}}" for number in range(1, len(traces) + 1)]


def _write(
    options: argparse.Namespace,
    folder: Path,
    measured: deer.Trace,
    trace: deer.Trace,
    found: Outcome,
) -> dict[str, Any]:
    """Write what was found in a trace; print it, and return its row."""
    say = (lambda _: None) if options.json else print
    say(f"{trace.name}: {trace.time.size} points, {trace.time[-1]:.3f} us from the zero time")
    if not isinstance(found, deer.DistanceDistribution):
        for note in trace.notes:
            say(note)
    if isinstance(found, ValueError) and not isinstance(found, NoModulationError):
        return result_row(trace, None) | {"refused": str(found)}
    folder.mkdir(exist_ok=True)
    if isinstance(found, NoModulationError):
        dimension = None if options.dimension is None else tuple(options.dimension)
        test = deer.modulation(trace, options.experiment, dimension)
        save_figure(unmodulated_figure(trace, test), folder / "trace")
        _report(options, folder, measured, trace, test)
        say(str(found))
        return result_row(trace, None, float(test.p))
    write_bytes(folder / "distribution.csv", distribution_csv(found).encode())
    write_bytes(folder / "trace.csv", trace_csv(trace, found).encode())
    save_figure(distance_figure(trace, found), folder / "distribution")
    stem = folder / Path(trace.name.partition(",")[0]).stem
    if "deeranalysis" in options.write:
        deer.save_deeranalysis(trace, found, stem)
    if "deerlab" in options.write:
        deer.save_deerlab(trace, found, stem.with_name(f"{stem.name}.json"))
    spread = found.depth_spread
    depth = f"{found.fit.depth:.3f}" + (f" +- {spread:.3f}" if spread == spread else "")
    say(f"modulation depth {depth}, {band_text(found)}")
    for line in peak_lines(found):
        say(line)
    _report(options, folder, measured, trace, found)
    warnings = deer.trace_warnings(trace, found)
    for warning in warnings:
        say(f"warning: {warning}")
    return result_row(trace, found) | {"warnings": list(warnings)}


def _report(
    options: argparse.Namespace,
    folder: Path,
    measured: deer.Trace,
    trace: deer.Trace,
    found: deer.DistanceDistribution | deer.Modulation,
) -> None:
    if not options.report:
        return
    files = "those that ship" if options.net is None else ", ".join(map(str, options.net))
    known = {
        "networks": files,
        "experiment": options.experiment,
        "cuts (start, stop, zero)": ", ".join(
            "-" if cut is None else f"{cut:g} µs"
            for cut in (options.start, options.stop, options.zero)
        ),
        "dimension of the background": "{:g} to {:g}".format(*(options.dimension or (2, 3.5))),
        "shared background": "yes" if options.shared_background else "no",
        "seed": options.seed,
    }
    deer.write_trace_page(folder / "report.html", measured, trace, found, known)
