"""An ensemble over training checkpoints: how the picture of the first layer comes about.

python examples/checkpoints.py -o docs
"""

from __future__ import annotations

import argparse
import copy
from pathlib import Path

import torch
from matplotlib.figure import Figure
from relaxometry import N_POINTS, N_UNITS, decays, error, train

import descrambler as ds
from descrambler.report._colors import signed


def main() -> None:
    """Train in stages, compare the stages, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)  # fmt: skip
    parser.add_argument("-o", "--output", type=Path, default=Path(), help="folder of the figure")
    parser.add_argument("--stages", type=int, nargs="+", default=[100, 300, 1000, 3000])
    options = parser.parse_args()
    data = decays(2000, 2)
    torch.manual_seed(0)
    start = torch.nn.Sequential(
        torch.nn.Linear(N_POINTS, N_UNITS), torch.nn.Tanh(), torch.nn.Linear(N_UNITS, 2)
    )
    models = {0: start}
    model = copy.deepcopy(start)
    for before, after in zip([0, *options.stages], options.stages, strict=False):
        train(model, after - before)
        models[after] = copy.deepcopy(model)
    for step, one in models.items():
        print(f"{step} steps: error {error(one, data):.3f} decades")
    result = ds.ensemble([ds.load(one) for one in models.values()], data[0].numpy())
    print(result)
    canvas = Figure(figsize=(10, 3.4), layout="constrained")
    shown = {"checkpoints": result.trained, "random weights (null)": result.untrained, "random directions (null)": result.random}  # fmt: skip
    for ax, (name, agreement) in zip(canvas.subplots(1, 3), shown.items(), strict=True):
        image = ax.imshow(agreement.similarity, cmap=signed(), vmin=-1, vmax=1)
        ax.set(xlabel="steps", ylabel="steps", title=name)
        ax.set_xticks(range(len(models)), list(models))
        ax.set_yticks(range(len(models)), list(models))
    canvas.colorbar(image, ax=canvas.axes, label="similarity in the canonical gauge")
    canvas.savefig(options.output / "checkpoints.png", dpi=90)


if __name__ == "__main__":
    main()
