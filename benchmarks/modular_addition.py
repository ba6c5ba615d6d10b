"""Is cyclic structure (group embedding) seen where it is known to be real? Why no detector of it ships.

    python benchmarks/modular_addition.py

Networks are trained to add modulo 29 from two one-hot vectors (ReLU, AdamW, three quarters of the pairs), and on
shuffled sums. In the known order of the inputs, each hidden unit of a network that generalizes is a wave of one frequency
of the group. The hidden layer is then descrambled blind, as any other: from its signals alone. The table of energies between
link frequencies and frequencies of the group (`analysis.irrep_energy`) is matched by assignment, so that the order of the
link frequencies does not matter. Measured are the share of the energy that is matched, its excess over that of random
directions with the same singular values (19 draws), and how many frequencies share it (participation ratio). Beside the
trained networks: untrained ones, exact rings, and ReLU layers of few effective dimensions without a group.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import scipy.optimize
import scipy.stats
import torch

import descrambler as ds
from descrambler.criteria import link_basis
from descrambler.evidence._study import Study
from descrambler.evidence.nulls import HAAR, Setting, draw

P, UNITS, STEPS = 29, 96, 1500
RATE, DECAY, TAUGHT = 0.01, 1.0, 0.75
SCALE = 0.1  # of the first weights: small ones are forgotten, large ones stay
N, RANKS = 64, (2, 3, 4, 5)
DRAWS = 19
SEVERAL, FLOOR = 3.0, 0.5
"""What a ring is asked for: so many frequencies, beyond all draws; and, in the stricter test, this excess."""


class Matched(NamedTuple):
    """Energy of a map between two axes that a matching of their frequencies keeps."""

    share: float
    frequencies: float


def matched(energy: np.ndarray, copies: int = 1) -> Matched:
    """Match link frequencies, in rows, to those of the other axis, each as often as there are copies of it."""
    inner = energy[1:, 1:]
    columns = np.tile(np.arange(inner.shape[1]), copies)
    rows, places = scipy.optimize.linear_sum_assignment(inner[:, columns], maximize=True)
    kept = np.zeros(inner.shape[1])
    np.add.at(kept, columns[places], inner[rows, columns[places]])
    return Matched(kept.sum() / inner.sum(), kept.sum() ** 2 / np.square(kept).sum())


def of_inputs(study: Study) -> Matched:
    """First layer: two axes of inputs, both of the group."""
    w = study.weights(1)
    parts = w[:, :P], w[:, P:]
    energy = sum(np.square(x).sum() * ds.analysis.irrep_energy(x) for x in parts)
    return matched(energy, copies=2)


def of_outputs(study: Study) -> Matched:
    """Last layer: from the link to the sums."""
    return matched(ds.analysis.irrep_energy(study.weights(study.network.n_linear)).T)


def of_middle(study: Study) -> Matched:
    """Second layer, descrambled on both sides: what the removed detector looked at."""
    return matched(ds.analysis.irrep_energy(study.weights(2)))


# Networks.


def pairs() -> tuple[np.ndarray, np.ndarray]:
    """All pairs as two one-hot vectors, and their sums."""
    a, b = np.divmod(np.arange(P * P), P)
    return np.hstack([np.eye(P)[a], np.eye(P)[b]]).astype(np.float32), (a + b) % P


class Trained(NamedTuple):
    """Networks before and after training, and the share of held-out pairs that each adds rightly."""

    networks: list[ds.Network]
    initial: list[ds.Network]
    accuracy: np.ndarray


def chain(weights: list[torch.Tensor], k: int) -> ds.Network:
    layers: list = []
    for w in weights:
        layers += [ds.Linear(w[k].detach().numpy().copy()), ds.Activation("relu")]
    return ds.Network(layers[:-1])


def forward(x: torch.Tensor, weights: list[torch.Tensor]) -> torch.Tensor:
    for w in weights[:-1]:
        x = torch.relu(x @ w.transpose(1, 2))
    return x @ weights[-1].transpose(1, 2)


def starts(widths: list[int], count: int, scale: float, seed: int) -> list[torch.Tensor]:
    torch.manual_seed(seed)
    shapes = zip(widths[1:], widths[:-1], strict=True)
    return [torch.randn(count, o, i).mul_(scale / i**0.5).requires_grad_() for o, i in shapes]


def adders(count: int, shuffled: bool) -> Trained:
    """Train so many networks at once, each on pairs (and shuffled sums) of its own."""
    inputs, sums = pairs()
    rng = np.random.default_rng(shuffled)
    order = np.stack([rng.permutation(P * P) for _ in range(count)])
    told = np.stack([rng.permutation(sums) if shuffled else sums for _ in range(count)])
    x = torch.from_numpy(inputs[order])
    y = torch.from_numpy(np.take_along_axis(told, order, axis=1))
    taught = int(TAUGHT * P * P)
    weights = starts([2 * P, UNITS, P], count, SCALE, int(shuffled))
    initial = [chain(weights, k) for k in range(count)]
    descent = torch.optim.AdamW(weights, lr=RATE, weight_decay=DECAY, betas=(0.9, 0.98))
    for _ in range(STEPS):
        out = forward(x[:, :taught], weights)
        loss = torch.nn.functional.cross_entropy(
            out.reshape(-1, P), y[:, :taught].reshape(-1), reduction="sum"
        )
        descent.zero_grad()
        (loss / taught).backward()
        descent.step()
    with torch.no_grad():
        right = forward(x[:, taught:], weights).argmax(dim=2) == y[:, taught:]
    networks = [chain(weights, k) for k in range(count)]
    return Trained(networks, initial, right.float().mean(dim=1).numpy())


def decays(count: int) -> tuple[list[ds.Network], np.ndarray]:
    """Train ReLU networks to tell the rate of a decay: layers of few effective dimensions, and no group."""
    rng = np.random.default_rng(2)
    rates = np.exp(rng.uniform(0, 3, 500))
    x = np.exp(-np.outer(rates, np.linspace(0, 1, N))) + 0.01 * rng.standard_normal((500, N))
    place = np.log(rates)[:, None] / 3 - np.linspace(0, 1, N)
    y = torch.from_numpy(np.exp(-0.5 * (place / 0.1) ** 2).astype(np.float32))
    x = x.astype(np.float32)
    weights = starts([N] * 5, count, 2**0.5, 2)
    descent = torch.optim.Adam(weights, lr=1e-3)
    for _ in range(600):
        loss = (forward(torch.from_numpy(x), weights) - y).square().mean(dim=(1, 2)).sum()
        descent.zero_grad()
        loss.backward()
        descent.step()
    return [chain(weights, k) for k in range(count)], x


def normal(rng: np.random.Generator, n_out: int, n_in: int) -> np.ndarray:
    return rng.standard_normal((n_out, n_in)) / np.sqrt(n_in)


def network(*weights: np.ndarray, activation: str = "tanh") -> ds.Network:
    layers: list = []
    for w in weights:
        layers += [ds.Linear(w), ds.Activation(activation)]
    return ds.Network(layers[:-1])


def smooth_inputs(rng: np.random.Generator) -> np.ndarray:
    """Signals whose strengths fall, so that their modes are apart."""
    basis = scipy.stats.special_ortho_group.rvs(N, random_state=rng)
    return rng.standard_normal((1000, N)) * 0.9 ** np.arange(N) @ basis


def ring(rng: np.random.Generator, gain: np.ndarray) -> tuple[ds.Network, np.ndarray]:
    """A middle layer that commutes with cyclic shifts of the descrambled link, turned at random."""
    x = smooth_inputs(rng)
    first = normal(rng, N, N)
    probe = Study(network(first, np.eye(N)), x)
    modes = link_basis(N).to_modes(probe.links[0].after.rotation.matrix)
    gains = np.repeat(gain, 2)[1 : N + 1]
    turn = scipy.stats.special_ortho_group.rvs(N, random_state=rng)
    return network(first, turn @ (gains[:, None] * modes), normal(rng, N, N)), x


def falling(rng: np.random.Generator) -> tuple[ds.Network, np.ndarray]:
    return ring(rng, 0.85 ** np.arange(N // 2 + 1))


def band_pass(rng: np.random.Generator) -> tuple[ds.Network, np.ndarray]:
    k = np.arange(N // 2 + 1)
    return ring(rng, np.exp(-0.5 * ((k - 10) / 3) ** 2))


def low_rank(rng: np.random.Generator, rank: int) -> tuple[ds.Network, np.ndarray]:
    middle = normal(rng, N, rank) @ normal(rng, rank, N) * np.sqrt(N)
    weights = normal(rng, N, N), middle, normal(rng, N, N)
    return network(*weights, activation="relu"), smooth_inputs(rng)


def exact_adder(rng: np.random.Generator) -> tuple[ds.Network, np.ndarray]:
    """The solution that such networks are known to learn, built by hand: six frequencies, of unequal strength.

    Rectified, ``cos(wa + u + v) + cos(wb + u - v)`` has a second harmonic in u, whose phase is w(a + b).
    """
    wave = rng.choice(np.arange(1, P // 2 + 1), 6, replace=False).repeat(UNITS // 6)
    strength = np.repeat(0.8 ** np.arange(6), UNITS // 6)[:, None]
    u = np.tile(2 * np.pi * np.arange(8) / 8, UNITS // 8)
    v = np.tile(np.repeat([0, np.pi / 2], 8), UNITS // 16)

    def waves(phase: np.ndarray) -> np.ndarray:
        angle = 2 * np.pi * np.outer(wave, np.arange(P)) / P
        return strength * np.cos(angle + phase[:, None])

    first = np.hstack([waves(u + v), waves(u - v)])
    net = network(first, waves(2 * u).T, activation="relu")
    x, sums = pairs()
    assert (net(x).argmax(axis=1) == sums).all()
    return net, x


# The trial.


def known(net: ds.Network) -> tuple[float, float]:
    """Share of a hidden unit's energy at its strongest frequency of the group, and how many the layer uses."""
    w = net.linear(1).weight
    energy = sum(np.square(np.abs(np.fft.rfft(x, axis=1)))[:, 1:] for x in (w[:, :P], w[:, P:]))
    used = energy.sum(axis=0)
    return energy.max(axis=1).sum() / energy.sum(), used.sum() ** 2 / np.square(used).sum()


