"""Effects planted in random networks, and random networks with nothing in them: what detectors are tried on.

An effect is scrambled by random rotations and looked for on simulated traces. Strength is the share of the planted
layer's squared weights that belongs to the effect. `shown_by.py` makes the table in docs/controls.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.fft
import scipy.stats

import descrambler as ds
from descrambler.axis import index_axis
from descrambler.criteria import link_basis
from descrambler.evidence._checks import distinct_rows
from descrambler.evidence._claims import claims, measure, reached, strengths, with_flaws
from descrambler.evidence._comparing import Evidence
from descrambler.evidence._significance import settled
from descrambler.evidence._study import Study
from descrambler.evidence._verdicts import LEVEL, PRESENT
from descrambler.evidence.detectors import (
    DETECTORS,
    Axes,
    Detector,
    kernel_order,
    reference_inverse,
    rejection,
)
from descrambler.evidence.nulls import KINDS, Setting, draw, random_counterpart

N, UNITS, INPUTS, NULLS = 64, 24, 500, 20
FULL = 1.0
"""Full strength: the planted layer is the effect, and nothing else."""
NOISY = 0.99
"""The same with 1 % of noise: where a filter then ends, the color of the inputs alone can bring a null, too."""
Target = tuple[str, str]
"""What is found, and where: a claim."""


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


def set_size(n: int, units: int) -> None:
    """Plant in networks of n points and so many units from now on."""
    globals().update(N=n, UNITS=units)
    PLANTS.update(plants())


def set_nulls(count: int) -> None:
    """Compare with so many draws of each null kind from now on."""
    globals().update(NULLS=count)


def family(name: str) -> tuple[Detector, ...]:
    """What is looked for beside an effect: without what takes long and has nothing to do with it.

    Left out are the ridge fit, and of three layers the mean Jacobian (a matrix product per input).
    """
    wanted = {what for what, _ in PLANTS[name].targets}
    slow = {"link frequency map"} - wanted
    everything = detectors(DETECTORS, directions(), reference())
    if "diagonal" in wanted:
        chain = network(np.ones((UNITS, N)), np.ones((UNITS, UNITS)), np.ones((N, UNITS)))
        slow |= {d.name for d in everything if 0 in d.places(chain)}
    return tuple(d for d in everything if d.name not in slow)


def own(name: str) -> tuple[Detector, ...]:
    """The detectors of an effect alone."""
    wanted = {what for what, _ in PLANTS[name].targets}
    return tuple(d for d in family(name) if d.name in wanted)


def detectors(
    some: tuple[Detector, ...], around: dict[str, np.ndarray], kernel: np.ndarray | None
) -> tuple[Detector, ...]:
    """All of a family, in the order of `ds.interpret`."""
    first = reference_inverse(kernel), kernel_order(kernel)
    return (*first, *some, rejection(around["nuisance"], around["wanted"]))


def present(
    network: ds.Network,
    x: np.ndarray,
    initial: ds.Network,
    seed: int,
    looked_for: tuple[Detector, ...],
    targets: tuple[Target, ...] | None = None,
) -> list[Target]:
    """Claims that `ds.interpret` calls present without controls, of `targets` or of all.

    Nulls are drawn no further once no target is open, nor those that apply to none: a claim ends when draws of
    a kind that are as large rule it out (one of 20, two of 50).
    """
    setting = Setting(network, x, initial)
    study = Study(network, x)
    axes = Axes(index_axis("input", network.n_in), index_axis("output", network.n_out))
    everything = with_flaws(study, claims(network, looked_for, axes, distinct_rows(x)))
    names = [(c.detector.name, c.where) for c in everything]
    observed = measure(study, everything)
    natural = strengths(everything, observed[None])[0]
    still = reached(everything, observed[None])[0]
    still &= [targets is None or name in targets for name in names]
    draws: dict[str, list[np.ndarray]] = {kind.name: [] for kind in KINDS}
    exceeded = {kind.name: np.zeros(len(everything)) for kind in KINDS}
    for number in range(NULLS):
        for kind in KINDS:
            if (still & [not c.detector.reason_against(kind) for c in everything]).any():
                row = measure(draw(setting, kind, seed, number), everything, kind)
                draws[kind.name].append(row)
                with np.errstate(invalid="ignore"):
                    exceeded[kind.name] += strengths(everything, row[None])[0] >= natural
                still &= ~settled(exceeded[kind.name], NULLS, LEVEL)
    if not still.any():
        return []
    whole = {kind: np.array(rows) for kind, rows in draws.items() if len(rows) == NULLS}
    judged = Evidence(everything, whole, {}, None, "").judge(observed)
    return [
        name
        for name, open_, j in zip(names, still, judged, strict=True)
        if open_ and j.verdict is not None and j.verdict.word == PRESENT
    ]


def positive(job: tuple[str, float, int], looked_for: tuple[Detector, ...]) -> list[bool]:
    """Whether each target of an effect is present, planted with this strength and seed."""
    name, strength, seed = job
    rng = np.random.default_rng([seed, list(PLANTS).index(name)])
    x = inputs(seed)
    planted = PLANTS[name].build(rng, strength, x)
    initial = random_counterpart(planted, rng)
    targets = PLANTS[name].targets
    found = present(planted, x, initial, seed, looked_for, targets)
    return [target in found for target in targets]


def negative(seed: int) -> list[Target]:
    """What is present where there is nothing: two or three layers in turn, so that every detector looks."""
    rng = np.random.default_rng([seed, len(PLANTS)])
    widths = (N, UNITS, UNITS, N) if seed % 2 else (N, UNITS, N)
    layers = [normal(rng, o, i) for i, o in zip(widths[:-1], widths[1:], strict=True)]
    chance = network(*layers)
    initial = random_counterpart(chance, rng)
    return present(chance, inputs(seed), initial, seed, detectors(DETECTORS, directions(), None))
