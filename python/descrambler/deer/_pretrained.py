"""The trained networks that ship with the package."""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import NamedTuple

from ..network._network import Network
from ..readers import load
from ._train import as_network, initial_weights


class Pretrained(NamedTuple):
    """The arguments of `pretrained` that identify a shipped network."""

    n_layers: int
    weight_decay: float
    seed: int


PRETRAINED = (
    Pretrained(2, 1e-6, 0),
    Pretrained(2, 1e-6, 1),
    Pretrained(2, 1e-6, 2),
    Pretrained(2, 0.0, 0),
    Pretrained(2, 0.0, 1),
    Pretrained(3, 1e-6, 0),
    Pretrained(3, 1e-6, 1),
    Pretrained(3, 0.0, 0),
)
"""The networks that ship. Those of one seed and depth had the same first weights and traces."""


def pretrained(n_layers: int = 2, weight_decay: float = 1e-6, seed: int = 0) -> Network:
    """Return a trained DEERNet that ships with the package.

    Parameters
    ----------
    n_layers : {2, 3}
        Linear layers, with 80 units between them.
    weight_decay : {1e-6, 0}
        Weight decay in training.
    seed : int
        Seed of the first weights and of the traces; `PRETRAINED` lists what ships.

    Returns
    -------
    Network
        float32: linear layers from 256 points of a trace to 256 points of a distance distribution,
        tanh between them, logistic at the end; no biases. `initial` holds the untrained network, and
        `provenance` the command that remakes it and its errors. Made for traces as `simulate`
        gives them: 2 microseconds, 11.8 to 59.3 A.

    Raises
    ------
    ValueError
        If no such network ships.
    """
    asked = Pretrained(n_layers, weight_decay, seed)
    if asked not in PRETRAINED:
        raise ValueError(
            f"none with {n_layers}, {weight_decay:g}, {seed} ships; "
            f"(n_layers, weight_decay, seed) must be one of {[tuple(p) for p in PRETRAINED]}"
        )
    widths = "_".join(map(str, [256, *[80] * (n_layers - 1), 256]))
    name = f"deernet_{widths}_wd{weight_decay:g}_seed{seed}.npz"
    with as_file(files(__package__) / "weights" / name) as path:
        network = load(path)
    return Network(network.layers, untrained(network), network.provenance)


def untrained(network: Network) -> Network:
    """Draw the first weights of a network that `train` made again, from its recorded seed."""
    settings = network.provenance["settings"]
    return as_network(initial_weights(settings["widths"], settings["random_state"]))
