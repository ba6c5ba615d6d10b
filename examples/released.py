"""A released network: the first layer of a DEERNet as published, beside random weights.

DESCRAMBLER_TEST_DATA=DATA python examples/released.py -o docs     # DATA/nets/deer64_net01.mat
python examples/released.py 1.mat -o docs                          # from github.com/IlyaKuprov/DEERNet
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import descrambler as ds
from descrambler.deer._released import load_parameters, network_inputs
from descrambler.report._colors import signed

BLOCKS = ("q", "z", "y", "y q", "y z")


def traces(path: Path, n: int) -> np.ndarray:
    """Simulate traces (n, 512) of one Gaussian peak each, with the kernel in the file."""
    parameters, rng = load_parameters(path), np.random.default_rng(0)
    low, high = parameters.distance[[0, -1]]
    center = rng.uniform(low + 0.1 * (high - low), high - 0.1 * (high - low), (n, 1))
    width = rng.uniform(0.02, 0.1, (n, 1)) * (high - low)
    peaks = np.exp(-0.5 * ((parameters.distance - center) / width) ** 2)
    form_factor = peaks / peaks.sum(axis=1, keepdims=True) @ parameters.kernel.T
    depth = rng.uniform(0.1, 0.5, (n, 1))
    noise = 0.05 * depth * rng.random((n, 1)) * rng.standard_normal(form_factor.shape)
    return np.asarray(1 - depth + depth * form_factor + noise)


def main() -> None:
    """Load, descramble, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)  # fmt: skip
    default = Path(os.environ.get("DESCRAMBLER_TEST_DATA", ""), "nets", "deer64_net01.mat")
    parser.add_argument("network", type=Path, nargs="?", default=default)
    parser.add_argument("-o", "--output", type=Path, default=Path(), help="folder of the figure")
    parser.add_argument("-n", type=int, default=4000, help="simulated traces")
    options = parser.parse_args()
    inputs = network_inputs(traces(options.network, options.n), random_state=0).astype(float)
    trained = np.asarray(ds.load(options.network).linear(1).weight, dtype=float)
    noise = np.random.default_rng(1).standard_normal(trained.shape)
    random = noise * np.sqrt(np.mean(trained**2))
    canvas = Figure(figsize=(10, 4.5), layout="constrained")
    for ax, (name, weight) in zip(canvas.subplots(1, 2), (("trained", trained), ("random weights (null)", random)), strict=True):  # fmt: skip
        result = ds.descramble(inputs @ weight.T, center=True)
        strength = np.linalg.svd(weight, compute_uv=False) ** 2
        rank = strength.sum() ** 2 / (strength**2).sum()
        share = np.square(weight).reshape(len(weight), 5, -1).sum(axis=(0, 2)) / np.sum(weight**2)
        print(f"{name}: {result.optimality}, relative gap {result.gap:.0e}; participation ratio {rank:.0f} of {min(weight.shape)}; squared weights on " + ", ".join(f"{b} {s:.2f}" for b, s in zip(BLOCKS, share, strict=True)))  # fmt: skip
        shown = result.rotation.left(weight)
        shown = shown / np.sqrt(np.mean(shown**2))  # training makes weights larger
        image = ax.imshow(shown, cmap=signed(), vmin=-4, vmax=4, aspect="auto", interpolation="nearest")  # fmt: skip
        ax.set(ylabel="point of the link axis", xlabel="input block, 64 points each", title=name)
        ax.set_xticks(np.arange(31.5, 320, 64), BLOCKS)
        canvas.colorbar(image, ax=ax, extend="both", label="weight / r.m.s.")
    canvas.savefig(options.output / "released.png", dpi=70)


if __name__ == "__main__":
    main()
