"""Align four seeds of a small transformer, and read one with a linear probe of another.

python examples/transformer_seeds.py -o docs

A character-level transformer learns docstrings of Python's standard library (Python Software Foundation
License, version 2; read from your own installation, nothing is stored). Its residual stream is free up to a
rotation. The streams of the seeds are aligned pairwise, and a linear probe of one seed reads another.
"""

from __future__ import annotations

import argparse
import ast
import sysconfig
from itertools import combinations, permutations
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import nn

import descrambler as ds

CONTEXT, CLASSES = 64, 8


class Block(nn.Module):
    """Attention and a feed-forward network, each read from the stream through a norm and added to it."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.RMSNorm(width), nn.RMSNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the stream after this block, shape (batch, tokens, width)."""
        parts = self.qkv(self.norm1(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(*parts, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).flatten(-2))
        return x + self.down(nn.functional.gelu(self.up(self.norm2(x))))


class Transformer(nn.Module):
    """A pre-norm transformer that predicts the next character."""

    def __init__(self, n_characters: int, width: int, layers: int, heads: int = 4) -> None:
        super().__init__()
        self.wte, self.wpe = nn.Embedding(n_characters, width), nn.Embedding(CONTEXT, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm, self.head = nn.RMSNorm(width), nn.Linear(width, n_characters, bias=False)
        for table in (self.wte, self.wpe):
            nn.init.normal_(table.weight, std=0.1)

    def stream(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return the stream before the last norm."""
        x = self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1]))
        for block in self.blocks:
            x = block(x)
        return x

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return the logits of the next character."""
        logits: torch.Tensor = self.head(self.norm(self.stream(tokens)))
        return logits


class Text(NamedTuple):
    """Characters as numbers, and which of them are white space."""

    train: torch.Tensor
    test: torch.Tensor
    space: np.ndarray


def docstrings(length: int) -> Text:
    """Return docstrings of this Python's standard library; the last tenth is the test text."""
    paths = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))
    text = ""
    for k in np.random.default_rng(0).permutation(len(paths)):
        nodes = ast.walk(ast.parse(paths[k].read_text("utf-8")))
        kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
        found = (ast.get_docstring(node) for node in nodes if isinstance(node, kinds))
        text += "".join(f"{part}\n\n" for part in found if part)
        if len(text) > length:
            break
    text = text.encode("ascii", "ignore").decode()[:length]
    alphabet = sorted(set(text))
    codes = torch.tensor([alphabet.index(c) for c in text])
    cut = len(codes) * 9 // 10
    return Text(codes[:cut], codes[cut:], np.array([c.isspace() for c in alphabet]))


def trained(seed: int, text: Text, width: int, layers: int, steps: int) -> tuple[nn.Module, ...]:
    """Return a model before and after training, both in evaluation mode."""
    models = []
    for _ in range(2):
        torch.manual_seed(seed)
        models.append(Transformer(len(text.space), width, layers))
    model = models[1]
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    for _ in range(steps):
        start = torch.randint(len(text.train) - CONTEXT - 1, (16, 1))
        rows = text.train[start + torch.arange(CONTEXT + 1)]
        loss = nn.functional.cross_entropy(model(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return tuple(model.eval() for model in models)


@torch.no_grad()
def loss(model: nn.Module, rows: torch.Tensor) -> float:
    """Mean loss on the test text in nats per character."""
    logits = model(rows[:, :-1]).flatten(0, 1)
    return float(nn.functional.cross_entropy(logits, rows[:, 1:].flatten()))


@torch.no_grad()
def read(model: Transformer, rows: torch.Tensor) -> np.ndarray:
    """Return what the head reads before its gain: the stream, each token in units of its r.m.s."""
    x = model.stream(rows[:, :-1]).double()
    return (x / x.square().mean(-1, keepdim=True).sqrt()).flatten(0, 1).numpy()


def word_positions(rows: torch.Tensor, space: np.ndarray) -> np.ndarray:
    """Count the characters since the last white space, up to CLASSES - 1: what the probe must tell."""
    labels = np.zeros((len(rows), CONTEXT), int)
    for k, blank in enumerate(space[rows[:, :-1].numpy()].T):
        before = labels[:, k - 1] if k else np.zeros(len(rows), int)
        labels[:, k] = np.where(blank, 0, np.minimum(before + 1, CLASSES - 1))
    return labels.ravel()


def probe(signals: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the weights of a linear probe by ridge regression, the offset in the last row."""
    x = np.hstack([signals, np.ones((len(signals), 1))])
    penalty = 1e-3 * len(x) * np.eye(x.shape[1])
    return np.linalg.solve(x.T @ x + penalty, x.T @ np.eye(CLASSES)[labels])


def accuracy(weights: np.ndarray, signals: np.ndarray, labels: np.ndarray) -> float:
    """Share of tokens that a probe tells right."""
    return float(np.mean((signals @ weights[:-1] + weights[-1]).argmax(1) == labels))


def transfer(a: np.ndarray, b: np.ndarray, labels: np.ndarray, seed: int) -> dict[str, float]:
    """Use the probe of a on b. Probe and rotation see the first half of the texts, accuracies the rest."""
    half = len(labels) // (2 * CONTEXT) * CONTEXT
    weights, test = probe(a[:half], labels[:half]), labels[half:]
    found = ds.align(a[:half], b[:half], "O", rows_per_sample=CONTEXT, nulls=0)
    turned = b[half:] @ ds.group.random_rotation(b.shape[1], seed).T
    return {
        "on its own network": accuracy(weights, a[half:], test),
        "on the other, through the rotation": accuracy(weights, found.transform(b[half:]), test),
        "on the other, not rotated": accuracy(weights, b[half:], test),
        "on the other, random rotation": accuracy(weights, turned, test),
    }


def draw(result: ds.Alignment, rows: dict[str, tuple[float, float]], chance: float) -> Figure:
    """Draw R^2 per mode of one pair, and the mean accuracies."""
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    result.plot(ax=left)
    places = np.arange(len(rows))
    for shift, column, color in ((-0.2, 0, "#15529b"), (0.2, 1, "#db6d00")):
        label = ("trained", "untrained")[column]
        values = [pair[column] for pair in rows.values()]
        right.barh(places + shift, values, 0.38, color=color, label=label)
    right.axvline(chance, color="black", lw=0.8, ls="--", label="most frequent class")
    right.set_yticks(places, [name.replace(", ", ",\n") for name in rows])
    right.invert_yaxis()
    right.set(xlabel="accuracy of the probe", xlim=(0, 1), title="A probe of seed A ...")
    right.legend(fontsize=8)
    return figure


def size_parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser of the output folder and of the size of the training."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawTextHelpFormatter)  # fmt: skip
    parser.add_argument("-o", "--output", type=Path, default=Path())
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--width", type=int, default=48)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--characters", type=int, default=300_000)
    return parser


def main() -> None:
    """Train, align, probe, print and draw."""
    parser = size_parser(__doc__)
    parser.add_argument("--seeds", type=int, default=4)
    options = parser.parse_args()
    torch.set_num_threads(1)

    text = docstrings(options.characters)
    start = torch.arange(0, len(text.test) - CONTEXT - 1, CONTEXT)[:600]
    rows = text.test[start[:, None] + torch.arange(CONTEXT + 1)]
    labels = word_positions(rows, text.space)
    signals: dict[str, list[np.ndarray]] = {"trained": [], "untrained": []}
    for seed in range(options.seeds):
        before, after = trained(seed, text, options.width, options.layers, options.steps)
        print(f"seed {seed}: loss {loss(before, rows):.3f} before, {loss(after, rows):.3f} after")
        signals["untrained"].append(read(before, rows))
        signals["trained"].append(read(after, rows))

    print("\nheld-out R^2 of seed a by seed b (rotated; not rotated; untrained pair, rotated)")
    results = {}
    for a, b in combinations(range(options.seeds), 2):
        pair, early = ((s[a], s[b]) for s in (signals["trained"], signals["untrained"]))
        found = ds.align(*pair, "O", untrained=early, rows_per_sample=CONTEXT)
        results[a, b] = found
        print(
            f"{a} {b}: {found.r2:.3f}; {found.unaligned:.3f}; {found.untrained:.3f}; "
            f"{int(found.shared.sum())} of {found.n_a} modes shared"
        )
    print(results[0, 1])

    table: dict[str, tuple[float, float]] = {}
    means = []
    for kind in ("trained", "untrained"):
        found = [
            transfer(signals[kind][a], signals[kind][b], labels, 100 * a + b)
            for a, b in permutations(range(options.seeds), 2)
        ]
        means.append({name: float(np.mean([f[name] for f in found])) for name in found[0]})
    table = {name: (means[0][name], means[1][name]) for name in means[0]}
    chance = float(np.bincount(labels).max() / len(labels))
    print(f"\nprobe of the position in the word; most frequent class {chance:.3f}")
    for name, (late, early_value) in table.items():
        print(f"{name}: {late:.3f} trained, {early_value:.3f} untrained")

    options.output.mkdir(parents=True, exist_ok=True)
    draw(results[0, 1], table, chance).savefig(options.output / "transformer_seeds.png", dpi=120)


if __name__ == "__main__":
    main()
