"""Time to descramble and compare many networks 256-80-256 with 10 000 inputs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import descrambler as ds
from descrambler._util.validate import Array
from descrambler.analysis._agreement import Agreement

from .measure import Scale, SideBySide

TITLE = "An ensemble of networks against their forward passes alone"
ABOUT = "Networks 256-80-256 and their untrained counterparts, 10 000 inputs; forward passes to the tap."


def cases(scale: Scale) -> Iterator[SideBySide]:
    """Yield one ensemble."""
    yield _case(scale.choose(tiny=3, quick=5, full=100))


def _case(number: int) -> SideBySide:
    x = ds.deer.simulate(10_000, random_state=1).traces
    initial = [_untrained(seed) for seed in range(number)]
    networks = [
        ds.Network(ds.nulls.random_counterpart(one, seed).layers, initial=one)
        for seed, one in enumerate(initial)
    ]

    def ours() -> ds.Ensemble:
        return ds.ensemble(networks, x)

    def theirs() -> None:
        for network, untrained in zip(networks, initial, strict=True):
            network.signals(x), untrained.signals(x)

    def check() -> None:
        _check(networks, x, ours().trained)

    name = f"{number} networks and their untrained"
    return SideBySide(name, "ensemble", ours, "forward passes", theirs, check)


def _untrained(seed: int) -> ds.Network:
    generator = np.random.default_rng(seed)
    first, second = (generator.standard_normal(shape) / 16 for shape in ((80, 256), (256, 80)))
    tanh, logistic = ds.Activation("tanh"), ds.Activation("logistic")
    return ds.Network([ds.Linear(first), tanh, ds.Linear(second), logistic])


def _check(networks: list[ds.Network], x: Array, agreement: Agreement) -> None:
    """Pair by pair, with the rotations that descramble finds, in link coordinates."""
    results = [ds.descramble(network.signals(x)) for network in networks[:3]]
    basis = ds.criteria.Smoothness().basis(80)
    for a, first in enumerate(results):
        for b, second in enumerate(results):
            both = np.logical_and(first.resolved, second.resolved)
            modes = [
                basis.to_modes(result.rotation.left(network.linear(1).weight)) * both[:, None]
                for result, network in ((first, networks[a]), (second, networks[b]))
            ]
            inner = modes[0] @ modes[1].T
            best = sum(np.linalg.norm(inner[s, s], "nuc") for s in basis.degenerate_blocks())
            norm = np.linalg.norm(modes[0]) * np.linalg.norm(modes[1])
            assert abs(agreement.bound[a, b] - best / norm) < 1e-9
