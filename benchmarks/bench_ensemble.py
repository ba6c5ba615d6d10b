"""Time to descramble and compare many networks 256-80-256 with 10 000 inputs."""

from __future__ import annotations

import numpy as np
from harness import row, side_by_side

import descrambler as ds
from descrambler.agreement import Agreement

TITLE = "An ensemble of networks 256-80-256, 10 000 inputs (ours) against their forward passes to the tap alone"
NETWORKS = (100,)


def untrained(seed: int) -> ds.Network:
    generator = np.random.default_rng(seed)
    first, second = (generator.standard_normal(shape) / 16 for shape in ((80, 256), (256, 80)))
    layers = [ds.Linear(first), ds.Activation("tanh"), ds.Linear(second), ds.Activation("logistic")]
    return ds.Network(layers)


def check(networks: list[ds.Network], x: np.ndarray, agreement: Agreement) -> None:
    """Pair by pair, with the rotations that descramble finds, in link coordinates."""
    results = [ds.descramble(network.signals(x)) for network in networks[:3]]
    basis = ds.criteria.Smoothness().basis(80)
    for a, first in enumerate(results):
        for b, second in enumerate(results):
            both = first.resolved & second.resolved
            rows = [
                basis.to_modes(result.rotation.left(network.linear(1).weight)) * both[:, None]
                for result, network in ((first, networks[a]), (second, networks[b]))
            ]
            inner = rows[0] @ rows[1].T
            best = sum(np.linalg.norm(inner[s, s], "nuc") for s in basis.degenerate_blocks())
            norm = np.linalg.norm(rows[0]) * np.linalg.norm(rows[1])
            assert abs(agreement.bound[a, b] - best / norm) < 1e-9


def run(numbers: tuple[int, ...] = NETWORKS) -> list[str]:
    x = ds.deer.simulate(10_000, random_state=1).traces
    table = []
    for number in numbers:
        initial = [untrained(seed) for seed in range(number)]
        networks = [
            ds.Network(ds.study.random_counterpart(one, seed).layers, initial=one)
            for seed, one in enumerate(initial)
        ]

        def ours(networks: list[ds.Network] = networks) -> ds.Ensemble:
            return ds.ensemble(networks, x)

        def theirs(networks: list[ds.Network] = networks) -> None:
            for network in networks:
                assert network.initial is not None
                network.signals(x), network.initial.signals(x)

        check(networks, x, ours().trained)
        case = f"{number} networks and their untrained"
        table.append(row(case, *side_by_side(ours, theirs, seconds=1), "-"))
    return table
