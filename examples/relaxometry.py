"""A relaxometry network: biexponential decays to their two time constants, trained here.

python examples/relaxometry.py -o docs
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

import descrambler as ds
from descrambler.report._colors import signed

N_POINTS, N_UNITS = 64, 32
TIME = np.linspace(0, 3, N_POINTS)  # s


def decays(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return noisy decays (n, 64), and the decimal logarithms of their time constants in s."""
    rng = np.random.default_rng(seed)
    short, ratio = rng.uniform(-1.5, -0.5, n), rng.uniform(0.4, 1.2, n)
    constants = np.column_stack([short, short + ratio])
    share = rng.uniform(0.3, 0.7, (n, 1))
    fast, slow = (np.exp(-TIME / 10 ** constants[:, k, None]) for k in (0, 1))
    traces = share * fast + (1 - share) * slow + 0.005 * rng.standard_normal((n, N_POINTS))
    return torch.tensor(traces, dtype=torch.float32), torch.tensor(constants, dtype=torch.float32)


def error(model: torch.nn.Module, data: tuple[torch.Tensor, torch.Tensor]) -> float:
    """Return the r.m.s. error in decades."""
    with torch.no_grad():
        return float((model(data[0]) - data[1]).square().mean().sqrt())


def train(model: torch.nn.Module, steps: int) -> None:
    """Minimize the squared error with Adam, on fresh decays in each step."""
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    traces, constants = decays(50_000, 1)
    for step in range(steps):
        rows = torch.arange(step * 256, (step + 1) * 256) % len(traces)
        optimizer.zero_grad()
        (model(traces[rows]) - constants[rows]).square().mean().backward()
        optimizer.step()
        schedule.step()


def main() -> None:
    """Train, descramble the first layer before and after, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)  # fmt: skip
    parser.add_argument("-o", "--output", type=Path, default=Path(), help="folder of the figure")
    parser.add_argument("--steps", type=int, default=4000)
    options = parser.parse_args()
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Linear(N_POINTS, N_UNITS), torch.nn.Tanh(), torch.nn.Linear(N_UNITS, 2)
    )
    inputs, truth = decays(2000, 2)
    canvas = Figure(figsize=(8, 6), layout="constrained")
    for row, name in zip(canvas.subplots(2, 2), ("untrained", "trained"), strict=True):
        if name == "trained":
            train(model, options.steps)
        grams = ds.interop.torch.capture(model, [inputs], "0:output")
        layer = ds.interop.torch.descramble_module(model, grams)["0:output"]
        raw = model[0].weight.detach().numpy()
        strength = np.linalg.svd(raw, compute_uv=False) ** 2
        rank = strength.sum() ** 2 / (strength**2).sum()
        print(f"{name}: error {error(model, (inputs, truth)):.3f} decades, participation ratio of the first layer {rank:.1f} of {N_UNITS}")  # fmt: skip
        for ax, matrix, kind in zip(row, (raw, layer.weight), ("raw", "descrambled"), strict=True):
            matrix = np.asarray(matrix)
            matrix = matrix / np.sqrt(np.mean(matrix**2))  # training makes weights larger
            image = ax.imshow(matrix, cmap=signed(), vmin=-4, vmax=4, aspect="auto",
                              extent=(0, TIME[-1], N_UNITS + 0.5, 0.5), interpolation="nearest")  # fmt: skip
            ax.set(xlabel="time (s)", title=f"{name}, {kind}")
            ax.set_ylabel("unit" if kind == "raw" else "point of the link axis")
            canvas.colorbar(image, ax=ax, extend="both", label="weight / r.m.s.")
    canvas.savefig(options.output / "relaxometry.png", dpi=90)


if __name__ == "__main__":
    main()
