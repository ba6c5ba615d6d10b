"""How near the link modes that are called resolved are to the truth, and how often their signs flip.

    python benchmarks/resolution.py [--repeats 20] [--reference 100000] [--write docs/gauge.md]

Samples are drawn again and again; each sample's modes are compared with those of the population, or of
a large reference sample. The table is that of docs/gauge.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pages import write_section

import descrambler as ds
from descrambler.criteria import link_basis

N = 24
PROMISED, SIZES = 0.96, (60, 300, 3000)
SPECTRA = {
    "geometric": np.geomspace(1, 1e-3, N),
    "slow": np.geomspace(1, 0.1, N),
    "power": np.arange(1, N + 1) ** -1.5,
    "pairs": np.repeat(np.geomspace(1, 1e-2, N // 2), 2) * np.tile([1, 0.8], N // 2),
}
DRAWS = {
    "Gauss": lambda rng, shape: rng.standard_normal(shape),
    "Laplace": lambda rng, shape: rng.laplace(size=shape) / np.sqrt(2),
    "Student t, 5 degrees": lambda rng, shape: rng.standard_t(5, size=shape) / np.sqrt(5 / 3),
    "exponential": lambda rng, shape: rng.exponential(size=shape) - 1,
}
DEER_SIZES = (500, 2000, 10000)


class Modes(NamedTuple):
    """Link modes in rows, in the gauge of the package, and what is said of them."""

    rows: np.ndarray
    resolved: np.ndarray
    signed: np.ndarray


class Tally:
    """|cos| of resolved modes with their counterparts, and signs that are resolved in both."""

    def __init__(self, name: str) -> None:
        self.name, self.cosines = name, [np.empty(0)]
        self.signed = self.opposite = 0

    def add(self, sample: Modes, truth: Modes) -> None:
        cosine = np.einsum("ij,ij->i", sample.rows, truth.rows)
        self.cosines.append(np.abs(cosine[sample.resolved]))
        both = sample.signed & truth.signed
        self.signed += int(both.sum())
        self.opposite += int((cosine[both] < 0).sum())

    def row(self) -> str:
        cosine = np.concatenate(self.cosines)
        if not cosine.size:
            return f"| {self.name} | 0 | | | | |"
        below = [f"{(cosine < limit).mean():.1%}" for limit in (0.99, PROMISED)]
        cells = [str(cosine.size), *below, f"{np.quantile(cosine, 0.05):.3f}"]
        signs = f"{self.opposite} of {self.signed}" if self.signed else ""
        return f"| {self.name} | {' | '.join(cells)} | {signs} |"


def modes(signals: np.ndarray) -> Modes:
    result = ds.descramble(signals)
    rows = link_basis(signals.shape[1]).to_modes(result.rotation.matrix.astype(np.float64))
    return Modes(rows, result.resolved, result.sign_resolved)


def populations(repeats: int) -> Iterator[Tally]:
    """Signals whose modes are known: the units, by falling second moment."""
    truth = Modes(np.eye(N), np.ones(N, bool), np.zeros(N, bool))
    for name, draw in DRAWS.items():
        for m in SIZES:
            tally = Tally(f"{name}, {m} inputs")
            for spectrum in SPECTRA.values():
                for seed in range(repeats):
                    rng = np.random.default_rng([seed, m])
                    tally.add(modes(draw(rng, (m, N)) * spectrum), truth)
            yield tally


def deer(repeats: int, reference: int) -> Iterator[Tally]:
    """Signals of two shipped networks, before and after the activation, on fresh traces."""
    large = ds.deer.simulate(reference, random_state=10_000).traces
    tallies = [Tally(f"DEER, {m} inputs") for m in DEER_SIZES]
    for decay in (1e-6, 0):
        network = ds.deer.pretrained(weight_decay=decay)
        truths = {tap: modes(network.signals(large, 1, tap)) for tap in ("before", "after")}
        for tally, m in zip(tallies, DEER_SIZES, strict=True):
            for seed in range(repeats):
                traces = ds.deer.simulate(m, random_state=seed).traces
                for tap, truth in truths.items():
                    tally.add(modes(network.signals(traces, 1, tap)), truth)
    yield from tallies


def table(repeats: int, reference: int) -> str:
    head = f"| signals | modes called resolved | below 0.99 | below {PROMISED} | 95 % are above | opposite signs |"
    rows = [t.row() for t in (*populations(repeats), *deer(repeats, reference))]
    return "\n".join([head, "|---|---|---|---|---|---|", *rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--reference", type=int, default=100_000, help="traces of the reference")
    parser.add_argument("--write", type=Path, metavar="PAGE")
    options = parser.parse_args()
    text = table(options.repeats, options.reference)
    print(text)
    if options.write is not None:
        write_section(options.write, "resolution", text)


if __name__ == "__main__":
    main()
