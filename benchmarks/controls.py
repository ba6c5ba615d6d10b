"""Positive and negative controls of every detector: power against strength, and false families.

    python benchmarks/controls.py [--draws 100] [--random 200] [--workers 2] [--write docs/controls.md]

Positive: an effect is planted in a random network on 64 points and 24 units, scrambled by random
rotations, and looked for on 500 simulated traces. Negative: random networks, in which there is nothing to
find. Strength is the share of the planted layer's squared weights that belongs to the effect.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.fft
import scipy.stats
from tqdm import tqdm

import descrambler as ds
from descrambler.criteria import link_basis
from descrambler.evidence._study import Study
from descrambler.evidence.detectors import DETECTORS

N, UNITS, INPUTS, NULLS = 64, 24, 500, 20
# 0.99: with 0.95, white noise in the weights leaves a low-pass of 20 dB, and the color of the inputs alone makes 17 dB.
STRENGTHS = (0.99, 0.7, 0.4)
TARGET = 0.95
FOUND = ("learnt", "present")
LEVEL = 0.05


class Plant(NamedTuple):
    """An effect: which layers it makes, and which detectors must find it, where."""

    build: Callable[[np.random.Generator, float, np.ndarray], ds.Network]
    targets: tuple[tuple[str, str], ...]


def inputs(seed: int) -> np.ndarray:
    return ds.deer.simulate(INPUTS, random_state=seed, n_points=N).traces


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))


def mixed(planted: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Planted weights with noise added, of r.m.s. 1."""
    noise = rng.standard_normal(planted.shape)
    return np.sqrt(strength) * planted / rms(planted) + np.sqrt(1 - strength) * noise


def rotation(rng: np.random.Generator, n: int | None = None) -> np.ndarray:
    return scipy.stats.special_ortho_group.rvs(n or UNITS, random_state=rng)


def normal(rng: np.random.Generator, n_out: int, n_in: int) -> np.ndarray:
    return rng.standard_normal((n_out, n_in))


def network(*weights: np.ndarray) -> ds.Network:
    """Chain of layers with tanh between them, each of a gain that keeps signals of order one."""
    layers: list = []
    for w in weights:
        layers += [ds.Linear(w / (rms(w) * np.sqrt(w.shape[1]))), ds.Activation("tanh")]
    return ds.Network([*layers[:-1], ds.Activation("logistic")])


def falling_rank() -> np.ndarray:
    """Ranks of the units, on the scale of 24 of them."""
    return np.arange(UNITS) * 24 / UNITS


