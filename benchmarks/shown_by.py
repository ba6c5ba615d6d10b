"""Control networks with a false "learnt", true networks, and planted effects, at both sizes: docs/controls.md.

    python benchmarks/shown_by.py [FOLDER] [--widths 64 24 64] [--judged 10] [--true 5] [--plants 20] [--train] [--write docs/controls.md]

FOLDER holds networks as `control_networks.py` writes them; `--train` trains those that are missing, with seeds
that were fixed before the rule was touched (`SEEDS`). Of every size, `--judged` networks of each shuffled kind
are judged as if they were a user's: by 19 others of their own kind, by 19 of the other kind, and by the nulls.
The nulls are drawn only for networks with a claim beyond both kinds: they can only take verdicts away, so the
counts are those of `ds.interpret`. True networks are judged in the same way. Planted effects are looked for without
controls: found is "present". Without FOLDER, planted effects and random networks alone.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import controls as plants_of
import numpy as np
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
MORE_NULLS = {"ordered link of falling weight": 50}
"""Draws of each null kind: the default of `ds.interpret` where 20 do not decide, to save time for the others."""
GRID = (plants_of.FULL, plants_of.NOISY, 0.97, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05)
"""Strengths at which planted effects are looked for, strongest first."""


def nulls_for(name: str) -> int:
    """Return the draws of each null kind that a planted effect is compared with."""
    return MORE_NULLS.get(name, NULLS)


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


class Outcomes:
    """Which targets of planted effects were present; kept in a file, if one is given, and not sought again."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.known: dict[str, list[bool]] = {}
        if path is not None and path.exists():
            self.known = json.loads(path.read_text())

    def of(self, widths: list[int], name: str, strength: float, seed: int) -> list[bool]:
        """Whether each is present: with at most 1 % of noise among all claims, else among those of the effect alone."""
        nulls = ("nulls", MORE_NULLS[name]) if name in MORE_NULLS else ()
        key = " ".join(map(str, (*widths, name, strength, seed, *nulls)))
        if key not in self.known:
            plants_of.set_size(widths[0], widths[1])
            plants_of.set_nulls(nulls_for(name))
            among = plants_of.family if strength >= plants_of.NOISY else plants_of.own
            looked_for = among(name)
            self.known[key] = plants_of.positive((name, strength, seed), looked_for)
            if self.path is not None:
                self.path.write_text(json.dumps(self.known))
        return self.known[key]


def planted(
    widths: list[int], draws: int, weak: int, only: list[str], outcomes: Outcomes
) -> list[str]:
    """Return a row per planted effect: present at full strength, and the strength at which 80 % are."""
    lines = []
    for name in only:
        tries = [
            [outcomes.of(widths, name, strength, seed) for seed in range(draws)]
            for strength in GRID[:2]
        ]
        for place, target in enumerate(plants_of.PLANTS[name].targets):
            full, noisy = ([row[place] for row in rows] for rows in tries)

            def tried(strength: float, name: str = name, place: int = place) -> float:
                seeds = range(weak)
                return np.mean([outcomes.of(widths, name, strength, s)[place] for s in seeds])

            at = at_80(tried, float(np.mean(full))) if weak else "-"
            seen = (f"{sum(flags)} of {draws}, {share(flags)}" for flags in (full, noisy))
            cells = name, ", ".join(target), *seen, at, str(nulls_for(name))
            lines.append(f"| {'-'.join(map(str, widths))} | {' | '.join(cells)} |")
            print(lines[-1], flush=True)
    return lines


def at_80(tried: Callable[[float], float], full: float) -> str:
    """Return the strength at which 80 % are found, linear between neighbors of the grid, which is halved in turn."""
    rates = {0: full}
    if full < 0.8:
        return f"> {GRID[0]:g}"
    above, below = 0, len(GRID)
    while below - above > 1:
        middle = (above + below) // 2
        rates[middle] = tried(GRID[middle])
        above, below = (middle, below) if rates[middle] >= 0.8 else (above, middle)
    if below == len(GRID):
        return f"<= {GRID[-1]:g}"
    part = (0.8 - rates[below]) / (rates[above] - rates[below])
    return f"{GRID[below] + (GRID[above] - GRID[below]) * part:.2f}"


def chance(widths: list[int], count: int) -> str:
    """Return the line on random networks, in which there is nothing to find."""
    told = [plants_of.negative(seed) for seed in range(count)]
    which = Counter(", ".join(claim) for claims in told for claim in claims)
    named = "; ".join(f"{claim} {n}" for claim, n in which.most_common()) or "-"
    flags = [bool(claims) for claims in told]
    size = "-".join(map(str, widths))
    return f"| {size} | {sum(flags)} of {count}, {share(flags)} | {named} |"


def train(widths: list[int], folder: Path, counts: dict[str, int]) -> None:
    """Train what is missing, one process per kind after the other."""
    for kind, count in counts.items():
        first = SEEDS[kind]
        here = Path(__file__).parent / "control_networks.py"
        size = [str(width) for width in widths]
        seeds = f"{first}-{first + count - 1}"
        command = [sys.executable, str(here), "--widths", *size, "--kind", kind]
        subprocess.run([*command, "--seeds", seeds, "-o", str(folder)], check=True)


def of_networks(options: argparse.Namespace) -> str:
    """Return the table of trained networks."""
    lines = ["| size | trained on | with something learnt | what |", "|---|---|---|---|"]
    for widths in options.widths or SIZES:
        if options.train:
            count = max(options.judged, LEAST_CONTROLS + 1)
            train(widths, options.folder, {"true": options.true, "once": count, "anew": count})
        lines += of_size(widths, options.folder, options.judged, options.true)
    return "\n".join(lines)


def of_plants(options: argparse.Namespace) -> str:
    """Return the tables of planted effects, and of random networks."""
    effects = [
        "| size | planted | detector | present at full strength | with 1 % of noise | 80 % at | draws |",
        "|---|---|---|---|---|---|---|",
    ]
    outcomes = Outcomes(options.keep)
    random = ["| size | random networks with something present | what |", "|---|---|---|"]
    for widths in options.widths or SIZES:
        effects += planted(widths, options.plants, options.weak, options.only, outcomes)
    for widths in (options.widths or SIZES) if options.random else ():
        plants_of.set_size(widths[0], widths[1])
        plants_of.set_nulls(NULLS)
        random.append(chance(widths, options.random))
    return "\n".join([*effects, "", *random] if options.random else effects)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--widths", type=int, nargs=3, action="append")
    parser.add_argument("--judged", type=int, default=10, help="networks of each kind and size")
    parser.add_argument("--true", type=int, default=5)
    parser.add_argument("--plants", type=int, default=20, help="draws of each effect; 0 for none")
    parser.add_argument(
        "--weak", type=int, default=10, help="draws of each, below full strength; 0 for none"
    )
    parser.add_argument(
        "--keep", type=Path, metavar="FILE", help="outcomes of planted effects: go on from there"
    )
    parser.add_argument(
        "--random", type=int, default=100, help="random networks of each size; 0 for none"
    )
    parser.add_argument("--only", nargs="*", default=list(plants_of.PLANTS), metavar="EFFECT")
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--write", type=Path, metavar="PAGE")
    options = parser.parse_args()
    sections = {}
    with threadpool_limits(1):
        if options.folder is not None:
            sections["shown by"] = of_networks(options)
        if options.plants:
            sections["planted"] = of_plants(options)
    for name, text in sections.items():
        print(f"{text}\n")
        if options.write is not None:
            write_section(options.write, name, text)


if __name__ == "__main__":
    main()