class Trial(NamedTuple):
    """One network: its value, and the shares of draws with random directions."""

    value: Matched
    chance: np.ndarray

    @property
    def excess(self) -> float:
        """Share beyond the mean of the draws, as a part of the most that there can be."""
        mean = self.chance.mean()
        return (self.value.share - mean) / (1 - mean)

    @property
    def beyond(self) -> bool:
        """Whether no draw reaches it, and several frequencies take part."""
        return bool(self.value.share > self.chance.max() and self.value.frequencies >= SEVERAL)


def tried(measure: Callable[[Study], Matched], net: ds.Network, x: np.ndarray, k: int) -> Trial:
    """Measure a network and its draws."""
    setting = Setting(net, x, None)
    chance = [measure(draw(setting, HAAR, k, i)).share for i in range(DRAWS)]
    return Trial(measure(Study(net, x)), np.array(chance))


Case = tuple[str, str, Callable[[Study], Matched], list[tuple[ds.Network, np.ndarray]]]


def cases(count: int) -> Iterator[Case]:
    """Yield what is tried: name, layer, measure, networks with inputs."""
    inputs = pairs()[0]
    true, shuffled = adders(count, False), adders(count, True)
    for name, trained in (("sums", true), ("shuffled sums", shuffled)):
        shares = np.array([known(net) for net in trained.networks])
        print(
            f"Trained on {name}: held-out pairs right {trained.accuracy.min():.0%} to {trained.accuracy.max():.0%}; "
            f"in the known order a unit has {shares[:, 0].mean():.0%} of its energy at one frequency, and "
            f"{shares[:, 1].mean():.1f} of {P // 2} frequencies are used."
        )
    shares = np.array([known(net) for net in true.initial])
    print(f"Untrained: {shares[:, 0].mean():.0%}.\n")
    for name, networks in (
        ("trained on sums", true.networks),
        ("trained on shuffled sums", shuffled.networks),
        ("untrained", true.initial),
    ):
        yield name, "first", of_inputs, [(net, inputs) for net in networks]
        yield name, "last", of_outputs, [(net, inputs) for net in networks]
    rngs = [np.random.default_rng([7, k]) for k in range(count)]
    exact = [exact_adder(rng) for rng in rngs]
    yield "exact adder, six frequencies", "first", of_inputs, exact
    yield "exact adder, six frequencies", "last", of_outputs, exact
    yield "ring of falling gain", "middle", of_middle, [falling(rng) for rng in rngs]
    yield "ring, a band-pass", "middle", of_middle, [band_pass(rng) for rng in rngs]
    for rank in RANKS:
        yield (
            f"ReLU layer of rank {rank}", "middle", of_middle, [low_rank(rng, rank) for rng in rngs],
        )  # fmt: skip
    networks, x = decays(count)
    yield "ReLU network trained on decays", "middle", of_middle, [(net, x) for net in networks]


def row(case: Case) -> str:
    """Return the table row of a case."""
    name, where, measure, networks = case
    trials = [tried(measure, net, x, k) for k, (net, x) in enumerate(networks)]
    share = np.mean([t.value.share for t in trials])
    chance = np.mean([t.chance for t in trials])
    excess = np.array([t.excess for t in trials])
    beyond = np.array([t.beyond for t in trials])
    cells = (
        name, where, f"{share:.2f}", f"{chance:.2f}",
        f"{excess.mean():.2f} ({excess.min():.2f} to {excess.max():.2f})",
        f"{np.mean([t.value.frequencies for t in trials]):.1f}",
        f"{beyond.sum()} of {len(trials)}", f"{(beyond & (excess >= FLOOR)).sum()} of {len(trials)}",
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=20, help="of each kind")
    count = parser.parse_args().networks
    torch.set_num_threads(1)
    rows = map(row, cases(count))
    first = next(rows)  # after the lines on the training
    print(
        "| networks | layer | share matched | random directions | excess | frequencies | beyond 19 draws | "
        f"and excess of {FLOOR} |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for line in itertools.chain([first], rows):
        print(line, flush=True)


if __name__ == "__main__":
    main()
