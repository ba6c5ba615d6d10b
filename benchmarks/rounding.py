"""What storing control networks in float16 changes in the claims, and in what they decide.

    python benchmarks/rounding.py build/controls/once/*.npz build/controls/anew/*.npz

Each network is measured on the same 2000 simulated traces as it is, and rounded as the controls that ship are. A change
is given relative to the value, or to the threshold of the claim where that is larger: near zero a relative change
says nothing. A value that is there only before or only after the rounding has changed by any measure. Values that reach
the threshold, before or after, count in the test and must keep within 1 %; of the others only mean and spread over
the controls matter. So the shipped networks are judged by both, too. Without files: the networks that ship in float32.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import descrambler as ds
from descrambler.deer import _controls as stored
from descrambler.evidence._claims import Claim, claims, measure, reached
from descrambler.evidence._comparing import compared
from descrambler.evidence._study import Study
from descrambler.evidence._verdicts import LEVEL
from descrambler.evidence.detectors import (
    DETECTORS,
    Axes,
    kernel_order,
    reference_inverse,
    rejection,
)

INPUTS, SEED = 2000, 5
MOST = 0.01
"""Largest change of a value that counts."""
Pair = tuple[ds.Network, ds.Network]


class Change(NamedTuple):
    """Largest relative changes of a claim: among values that reach its threshold, and among the others."""

    name: str
    counted: float
    below: float


@lru_cache(1)
def inputs(n_points: int) -> NDArray:
    return ds.deer.simulate(INPUTS, SEED, n_points).traces


def family(network: ds.Network) -> tuple[Claim, ...]:
    """Return all claims on a DEERNet."""
    data = ds.deer.simulate(1, n_points=network.n_in)
    kernel = ds.deer.kernel(data.time, data.distance)
    directions = ds.deer.variations(n_points=network.n_in)
    axes = Axes(ds.Axis("time", "µs", 0, 2), ds.Axis("distance", "Å", 15, 60))
    detectors = reference_inverse(kernel), kernel_order(kernel), *DETECTORS, rejection(*directions)
    return claims(network, detectors, axes, INPUTS)


def values(network: ds.Network, everything: Sequence[Claim]) -> NDArray:
    return measure(Study(network, inputs(network.n_in)), everything)


def relative(before: NDArray, after: NDArray, floors: NDArray) -> NDArray:
    """Change of each value, relative to itself or to its threshold, whichever is larger."""
    change = np.abs(after - before) / np.maximum(np.abs(before), np.abs(floors))
    never = np.isnan(before) & np.isnan(after)
    return np.where(never, 0.0, np.where(np.isnan(change), np.inf, change))


def changes(everything: Sequence[Claim], before: NDArray, after: NDArray) -> list[Change]:
    """Changes of each claim; a row of values per network."""
    change = relative(before, after, np.array([claim.floor for claim in everything]))
    counts = reached(everything, before) | reached(everything, after)
    return [
        Change(f"{claim.detector.name}, {claim.where}", counted, below)
        for claim, counted, below in zip(
            everything,
            np.where(counts, change, 0.0).max(axis=0),
            np.where(counts, 0.0, change).max(axis=0),
            strict=True,
        )
    ]


class Rounded:
    """Networks of one shape, and the same as they would ship: all claims on both."""

    def __init__(self, networks: Sequence[ds.Network]) -> None:
        self.claims = family(networks[0])
        again = stored.unpack(stored.pack(list(networks)))
        self.before = np.array([values(x, self.claims) for x in networks])
        self.after = np.array([values(x, self.claims) for x in again])

    def changes(self) -> list[Change]:
        return changes(self.claims, self.before, self.after)

    def judged(self) -> str:
        """Return what the rounding of these controls changes for the networks that ship with them."""
        p = []
        for seed in range(3):
            row = values(ds.deer.pretrained(seed=seed), self.claims)
            exact, other = (compared(self.claims, row, x) for x in (self.before, self.after))
            p += [(exact[j].p, other[j].p) for j in exact]
        one, two = np.array(p).T
        crossed = np.count_nonzero((one <= LEVEL) != (two <= LEVEL))
        return (
            f"{crossed} of {len(p)} p values of the shipped networks cross {LEVEL:g}; the largest change is "
            f"{np.abs(one - two).max():.2g}"
        )


def refuse(told: Sequence[Change]) -> None:
    """Stop if a value that counts moves too much.

    Raises
    ------
    SystemExit
        Naming the claims.
    """
    moved = [f"{x.name} ({x.counted:.1%})" for x in told if x.counted > MOST]
    if moved:
        raise SystemExit(f"rounding moves claims by more than {MOST:.0%}: {', '.join(moved)}")


def table(told: Sequence[Change]) -> str:
    """Return the changes as lines, largest first."""
    lines = [f"{'counted':>8} {'below':>8}"]
    for x in sorted(told, key=lambda x: -x.counted):
        lines.append(f"{x.counted:8.2%} {x.below:8.2%}  {x.name}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", help="controls of one shape in float32")
    files = parser.parse_args().files
    groups: dict[str, list[ds.Network]] = {}
    for network in (
        map(ds.load, files) if files else (ds.deer.pretrained(*k) for k in ds.deer.PRETRAINED)
    ):
        settings = network.provenance["settings"]
        kind = settings["shuffle"] if files else "-".join(map(str, settings["widths"]))
        groups.setdefault(kind, []).append(network)
    for kind, networks in groups.items():
        told = Rounded(networks)
        print(f"{kind}: {len(networks)} networks, {INPUTS} traces\n{table(told.changes())}")
        if files:
            print(told.judged())
        refuse(told.changes())


if __name__ == "__main__":
    main()
