"""A PyTorch layer: the hidden units of a small classifier of handwritten digits, after their GELU.

python examples/torch_layer.py -o docs
"""

from __future__ import annotations

import argparse
import copy
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import descrambler as ds
from descrambler.report._colors import signed

N_UNITS, TAP = 48, "2:input"


def train(model: torch.nn.Module, x: torch.Tensor, labels: torch.Tensor, steps: int) -> None:
    """Minimize the cross entropy with Adam."""
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3, weight_decay=1e-4)
    for _ in range(steps):
        rows = torch.randint(len(x), (128,))
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x[rows]), labels[rows]).backward()
        optimizer.step()


def main() -> None:
    """Descramble the layer of the trained and of the untrained model, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)  # fmt: skip
    parser.add_argument("-o", "--output", type=Path, default=Path(), help="folder of the figure")
    parser.add_argument("--steps", type=int, default=1500)
    options = parser.parse_args()
    torch.manual_seed(0)
    pixels, digit = load_digits(return_X_y=True)
    x, labels = torch.tensor(pixels / 16, dtype=torch.float32), torch.tensor(digit)
    untrained = torch.nn.Sequential(
        torch.nn.Linear(64, N_UNITS), torch.nn.GELU(), torch.nn.Linear(N_UNITS, 10)
    )
    trained = copy.deepcopy(untrained)
    train(trained, x[:1200], labels[:1200], options.steps)
    canvas = Figure(figsize=(10, 3.4), layout="constrained")
    axes = canvas.subplots(1, 3)
    for ax, (name, model, style) in zip(axes, (("trained", trained, "-"), ("untrained (null)", untrained, "--")), strict=False):  # fmt: skip
        grams = ds.interop.torch.capture(model, [x], TAP)
        layers = ds.interop.torch.descramble_module(model, grams)
        modes = np.linalg.eigh(grams[TAP].matrix)[1][:, ::-1]
        energy = np.square(model[2].weight.detach().numpy() @ modes).sum(axis=0)
        share = np.cumsum(energy) / energy.sum()
        with torch.no_grad():
            correct = float((model(x[1200:]).argmax(dim=1) == labels[1200:]).float().mean())
        changed = ds.interop.torch.verify(model, layers, [x]).relative
        print(f"{name}: {correct:.3f} of unseen digits right; P inserted, outputs change by {changed:.0e}; {share[9]:.2f} of the second weights in the 10 strongest modes (chance {10 / N_UNITS:.2f})")  # fmt: skip
        shown = np.asarray(layers[TAP].weight)
        shown = shown / np.sqrt(np.mean(shown**2))  # training makes weights larger
        image = ax.imshow(shown, cmap=signed(), vmin=-4, vmax=4, aspect="auto",
                          extent=(0.5, N_UNITS + 0.5, 9.5, -0.5), interpolation="nearest")  # fmt: skip
        ax.set(xlabel="point of the link axis", ylabel="digit", title=name)
        canvas.colorbar(image, ax=ax, extend="both", label="weight after P / r.m.s.")
        axes[2].plot(np.arange(1, N_UNITS + 1), share, style, color="black", label=name)
    axes[2].plot([0, N_UNITS], [0, 1], ":", color="black", label="chance")
    axes[2].set(xlabel="modes, strongest first", ylabel="share of squared weights", ylim=(0, 1.02))
    axes[2].legend(frameon=False, loc="lower right")
    canvas.savefig(options.output / "torch_layer.png", dpi=90)


if __name__ == "__main__":
    main()
