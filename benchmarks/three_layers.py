"""The middle layer of the three-layer DEERNets that ship, descrambled from both sides, beside its nulls.

The share of its energy at link frequencies below 10 on both sides: trained, untrained, with random singular vectors,
and with random weights. Link frequencies order principal components by variance, so a large share says that the layer
maps leading components to leading components.
"""

from __future__ import annotations

import numpy as np

from descrambler import Network, Study, deer
from descrambler.evidence.nulls import HAAR, RANDOM, Setting, draw

INPUTS, DRAWS, LOW = 2000, 10, 10


def share(study: Study) -> float:
    """Return the share at low link frequencies on both sides of layer 2."""
    power = np.square(np.abs(np.fft.fft2(study.weights(2))))
    low = [np.abs(np.fft.fftfreq(n, 1 / n)) < LOW for n in power.shape]
    return float(power[np.ix_(*low)].sum() / power.sum())


def line(name: str, network: Network, inputs: np.ndarray) -> str:
    """Return the row of one network."""
    assert network.initial is not None
    setting = Setting(network, inputs, network.initial)
    drawn = [
        np.array([share(draw(setting, kind, 0, k)) for k in range(DRAWS)])
        for kind in (HAAR, RANDOM)
    ]
    values = [share(Study(network, inputs)), share(Study(network.initial, inputs))]
    cells = [f"{value:.2f}" for value in values]
    cells += [f"{values.mean():.2f} ± {values.std():.2f}" for values in drawn]
    return f"| {name} | " + " | ".join(cells) + " |"


if __name__ == "__main__":
    traces = deer.simulate(INPUTS, 3).traces
    print("| network | trained | untrained | random directions | random weights |")
    print("|---|---|---|---|---|")
    for kind in deer.PRETRAINED:
        if kind.n_layers == 3:
            print(line(f"weight decay {kind[1]:g}, seed {kind[2]}", deer.pretrained(*kind), traces))
