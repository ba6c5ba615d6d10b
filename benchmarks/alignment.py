"""How alike the hidden signals of the shipped DEERNets are: ``python -m benchmarks.alignment``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import NamedTuple

import numpy as np

import descrambler as ds
from descrambler.deer import PRETRAINED


class Kind(NamedTuple):
    """Pairs of networks of one kind."""

    name: str
    pairs: list[tuple[ds.Network, ds.Network]]


class Values(NamedTuple):
    """Of one pair: relative distance before and after, and R^2 held out and its ceiling."""

    before: float
    after: float
    r2: float
    ceiling: float


def kinds(n_controls: int) -> Iterator[Kind]:
    """Yield the kinds of pairs: shipped networks, the same before training, and controls."""
    networks = {entry: ds.deer.pretrained(*entry) for entry in PRETRAINED}
    pairs = list(combinations(PRETRAINED, 2))
    for same, name in ((False, "different first weights"), (True, "same first weights")):
        chosen = [(a, b) for a, b in pairs if _same_start(networks[a], networks[b]) is same]
        yield Kind(f"trained, {name}", [(networks[a], networks[b]) for a, b in chosen])
        if not same:
            starts = [(networks[a].initial, networks[b].initial) for a, b in chosen]
            yield Kind("the same before training", [(a, b) for a, b in starts if a and b])
    for kind, name in (("once", "permuted once"), ("anew", "permuted anew")):
        controls = ds.deer.controls(kind)[kind][:n_controls]
        yield Kind(f"controls, targets {name}", list(pairwise(controls)))
        mixed = zip(networks.values(), controls, strict=False)
        yield Kind(f"trained with control, {name}", list(mixed))


def _same_start(a: ds.Network, b: ds.Network) -> bool:
    assert a.initial and b.initial
    return np.array_equal(a.initial.linear(1).weight, b.initial.linear(1).weight)


def measured(pair: tuple[ds.Network, ds.Network], traces: np.ndarray) -> Values:
    """Align one pair: distances about zero, R^2 about the means."""
    a, b = (network.signals(traces, 1, "after") for network in pair)
    raw, centered = (ds.align(a, b, "O", center=center, nulls=0) for center in (False, True))
    assert raw.distance_before is not None
    return Values(raw.distance_before, raw.distance, centered.r2, centered.ceiling)


def markdown(n_traces: int, n_controls: int) -> str:
    """Return the table as Markdown: median, and range in brackets."""
    traces = ds.deer.simulate(n_traces, random_state=0).traces
    lines = [
        "| pairs | number | distance before | after one rotation | held-out R², centered | ceiling |",
        "|---|---|---|---|---|---|",
    ]
    for kind in kinds(n_controls):
        rows = np.array([measured(pair, traces) for pair in kind.pairs])
        cells = (f"{np.median(c):.3f} ({c.min():.3f} to {c.max():.3f})" for c in rows.T)
        lines.append(f"| {kind.name} | {len(rows)} | {' | '.join(cells)} |")
    networks = ds.deer.pretrained(), ds.deer.pretrained(seed=1)
    a, b = (network.signals(traces, 1, "after") for network in networks)
    shuffled = ds.align(a, b, "O").nulls["shuffled rows"]
    lines.append(
        f"| chance: shuffled rows, one pair | {shuffled.n} draws | | | {shuffled.mean:.3f} "
        f"({min(shuffled.values):.3f} to {max(shuffled.values):.3f}) | |"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", "--traces", type=int, default=4000)
    parser.add_argument("--controls", type=int, default=19, help="networks of each kind")
    options = parser.parse_args()
    print(markdown(options.traces, options.controls))
