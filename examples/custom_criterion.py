"""A criterion of one's own: as many signals near zero as a rotation can make, by a Python callable.

python examples/custom_criterion.py -o docs
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import descrambler as ds

N_UNITS, WIDTH = 10, 0.1


def smooth_l1(y: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the sum of sqrt(y^2 + w^2), small for sparse signals, and its gradient."""
    root = np.sqrt(y**2 + WIDTH**2)
    return float(root.sum()), y / root


def main() -> None:
    """Unmix sparse sources, and normal noise as the null."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)  # fmt: skip
    parser.add_argument("-o", "--output", type=Path, default=Path(), help="folder of the figure")
    parser.add_argument("-m", type=int, default=2000, help="samples")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    hidden = ds.group.random_rotation(N_UNITS, 0)
    sources = {
        "sparse": rng.laplace(scale=np.sqrt(0.5), size=(options.m, N_UNITS)),
        "normal (null)": rng.standard_normal((options.m, N_UNITS)),
    }
    own = ds.criteria.Custom(smooth_l1, name="smooth L1")
    canvas = Figure(figsize=(8, 3.8), layout="constrained")
    for ax, (name, values) in zip(canvas.subplots(1, 2), sources.items(), strict=True):
        mixed = values @ hidden.T
        result = ds.descramble(mixed, own, random_state=0, n_starts=2)
        product = np.abs(result.rotation.matrix @ hidden)
        before, after = smooth_l1(mixed)[0], smooth_l1(np.asarray(result.transform(mixed)))[0]
        found = np.median(product.max(axis=1))
        print(f"{name}: smooth L1 {100 * (before - after) / before:.2f} % lower, median best match with a source {found:.3f}")  # fmt: skip
        image = ax.imshow(product, cmap="Greys", vmin=0, vmax=1, interpolation="nearest")
        ticks = np.arange(0, N_UNITS, 3)
        ax.set_xticks(ticks, ticks + 1)
        ax.set_yticks(ticks, ticks + 1)
        ax.set(xlabel="source", ylabel="unit after P", title=name)
    canvas.colorbar(image, ax=canvas.axes, label="|cosine|")
    canvas.savefig(options.output / "custom_criterion.png", dpi=90)


if __name__ == "__main__":
    main()
