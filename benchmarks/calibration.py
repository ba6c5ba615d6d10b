"""How often networks that learnt nothing are said to have learnt something, and true ones are not.

python benchmarks/calibration.py FOLDER [--widths 64 24 64] [--write docs/controls.md]

FOLDER holds the networks of `control_networks.py`. Each kind is cut into disjoint sets of 20: every network
of a set is judged by the 19 others of its kind and, for "both kinds", also by 19 networks of the other
kind. True networks are judged by sets of 19, and by 39, of both kinds. The nulls are left out: they could only
take verdicts away. All networks see the same 1000 simulated traces. Values are kept in FOLDER/values.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import scipy.stats
from control_networks import read
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

import descrambler as ds
from descrambler.evidence._claims import Claim, claims, measure
from descrambler.evidence._comparing import compared
from descrambler.evidence._study import Study
from descrambler.evidence._verdicts import LEAST_CONTROLS, LEVEL
from descrambler.evidence.detectors import (
    DETECTORS,
    Axes,
    kernel_order,
    reference_inverse,
    rejection,
)

INPUTS, SEED = 1000, 20_261_129
SET = LEAST_CONTROLS + 1
SHUFFLED = ("once", "anew")
HEADING = "## Networks that learnt nothing"


def family(widths: list[int]) -> tuple[NDArray, tuple[Claim, ...]]:
    """Return the traces that all networks see, and the claims."""
    n = widths[0]
    data = ds.deer.simulate(INPUTS, SEED, n)
    kernel = ds.deer.kernel(data.time, data.distance)
    directions = ds.deer.variations(n_points=n)
    axes = Axes(ds.Axis("time", "µs", 0, 2), ds.Axis("distance", "Å", 15, 60))
    detectors = reference_inverse(kernel), kernel_order(kernel), *DETECTORS, rejection(*directions)
    shapes = zip(widths[1:], widths[:-1], strict=True)
    some = ds.Network([ds.Linear(np.ones(shape)) for shape in shapes])
    return data.traces, claims(some, detectors, axes, INPUTS)


def values(path: Path, widths: list[int]) -> NDArray:
    """Values of all claims on the networks of a file, measured once."""
    kept = path.parent / "values" / f"{path.stem}.npy"
    if not kept.exists():
        traces, everything = family(widths)
        with threadpool_limits(1):
            rows = [measure(Study(network, traces), everything) for network in read(path)]
        kept.parent.mkdir(exist_ok=True)
        np.save(kept, np.array(rows))
    return np.load(kept)


def found(everything: tuple[Claim, ...], judged: NDArray, draws: NDArray) -> NDArray:
    """Which claims of a network are beyond draws of one kind."""
    comparisons = compared(everything, judged, draws)
    beyond = np.zeros(len(everything), bool)
    for j, comparison in comparisons.items():
        beyond[j] = comparison.p <= LEVEL
    return beyond


def false_families(everything: tuple[Claim, ...], by_kind: dict[str, NDArray]) -> list[str]:
    """Rows of the table: families with a false finding, within each kind and over both."""
    lines = []
    for kind, other in (SHUFFLED, SHUFFLED[::-1]):
        own, rivals = by_kind[kind], by_kind[other]
        n_sets = min(len(own), len(rivals)) // SET
        within, both = [], []
        for start in range(0, n_sets * SET, SET):
            group, others = own[start : start + SET], rivals[start : start + SET - 1]
            for i, row in enumerate(group):
                one = found(everything, row, np.delete(group, i, axis=0))
                within.append(one.any())
                both.append((one & found(everything, row, others)).any())
        lines.append(f"| {kind} | {len(within)} | {share(within)} | {share(both)} |")
    return lines


def share(flags: list[bool]) -> str:
    """Return a percentage with its 95 % interval (Clopper and Pearson)."""
    interval = scipy.stats.binomtest(sum(flags), len(flags)).proportion_ci()
    return f"{np.mean(flags):.1%} ({interval.low:.1%} to {interval.high:.1%})"


def power(
    everything: tuple[Claim, ...], by_kind: dict[str, NDArray], count: int
) -> tuple[int, NDArray]:
    """Return how many true networks were judged, and the share of them in which each claim is learnt."""
    n_sets = min(len(by_kind[kind]) for kind in SHUFFLED) // count
    flags = [
        np.logical_and.reduce(
            [found(everything, row, by_kind[kind][start : start + count]) for kind in SHUFFLED]
        )
        for number, row in enumerate(by_kind["true"])
        for start in [count * (number % n_sets)]
    ]
    return len(flags), np.mean(flags, axis=0)


def section(widths: list[int], folder: Path) -> str:
    """Return the section of the page."""
    name = "_".join(map(str, widths))
    paths = {kind: sorted(folder.glob(f"{name}_{kind}_*.npz")) for kind in ("true", *SHUFFLED)}
    with ProcessPoolExecutor(2) as pool:
        jobs = {
            kind: [pool.submit(values, path, widths) for path in found_paths]
            for kind, found_paths in paths.items()
        }
        by_kind = {kind: np.vstack([job.result() for job in done]) for kind, done in jobs.items()}
    everything = family(widths)[1]
    lines = [
        f"### {'-'.join(map(str, widths))}",
        "",
        "| judged kind | networks | families with a false finding, within the kind | over both kinds |",
        "|---|---|---|---|",
        *false_families(everything, by_kind),
        "",
    ]
    counts = [c for c in (SET - 1, 2 * SET - 1) if min(map(len, by_kind.values())) >= c]
    shares = [power(everything, by_kind, count) for count in counts]
    head = " | ".join(f"{count} of each kind" for count in counts)
    lines += [f"| learnt, of {shares[0][0]} true networks | where | {head} |"]
    lines += ["|---|---" + "|---" * len(counts) + "|"]
    for j, claim in enumerate(everything):
        cells = " | ".join(f"{rates[j]:.0%}" for _, rates in shares)
        if any(rates[j] for _, rates in shares):
            lines.append(f"| {claim.detector.name} | {claim.where} | {cells} |")
    cells = " | ".join(f"{rates.sum():.1f}" for _, rates in shares)
    lines.append(f"| claims per network | | {cells} |")
    return "\n".join(lines)


INTRODUCTION = """
Networks that were trained on shuffled targets, by the recipe of `benchmarks/control_networks.py` (Adam 3e-3, 3000 steps, 4000 traces), judged by
disjoint sets of 19 others of their kind, each kind by itself, and by 19 of both kinds together, as `learnt` asks for. The nulls are left out here; they could only
take verdicts away. A network that is judged by its own kind is exchangeable with its controls: 5 % of families are to be expected. Intervals are for 95 %.
`python benchmarks/calibration.py FOLDER --write docs/controls.md` makes this section.
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--widths", type=int, nargs=3, action="append")
    parser.add_argument("--write", type=Path, metavar="PAGE")
    options = parser.parse_args()
    sections = [section(widths, options.folder) for widths in options.widths or [[64, 24, 64]]]
    text = "\n\n".join([HEADING + "\n" + INTRODUCTION.rstrip(), *sections])
    print(text)
    if options.write is not None:
        before, _, rest = options.write.read_text().partition(HEADING)
        after = "".join(rest.partition("\n## ")[1:])  # other scripts write the sections that follow
        options.write.write_text(f"{before.rstrip()}\n\n{text}\n{after}")


if __name__ == "__main__":
    main()
