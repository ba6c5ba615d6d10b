"""Share of seeds of the nulls that give the same verdict, for networks that ship with the package.

    python benchmarks/verdict_stability.py [--networks 8] [--seeds 20] [--nulls 20] [--keep runs.json] [--write docs/nulls.md]

A seed draws the nulls and chooses the inputs, half of a pool of simulated traces. Networks of the recipe of the 38 controls
that ship are compared with these, the others with nulls alone; nulls and inputs are as many as in `descrambler demo`. `--keep` names a file of the runs that are done: what is in it is not run again.
The table is that of docs/nulls.md.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pages import write_section
from threadpoolctl import threadpool_limits

import descrambler as ds
from descrambler.deer._pretrained import PRETRAINED, Pretrained
from descrambler.evidence._stability import STABLE
from descrambler.evidence._verdicts import kind_of
from descrambler.evidence.detectors import DETECTORS


class Told(NamedTuple):
    """One claim in one run."""

    what: str
    where: str
    value: float
    verdict: str
    stability: float
    unstable: bool


Runs = dict[str, list[Told]]
"""By network, settings and seed."""


def run(which: Pretrained, seed: int, options: argparse.Namespace) -> list[Told]:
    """Interpret a network once."""
    data = ds.deer.simulate(2 * options.inputs, random_state=1)
    nuisance, wanted = ds.deer.variations()
    result = ds.interpret(
        ds.deer.pretrained(*which),
        data.traces,
        controls=ds.deer.controls() if has_controls(which) else None,
        nulls=options.nulls,
        null_inputs=options.inputs,
        random_state=seed,
        reference=ds.deer.kernel(data.time, data.distance),
        nuisance=nuisance,
        wanted=wanted,
        detectors=[d for d in DETECTORS if d.name not in options.without],
        threads=1,
    )
    return [
        Told(f.what, f.where, f.value, f.verdict, f.stability, "unstable:" in f.sentence)
        for f in result.findings
    ]


def read(path: Path | None) -> Runs:
    """Return the runs that are kept in a file."""
    if path is None or not path.exists():
        return {}
    kept = json.loads(path.read_text())
    return {key: [Told(*row) for row in rows] for key, rows in kept.items()}


def has_controls(which: Pretrained) -> bool:
    """Whether the shipped controls are of the recipe of a network."""
    return which[:2] == (2, 1e-6)


def name_of(which: Pretrained) -> str:
    """Return the name of a network in the table."""
    widths = "-".join(["256", *["80"] * (which.n_layers - 1), "256"])
    decay = "" if which.weight_decay else " without weight decay"
    return f"{widths}{decay}, seed {which.seed}"


def runs(which: Pretrained, options: argparse.Namespace, kept: Runs) -> list[list[Told]]:
    """Interpret a network once per seed, or take what is kept."""
    for seed in range(options.seeds):
        key = _key(which, seed, options)
        if key not in kept:
            kept[key] = run(which, seed, options)
            if options.keep is not None:
                options.keep.write_text(json.dumps(kept))
    return [kept[_key(which, seed, options)] for seed in range(options.seeds)]


def _key(which: Pretrained, seed: int, options: argparse.Namespace) -> str:
    left_out = ",".join(sorted(options.without))
    return f"{name_of(which)}, {options.nulls} nulls, {options.inputs} inputs, without {left_out}: {seed}"


def rows(name: str, results: list[list[Told]]) -> list[str]:
    """Return a row per claim: its verdicts over the seeds, and in how many its sentence calls it unstable."""
    lines = []
    for column in zip(*results, strict=True):
        if not np.isfinite(column[0].value):
            continue
        kinds = Counter(kind_of(told.verdict) for told in column)
        words = Counter(told.verdict for told in column)
        verdicts = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())
        same = f"{kinds.most_common(1)[0][1] / len(column):.0%}"
        exact = f"{words.most_common(1)[0][1] / len(column):.0%}"
        assert all(told.unstable == (told.stability < STABLE) for told in column)
        unstable = sum(told.unstable for told in column)
        cells = name, column[0].what, column[0].where, verdicts, same, exact, str(unstable)
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def count(beside: str, results: list[list[list[Told]]]) -> str:
    """Say how many claims of some networks keep their kind of verdict, and how often sentences say so."""
    columns = [
        column
        for of_network in results
        for column in zip(*of_network, strict=True)
        if np.isfinite(column[0].value)
    ]
    kept = [c for c in columns if len({kind_of(told.verdict) for told in c}) == 1]
    called = sum(told.unstable for column in kept for told in column)
    return (
        f"{beside}: of {len(columns)} claims, {len(kept)} keep their kind of verdict in all runs; {called} of these "
        f"{sum(map(len, kept))} verdicts were called unstable."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--networks", type=int, default=len(PRETRAINED), help="the first so many that ship"
    )
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--nulls", type=int, default=20)
    parser.add_argument("--inputs", type=int, default=2000)
    parser.add_argument("--without", nargs="*", default=(), metavar="DETECTOR")
    parser.add_argument("--keep", type=Path, metavar="FILE")
    parser.add_argument("--write", type=Path, metavar="PAGE")
    options = parser.parse_args()
    head = ("network", "claim", "where", "verdicts", "same kind", "same words", "called unstable")
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    groups: dict[str, list[list[list[Told]]]] = {}
    with threadpool_limits(1):
        kept = read(options.keep)
        for which in PRETRAINED[: options.networks]:
            found = runs(which, options, kept)
            beside = "With controls" if has_controls(which) else "Without controls"
            groups.setdefault(beside, []).append(found)
            lines += rows(name_of(which), found)
            print("\n".join(lines), flush=True)
    for beside, results in groups.items():
        lines += ["", count(beside, results)]
        print(lines[-1])
    if options.write is not None:
        write_section(options.write, "verdict stability", "\n".join(lines))


if __name__ == "__main__":
    main()
