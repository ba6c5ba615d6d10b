"""Share of seeds of the nulls that give the same verdict, for networks that ship with the package.

    python benchmarks/verdict_stability.py [--networks 3] [--seeds 20] [--nulls 50] [--inputs 2000] [--write docs/nulls.md]

A seed draws the nulls and chooses the inputs, half of a pool of simulated traces. Controls are the 38 that ship.
The table is that of docs/nulls.md.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import numpy as np
from pages import write_section
from threadpoolctl import threadpool_limits

import descrambler as ds
from descrambler.evidence._stability import STABLE
from descrambler.evidence._verdicts import kind_of
from descrambler.evidence.detectors import DETECTORS

Place = tuple[str, str]


def interpretations(network: ds.Network, options: argparse.Namespace) -> list[ds.Interpretation]:
    """Interpret one network once per seed."""
    data = ds.deer.simulate(2 * options.inputs, random_state=1)
    nuisance, wanted = ds.deer.variations()
    left_out = set(options.without)
    return [
        ds.interpret(
            network,
            data.traces,
            controls=ds.deer.controls(),
            nulls=options.nulls,
            null_inputs=options.inputs,
            random_state=seed,
            reference=ds.deer.kernel(data.time, data.distance),
            nuisance=nuisance,
            wanted=wanted,
            detectors=[d for d in DETECTORS if d.name not in left_out],
            threads=1,
        )
        for seed in range(options.seeds)
    ]


def rows(name: str, results: list[ds.Interpretation]) -> list[str]:
    """Return a row per claim: its verdicts over the seeds, and in how many it is called unstable."""
    lines = []
    for column in zip(*(result.findings for result in results), strict=True):
        if not np.isfinite(column[0].value):
            continue
        kinds = Counter(kind_of(finding.verdict) for finding in column)
        words = Counter(finding.verdict for finding in column)
        told = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())
        same = f"{kinds.most_common(1)[0][1] / len(column):.0%}"
        exact = f"{words.most_common(1)[0][1] / len(column):.0%}"
        unstable = sum(finding.stability < STABLE for finding in column)
        cells = name, column[0].what, column[0].where, told, same, exact, str(unstable)
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=3, help="shipped networks, from seed 0 on")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--nulls", type=int, default=50)
    parser.add_argument("--inputs", type=int, default=2000)
    parser.add_argument("--without", nargs="*", default=(), metavar="DETECTOR")
    parser.add_argument("--write", type=Path, metavar="PAGE")
    options = parser.parse_args()
    head = ("network", "claim", "where", "verdicts", "same kind", "same words", "called unstable")
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    with threadpool_limits(1):
        for seed in range(options.networks):
            results = interpretations(ds.deer.pretrained(seed=seed), options)
            lines += rows(f"seed {seed}", results)
            print("\n".join(lines), flush=True)
    if options.write is not None:
        write_section(options.write, "verdict stability", "\n".join(lines))


if __name__ == "__main__":
    main()