def modes_after(w: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Link modes of the signals after the first layer, one in a row, in terms of its units."""
    probe = Study(network(w, np.ones((2, len(w)))), x)
    return link_basis(len(w)).to_modes(probe.links[0].after.rotation.matrix)


def waves(frequencies: np.ndarray, n: int) -> np.ndarray:
    """Cosine and sine of each frequency (in half periods per axis), constant first, in rows."""
    phase = np.pi * np.outer(frequencies, np.arange(n) + 0.5) / n
    rows = np.stack([np.cos(phase), np.sin(phase)], axis=1).reshape(-1, n)
    return np.vstack([np.ones(n), rows]) / np.sqrt(n / 2)


def filtered(rng: np.random.Generator, gain: np.ndarray) -> np.ndarray:
    return scipy.fft.idct(rng.standard_normal((UNITS, N)) * gain, axis=1, norm="ortho")


def filter_plant(gain: np.ndarray) -> Callable:
    def build(rng, strength, x):
        return network(mixed(filtered(rng, gain), strength, rng), normal(rng, N, UNITS))

    return build


def band(low: float, high: float) -> np.ndarray:
    k = np.arange(N) / N
    return ((k >= low) & (k < high)).astype(float)


def bumps(place: np.ndarray) -> np.ndarray:
    """Column j feeds the outputs about a place of its own, 0 to 1 along the axis."""
    return np.exp(-0.5 * ((np.linspace(0, 1, N)[:, None] - place) / 0.05) ** 2)


def power_law(rng, strength, x):
    """The frequency that excites an output is the cube of its value, on an axis from 0.3 to 1."""
    place = np.linspace(0, 1, UNITS // 2).repeat(2)
    frequency = 0.9 * N * (0.3 + 0.7 * place[::2]) ** 3
    turn = rotation(rng)
    first = mixed(waves(frequency, N)[1:], strength, rng)
    return network(turn @ first, mixed(bumps(place), strength, rng) @ turn.T)


def link_map(rng, strength, x):
    """Link frequency k takes the input frequency that goes as its square."""
    k = np.arange(1, (UNITS + 1) // 2 + 1)
    rows = waves(0.9 * N * (k / k[-1]) ** 2, N)[:UNITS]
    # Uncorrelated on these inputs, so that their variance alone gives the order.
    covariance = rows @ (x.T @ x / len(x)) @ rows.T
    lower = np.linalg.cholesky(covariance + 1e-9 * np.trace(covariance) * np.eye(UNITS))
    planted = scipy.linalg.solve_triangular(lower, rows, lower=True)
    planted *= 0.75 ** falling_rank()[:, None]
    own = np.sqrt(np.mean(planted**2, axis=1, keepdims=True))
    w = np.sqrt(strength) * planted + np.sqrt(1 - strength) * own * normal(rng, UNITS, N)
    return network(rotation(rng) @ w, normal(rng, N, UNITS))


def link_order(rng, strength, x):
    """The higher the link frequency, the farther the output that it feeds."""
    first = normal(rng, UNITS, N)
    place = (np.arange(UNITS) + 1) // 2 / (UNITS // 2)
    return network(first, mixed(bumps(place), strength, rng) @ modes_after(first, x))


def joint_order(rng, strength, x):
    """The same, the weights falling with link frequency as the signals do: the joint recipe keeps the order."""
    first = normal(rng, UNITS, N)
    place = (np.arange(UNITS) + 1) // 2 / (UNITS // 2)
    falling = bumps(place) * 0.93 ** falling_rank()
    return network(first, mixed(falling, strength, rng) @ modes_after(first, x))


def reference() -> np.ndarray:
    """The DEER kernel on the axes of the inputs, shape (n_in, n_out)."""
    data = ds.deer.simulate(1, n_points=N)
    return ds.deer.kernel(data.time, data.distance)


def inverse(rng, strength, x):
    """A regularized inverse of the kernel, spread over both layers."""
    u, s, vt = np.linalg.svd(reference())
    gains = np.sqrt(s / (s**2 + (0.3 * s[0]) ** 2))[:UNITS]
    turn = rotation(rng)
    first = mixed((turn * gains) @ u[:, :UNITS].T, strength, rng)
    return network(first, mixed((vt[:UNITS].T * gains) @ turn.T, strength, rng))


def chebyshev(rng, strength, x):
    shapes = np.polynomial.chebyshev.chebvander(np.linspace(-1, 1, N), 4)
    gains = rng.uniform(0.7, 1.3, 5)
    planted = (shapes * gains) @ rotation(rng)[:5]
    return network(normal(rng, UNITS, N), mixed(planted, strength, rng))


def directions() -> dict[str, np.ndarray]:
    """Slow and fast waves: what a network may have been taught to ignore, and to see."""
    k = np.arange(1, 5)
    return {"nuisance": waves(k * 1.0, N)[1:], "wanted": waves(8.0 + k, N)[1:]}


def rejecting(rng, strength, x):
    """Blind to the nuisance directions, but for a rest."""
    q = np.linalg.qr(directions()["nuisance"].T)[0]
    w = normal(rng, UNITS, N)
    return network(mixed(w - w @ q @ q.T, strength, rng), normal(rng, N, UNITS))


def low_rank(rng, strength, x):
    """In the last layer: first weights of low rank are what sums of these slow inputs have, too."""
    planted = normal(rng, N, 4) @ normal(rng, 4, UNITS)
    return network(normal(rng, UNITS, N), mixed(planted, strength, rng))


def orthogonal(rng, strength, x):
    planted = rotation(rng, N)[:, :UNITS]
    return network(normal(rng, UNITS, N), mixed(planted, strength, rng))


def sinusoids(rng, strength, x):
    first = normal(rng, UNITS, N)
    values = 0.85 ** falling_rank()
    shuffled = rng.permutation(UNITS)
    planted = (rotation(rng, N)[:, :UNITS] * values) @ modes_after(first, x)[shuffled]
    return network(first, mixed(planted, strength, rng))


def diagonal(rng, strength, x):
    """A middle layer that weighs each link coordinate by itself."""
    first = normal(rng, UNITS, N)
    p = link_basis(UNITS).from_modes(modes_after(first, x))
    gains = rng.uniform(0.2, 1.8, UNITS)
    middle = rotation(rng) @ mixed(gains[:, None] * p, strength, rng)
    return network(first, middle, normal(rng, N, UNITS))


def plants() -> dict[str, Plant]:
    """The effects, for networks of the size that is set."""
    return {
        "low-pass filter": Plant(filter_plant(band(0, 0.3)), (("low-pass", "network"),)),
        "band-pass filter": Plant(filter_plant(band(0.2, 0.45)), (("band-pass", "network"),)),
        "notch": Plant(
            filter_plant(1 - band(0, 0.02)),
            (("notch at zero", "network"), ("notch at zero", "layer 1")),
        ),
        "nuisance rejection": Plant(rejecting, (("nuisance rejection", "network"),)),
        "power-law map": Plant(power_law, (("frequency map", "network"),)),
        "power-law map of the link": Plant(link_map, (("link frequency map", "layer 1"),)),
        "inverse of a kernel": Plant(
            inverse, (("inverse of the reference", "network"), ("kernel match", "network"))
        ),
        "ordered link": Plant(link_order, (("link order", "layer 2"),)),
        "ordered link of falling weight": Plant(joint_order, (("link order, joint", "layer 2"),)),
        "low rank": Plant(low_rank, (("low rank", "layer 2"),)),
        "orthogonal columns": Plant(orthogonal, (("orthogonal columns", "layer 2"),)),
        "Chebyshev output": Plant(chebyshev, (("polynomial outputs", "layer 2"),)),
        "sinusoids": Plant(sinusoids, (("link sinusoids", "layer 2"),)),
        "diagonal filter": Plant(diagonal, (("diagonal", "layer 2"),)),
    }


PLANTS = plants()


def set_size(n: int, units: int, n_inputs: int) -> None:
    """Plant in networks of n points and so many units from now on; also the initializer of workers."""
    globals().update(N=n, UNITS=units, INPUTS=n_inputs)
    PLANTS.update(plants())


def family(name: str) -> tuple:
    """All detectors; without the slow ridge fit where another effect was planted."""
    wanted = {what for what, _ in PLANTS[name].targets}
    slow = "link frequency map"
    return tuple(d for d in DETECTORS if d.name != slow or slow in wanted)


def positive(job: tuple[str, float, int]) -> list[bool]:
    name, strength, seed = job
    rng = np.random.default_rng([seed, list(PLANTS).index(name)])
    x = inputs(seed)
    planted = PLANTS[name].build(rng, strength, x)
    initial = ds.nulls.random_counterpart(planted, rng)
    settings = {"nulls": NULLS, "random_state": seed, "threads": 1, "detectors": family(name)}
    settings["reference"] = reference()
    result = ds.interpret(planted, x, initial, **settings, **directions())
    verdicts = {(f.what, f.where): f.verdict for f in result.findings}
    return [verdicts[target] in FOUND for target in PLANTS[name].targets]


def negative(seed: int) -> bool:
    """Whether anything is found where there is nothing: three layers, so that every detector looks."""
    rng = np.random.default_rng([seed, len(PLANTS)])
    widths = (N, UNITS, UNITS, N) if seed % 2 else (N, UNITS, N)
    layers = [normal(rng, o, i) for i, o in zip(widths[:-1], widths[1:], strict=True)]
    chance = network(*layers)
    initial = ds.nulls.random_counterpart(chance, rng)
    result = ds.interpret(
        chance, inputs(seed), initial, nulls=NULLS, random_state=seed, threads=1, **directions()
    )
    return any(f.verdict in FOUND for f in result.findings)


def run(jobs: list, work: Callable, workers: int) -> list:
    """Results in the order of the jobs, in processes."""
    with ProcessPoolExecutor(workers) as pool:
        return list(tqdm(pool.map(work, jobs, chunksize=4), total=len(jobs), mininterval=5))


def tally(jobs: list[tuple[str, float, int]], found: list[list[bool]]) -> dict:
    """Hits of each plant, target and strength."""
    hits: dict[tuple[str, int, float], list[bool]] = {}
    for (name, strength, _), flags in zip(jobs, found, strict=True):
        for place, flag in enumerate(flags):
            hits.setdefault((name, place, strength), []).append(flag)
    return hits


def below_target(hits: dict) -> list[str]:
    """Targets found too seldom at the greatest strength."""
    return [
        f"{name}: {PLANTS[name].targets[place]}"
        for (name, place, strength), flags in hits.items()
        if strength == STRENGTHS[0] and np.mean(flags) < TARGET
    ]


def limit(count: int) -> int:
    """False families among so many that 95 % of honest procedures stay within."""
    return int(scipy.stats.binom.ppf(0.95, count, LEVEL)) + 1


def table(hits: dict) -> list[str]:
    strengths = [f"{s:g}" for s in STRENGTHS]
    lines = [f"| planted | detector | where | {' | '.join(strengths)} |"]
    lines.append("|---|---|---" + "|---" * len(STRENGTHS) + "|")
    for name, place in dict.fromkeys((name, place) for name, place, _ in hits):
        what, where = PLANTS[name].targets[place]
        flags = [hits.get((name, place, s), []) for s in STRENGTHS]
        cells = [f"{sum(f)} of {len(f)}" for f in flags]
        lines.append(f"| {name} | {what} | {where} | {' | '.join(cells)} |")
    return lines


CALIBRATION = "## Networks that learnt nothing"
PAGE = """# Controls

Every detector is tried on networks in which its effect was planted, and on random ones. `make controls` makes this page.

Networks have 64 inputs, 24 units in each link dimension and 64 outputs, and see 500 simulated traces; the units are scrambled by random
rotations; {nulls} draws of each null kind. Found: the verdict is *present*, at a family-wise level of {level}. The columns are strengths: the share of
the planted layer's squared weights that belongs to the effect, the rest being noise.

{table}

Random networks, two and three layers, in which something is called present: {false} of {count} (at a level of {level} at most {limit}
are to be expected, 95 % of the time).
"""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--draws", type=int, default=100, help="scramblings at the greatest strength"
    )
    parser.add_argument("--weak", type=int, default=10, help="scramblings at the others")
    parser.add_argument("--random", type=int, default=200, help="random networks")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=list(PLANTS))
    parser.add_argument("--write", type=Path, metavar="PAGE")
    options = parser.parse_args(arguments)
    counts = [options.draws, *[options.weak] * (len(STRENGTHS) - 1)]
    jobs = [
        (name, strength, seed)
        for name in options.only
        for strength, count in zip(STRENGTHS, counts, strict=True)
        for seed in range(count)
    ]
    hits = tally(jobs, run(jobs, positive, options.workers))
    false = sum(run(list(range(options.random)), negative, options.workers))
    most = limit(options.random)
    page = PAGE.format(
        table="\n".join(table(hits)),
        false=false,
        count=options.random,
        limit=most,
        nulls=NULLS,
        level=LEVEL,
    )
    print(page)
    if options.write is not None:
        # The section on trained controls is that of calibration.py.
        _, heading, rest = options.write.read_text().partition(CALIBRATION)
        options.write.write_text(f"{page}\n{heading}{rest}" if heading else page)
    missed = below_target(hits)
    if missed:
        print("below target: " + "; ".join(missed))
    return 1 if missed or false > most else 0


if __name__ == "__main__":
    sys.exit(main())
