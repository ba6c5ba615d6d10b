"""Control networks with a false "learnt", true networks, and planted effects, at both sizes: docs/controls.md.

    python benchmarks/shown_by.py FOLDER [--widths 64 24 64] [--judged 10] [--true 5] [--plants 20] [--train] [--write docs/controls.md]

FOLDER holds networks as `control_networks.py` writes them; `--train` trains those that are missing, with seeds
that were fixed before the rule was touched (`SEEDS`). Of every size, `--judged` networks of each shuffled kind
are judged as if they were a user's: by 19 others of their own kind, by 19 of the other kind, and by the nulls.
The nulls are drawn only for networks with a claim beyond both kinds: they can only take verdicts away, so the
counts are those of `ds.interpret`. True networks are judged in the same way. Planted effects are looked for without
controls: found is "present".
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import controls as plants_of
import numpy as np
import scipy.stats
from calibration import SHUFFLED, family, found, share
from control_networks import read
from pages import write_section
from threadpoolctl import threadpool_limits

import descrambler as ds
from descrambler.evidence._claims import measure
from descrambler.evidence._study import Study
from descrambler.evidence._verdicts import LEAST_CONTROLS

SIZES = ([64, 24, 64], [256, 80, 256])
SEEDS = {"true": 52000, "once": 50000, "anew": 51000}
"""First seeds of the networks that `--train` makes, for every size."""
NULLS = 20
GRID = (0.99, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4)
"""Strengths at which planted effects are looked for, while more than 80 % are found."""


class Pool(NamedTuple):
    """Networks of one size and kind, and the values of all claims on them."""

    networks: list[ds.Network]
    values: np.ndarray


def pool(widths: list[int], kind: str, folder: Path, count: int) -> Pool:
    """Read the first networks of a kind and measure them."""
    name = "_".join(map(str, widths))
    networks: list[ds.Network] = []
    for path in sorted(folder.glob(f"{name}_{kind}_*.npz")):
        if len(networks) < count:
            networks += read(path)
    networks = networks[:count]
    if not networks:
        raise FileNotFoundError(f"no networks {name}_{kind}_*.npz in {folder}: give --train")
    traces, everything = family(widths)
    return Pool(networks, np.array([measure(Study(x, traces), everything) for x in networks]))


def learnt(widths: list[int], pools: dict[str, Pool], kind: str, place: int) -> list[str]:
    """Claims that one network of a kind is said to have learnt, judged by 19 others of each kind."""
    others = {
        k: [i for i in range(len(pools[k].networks)) if (k, i) != (kind, place)][:LEAST_CONTROLS]
        for k in SHUFFLED
    }
    traces, everything = family(widths)
    row = pools[kind].values[place]
    beyond = [found(everything, row, pools[k].values[others[k]]) for k in SHUFFLED]
    if not np.logical_and(*beyond).any():
        return []
    network = pools[kind].networks[place]
    data = ds.deer.simulate(1, n_points=widths[0])
    nuisance, wanted = ds.deer.variations(n_points=widths[0])
    result = ds.interpret(
        network,
        traces,
        controls={k: [pools[k].networks[i] for i in others[k]] for k in SHUFFLED},
        nulls=NULLS,
        reference=ds.deer.kernel(data.time, data.distance),
        nuisance=nuisance,
        wanted=wanted,
        threads=1,
    )
    return [f"{f.what}, {f.where}" for f in result.findings if f.verdict == "learnt"]


def of_size(widths: list[int], folder: Path, judged: int, n_true: int) -> list[str]:
    """Return the lines on the networks of one size."""
    count = max(judged, LEAST_CONTROLS + 1)
    pools = {kind: pool(widths, kind, folder, count) for kind in SHUFFLED}
    pools["true"] = pool(widths, "true", folder, n_true)
    size = "-".join(map(str, widths))
    lines = []
    for kind in SHUFFLED:
        told = [learnt(widths, pools, kind, i) for i in range(min(judged, count))]
        which = Counter(claim for claims in told for claim in claims)
        named = ", ".join(f"{claim} {n}" for claim, n in which.most_common()) or "-"
        flags = [bool(claims) for claims in told]
        lines.append(
            f"| {size} | {kind} | {sum(flags)} of {len(flags)}, {share(flags)} | {named} |"
        )
    told = [learnt(widths, pools, "true", i) for i in range(len(pools["true"].networks))]
    which = Counter(claim for claims in told for claim in claims)
    named = ", ".join(f"{claim} {n}" for claim, n in which.most_common()) or "-"
    lines.append(f"| {size} | true | {sum(map(bool, told))} of {len(told)} | {named} |")
    return lines


def planted(widths: list[int], draws: int, only: list[str]) -> list[str]:
    """Return a row per planted effect: found at full strength, and the strength at which 80 % are."""
    plants_of.set_size(widths[0], widths[1], 500 if widths[0] == 64 else 1000)
    size = "-".join(map(str, widths))
    lines = []
    for name in only:
        counts: dict[float, np.ndarray] = {}
        for strength in GRID:
            flags = [plants_of.positive((name, strength, seed)) for seed in range(draws)]
            counts[strength] = np.sum(flags, axis=0)
            if (counts[strength] < 0.8 * draws).all():
                break
        for place, (what, where) in enumerate(plants_of.PLANTS[name].targets):
            by_strength = {s: int(c[place]) for s, c in counts.items()}
            full = by_strength[GRID[0]]
            interval = scipy.stats.binomtest(full, draws).proportion_ci()
            cells = (
                name,
                f"{what}, {where}",
                f"{full} of {draws} ({interval.low:.0%} to {interval.high:.0%})",
            )
            lines.append(f"| {size} | {' | '.join(cells)} | {at_80(by_strength, draws)} |")
    return lines


def at_80(by_strength: dict[float, int], draws: int) -> str:
    """Return the strength at which 80 % are found, linear between those that were tried."""
    tried = sorted(by_strength, reverse=True)
    for above, below in zip(tried, tried[1:], strict=False):
        high, low = (by_strength[s] / draws for s in (above, below))
        if high >= 0.8 > low:
            return f"{below + (above - below) * (0.8 - low) / (high - low):.2f}"
    return f"> {tried[0]:g}" if by_strength[tried[0]] < 0.8 * draws else f"< {tried[-1]:g}"


def train(widths: list[int], folder: Path, counts: dict[str, int]) -> None:
    """Train what is missing, one process per kind after the other."""
    for kind, count in counts.items():
        first = SEEDS[kind]
        here = Path(__file__).parent / "control_networks.py"
        size = [str(width) for width in widths]
        seeds = f"{first}-{first + count - 1}"
        command = [sys.executable, str(here), "--widths", *size, "--kind", kind]
        subprocess.run([*command, "--seeds", seeds, "-o", str(folder)], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--widths", type=int, nargs=3, action="append")
    parser.add_argument("--judged", type=int, default=10, help="networks of each kind and size")
    parser.add_argument("--true", type=int, default=5)
    parser.add_argument("--plants", type=int, default=20, help="draws of each effect; 0 for none")
    parser.add_argument("--only", nargs="*", default=list(plants_of.PLANTS), metavar="EFFECT")
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--write", type=Path, metavar="PAGE")
    options = parser.parse_args()
    networks = ["| size | trained on | with something learnt | what |", "|---|---|---|---|"]
    effects = [
        "| size | planted | detector | present at full strength | 80 % at |",
        "|---|---|---|---|---|",
    ]
    with threadpool_limits(1):
        for widths in options.widths or SIZES:
            if options.train:
                count = max(options.judged, LEAST_CONTROLS + 1)
                train(widths, options.folder, {"true": options.true, "once": count, "anew": count})
            networks += of_size(widths, options.folder, options.judged, options.true)
            print("\n".join(networks), flush=True)
            if options.plants:
                effects += planted(widths, options.plants, options.only)
                print("\n".join(effects), flush=True)
    text = "\n".join(networks) + ("\n\n" + "\n".join(effects) if options.plants else "")
    if options.write is not None:
        write_section(options.write, "shown by", text)


if __name__ == "__main__":
    main()
