"""Test the coordinates of a small transformer's stream, and find sparse ones.

python examples/transformer_basis.py -o docs

Trains the character transformer of transformer_seeds.py, tests its coordinates layer by layer, and looks for
sparse directions in the whitened stream. They are found on one half of the texts and measured on the other.
"""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.figure import Figure
from transformer_seeds import CONTEXT, docstrings, loss, size_parser, trained

import descrambler as ds

SPEC = ds.interop.torch.Stream(
    writers=["wte", "wpe", "blocks.*.out", "blocks.*.down"],
    norms={"blocks.*.norm1": "blocks.*.qkv", "blocks.*.norm2": "blocks.*.up", "norm": "head"},
)


def excess(signals: np.ndarray) -> np.ndarray:
    """Return the kurtosis of each coordinate over the tokens, 0 for a Gaussian."""
    centered = signals - signals.mean(0)
    return np.mean(centered**4, axis=0) / np.mean(centered**2, axis=0) ** 2 - 3


def sparse(signals: np.ndarray, criterion: str) -> dict[str, float]:
    """Find sparse directions on the first half; return mean excess kurtosis on the second half."""
    first, second = np.array_split(signals, 2)
    gram = ds.gram(first)
    variances, axes = np.linalg.eigh(gram.matrix / gram.count)
    whitening = (axes / np.sqrt(variances)).T  # from the stream to white signals
    found = ds.descramble(first @ whitening.T, criterion, random_state=0, max_iter=2000)
    readout = found.rotation.matrix @ whitening
    random = ds.group.random_rotation(len(axes), 0) @ whitening
    return {
        "coordinates": float(excess(second).mean()),
        "principal axes": float(excess(second @ whitening.T).mean()),
        "random directions": float(excess(second @ random.T).mean()),
        criterion: float(excess(second @ readout.T).mean()),
        f"{criterion}, first half": float(excess(first @ readout.T).mean()),
    }


def main() -> None:
    """Train, test, print and draw."""
    options = size_parser(__doc__).parse_args()
    torch.set_num_threads(1)

    text = docstrings(options.characters)
    start = torch.arange(0, len(text.test) - CONTEXT - 1, CONTEXT)[:400]
    rows = text.test[start[:, None] + torch.arange(CONTEXT + 1)]
    models = trained(0, text, options.width, options.layers, options.steps)
    figure = Figure(figsize=(10, 8), layout="constrained")
    parts = figure.subfigures(2, 1)
    for part, name, model in zip(parts, ("untrained", "trained"), models, strict=True):
        stream = ds.interop.torch.residual_stream(model, SPEC, batch=rows[:2, :-1])
        read = stream.signals([rows[:, :-1]])
        signals = {name: read[name] for name in sorted(read, key=lambda k: (k == "norm", k))}
        found = ds.evidence.privileged_basis(signals, draw=stream.random_rotation, nulls=99)
        print(f"{name}: loss {loss(model, rows):.2f} nats per character")
        print(found)
        found.plot(ax=part)
        part.suptitle(f"{name}\n", fontweight="bold")
        for criterion in ("kurtosis", "varimax"):
            values = sparse(signals["norm"].astype(float), criterion)
            shown = ", ".join(f"{key} {value:.2f}" for key, value in values.items())
            print(f"mean excess kurtosis at the last norm: {shown}")
    noise = np.random.default_rng(0).standard_normal((rows[:, :-1].numel(), options.width))
    print("Gaussian signals:", sparse(noise, "kurtosis"))
    options.output.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.output / "transformer_basis.png", dpi=120)


if __name__ == "__main__":
    main()
