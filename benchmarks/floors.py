"""Thresholds and width: what random networks reach, and how strong a planted effect must be to reach the threshold.

    python benchmarks/floors.py [--draws 100] [--plants 9] [--write docs/nulls.md]

Random networks have normal weights, which are random directions, too, and 500 simulated traces; "diagonal" is measured in
the middle of three layers. The value given is that which one network in twenty exceeds (or falls below, where
small values count). The effects are those of `controls.py`; strength is the share of the planted layer's squared
weights that belongs to the effect, and the strength given is that at which the median network reaches the threshold.
The link frequency map is planted a second time, in link modes each of which is 0.75 times as strong as the one before,
at any width. Nulls play no part here: `shown_by.py` gives the strength that is found among them.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from unittest import mock

import controls as plants_of
import numpy as np
from controls import directions, inputs, network, normal, own, reference
from pages import write_section
from threadpoolctl import threadpool_limits

from descrambler.axis import index_axis
from descrambler.evidence._claims import Claim, claims, measure
from descrambler.evidence._study import Study
from descrambler.evidence.detectors import DETECTORS, Axes, Detector
from descrambler.evidence.detectors._maps import LINK_MAP

SIZES = ((64, 24), (128, 40), (256, 80), (512, 160))
PLANTED = (SIZES[0], SIZES[2])
FEWER = 0.3  # draws at the largest size, as a part of the others'
STEPS = 7
"""Halvings of the interval of strengths."""
PLACES = {"notch at zero": 0, "low rank": 2}
"""Where to look if a detector applies to several places."""
APART = "the same, link modes as far apart as in 24 units"


def family(detectors: tuple[Detector, ...], n_layers: int) -> tuple[Claim, ...]:
    """Claims of each detector at one place of a network of the size that is set."""
    n, units = plants_of.N, plants_of.UNITS
    widths = [n, *[units] * (n_layers - 1), n]
    some = network(*(np.ones((o, i)) for i, o in zip(widths[:-1], widths[1:], strict=True)))
    axes = Axes(index_axis("input", n), index_axis("output", n))
    everything = claims(some, detectors, axes, plants_of.INPUTS)
    return tuple(c for c in everything if c.layer == PLACES.get(c.detector.name, c.layer))


def detectors() -> tuple[tuple[Detector, ...], tuple[Detector, ...]]:
    """Return those of two layers, and those that need a layer between two link dimensions."""
    everything = plants_of.detectors(DETECTORS, directions(), reference())
    middle = tuple(d for d in everything if d.name == "diagonal")
    return tuple(d for d in everything if d not in middle), middle


def chance(draws: int) -> dict[str, tuple[float, float]]:
    """Value that one random network in twenty exceeds, and the threshold, of each detector."""
    x = inputs(0)
    n, units = plants_of.N, plants_of.UNITS
    told = {}
    for shapes, some in zip(
        (((units, n), (n, units)), ((units, n), (units, units), (n, units))),
        detectors(),
        strict=True,
    ):
        everything = family(some, len(shapes))
        rows = np.array(
            [
                measure(Study(network(*(normal(rng, *s) for s in shapes)), x), everything)
                for rng in map(np.random.default_rng, range(draws))
            ]
        )
        for claim, column in zip(everything, rows.T, strict=True):
            detector = claim.detector
            sizes = detector.size(column[np.isfinite(column)])
            level = 0.05 if detector.tail == "lower" else 0.95
            told[detector.name] = float(np.quantile(sizes, level)), claim.floor
    return told


def reaching(name: str, what: str, count: int) -> float:
    """Strength at which the median network with an effect reaches the threshold of a detector."""
    some = tuple(d for d in own(name) if d.name == what)
    [claim] = family(some, 3 if what == "diagonal" else 2)

    def reaches(strength: float) -> bool:
        values = []
        for seed in range(count):
            rng = np.random.default_rng([seed, list(plants_of.PLANTS).index(name)])
            x = inputs(seed)
            values.append(
                measure(Study(plants_of.PLANTS[name].build(rng, strength, x), x), [claim])
            )
        return bool(np.mean(claim.detector.reach(np.ravel(values), claim.floor)) > 0.5)

    low, high = 0.0, 1.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if reaches(middle) else (middle, high)
    return high


def strengths(count: int) -> dict[str, float]:
    """Strength at which each detector's threshold is reached, at the size that is set."""
    told = {
        what: reaching(name, what, count)
        for name, plant in plants_of.PLANTS.items()
        for what in dict(plant.targets)
    }
    with mock.patch.object(plants_of, "falling_rank", lambda: np.arange(plants_of.UNITS)):
        told[APART] = reaching("power-law map of the link", LINK_MAP.name, count)
    return told


def table(draws: int, count: int) -> str:
    """Return the table as Markdown."""
    random, planted = {}, {}
    for size in SIZES:
        plants_of.set_size(*size)
        random[size] = chance(max(int(draws * (FEWER if size == SIZES[-1] else 1)), 1))
        if size in PLANTED:
            planted[size] = strengths(count)
    head = [
        "detector",
        "threshold",
        *(f"random, {units} units" for _, units in SIZES),
        *(f"strength, {units} units" for _, units in PLANTED),
    ]
    lines = [head, ["---"] * len(head)]
    names = list(random[SIZES[0]])
    names.insert(names.index(LINK_MAP.name) + 1, APART)
    for name in names:
        values, floors = zip(*(random[size].get(name, (None, None)) for size in SIZES), strict=True)
        reached = (f"{planted[size][name]:.2f}" for size in PLANTED)
        lines.append(
            [name, ", ".join(map(number, dict.fromkeys(floors))), *map(number, values), *reached]
        )
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def number(value: float | None) -> str:
    return "" if value is None else f"{value:.2g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=100, help="random networks of each size")
    parser.add_argument("--plants", type=int, default=9, help="networks of each effect")
    parser.add_argument("--write", type=Path, metavar="PAGE")
    options = parser.parse_args()
    with threadpool_limits(1):
        text = table(options.draws, options.plants)
    print(text)
    if options.write is not None:
        write_section(options.write, "floors", text)


if __name__ == "__main__":
    main()
