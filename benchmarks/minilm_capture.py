"""What collecting the Gram matrices of all six feed-forward layers of MiniLM adds to its forward passes.

python benchmarks/minilm_capture.py --sentences 10000

The model alone and the model with each capture run in turn, batch by batch, on one thread; times are those of the
process. `before` is the tap before the activations, `after` the one after them, 1536 units each; with a rank, only
the leading modes are collected, and their error is printed.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

import descrambler as ds
from descrambler._signals.leading_modes import Leading

TARGET = 0.25
RANK = 24


def seconds(work: Callable[[], object]) -> float:
    """Processor time of one call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    """Print a table: seconds of the forward passes, seconds that each capture adds, ratio."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sentences", type=int, default=10_000)
    options = parser.parse_args()
    sys.path.append(str(Path(__file__).parent.parent / "examples"))
    minilm = importlib.import_module("minilm")
    torch.set_num_threads(1)
    model, tokenizer = minilm.load()
    texts = minilm.sentences(10_000)
    order = np.random.default_rng(0).permutation(len(texts))[: options.sentences]
    batches = minilm.batches(tokenizer, [texts[i] for i in order])
    # Not by length, as they come: the first signals are to be like the others.
    np.random.default_rng(1).shuffle(batches)
    capture = ds.interop.torch.Capture
    captures = {
        "before": capture(model, minilm.BEFORE),
        "after": capture(model, minilm.AFTER),
        f"after, rank {RANK}": capture(model, minilm.AFTER, rank=RANK),
    }
    alone = 0.0
    added = dict.fromkeys(captures, 0.0)
    with torch.no_grad():
        model(**batches[0])
        for batch in batches:
            forward = partial(model, **batch)
            plain = seconds(forward)
            alone += plain
            for name, captured in captures.items():
                captured.mask = batch["attention_mask"]
                with captured:
                    added[name] += seconds(forward) - plain
    for name, captured in captures.items():
        added[name] += seconds(captured.result)
    grams, leading = (captured.result() for captured in list(captures.values())[1:])
    print(f"{next(iter(grams.values())).count} tokens of {options.sentences} sentences")
    print("| tap | model alone, s | capture adds, s | ratio | target |\n|---|---|---|---|---|")
    for name in captures:
        ratio = added[name] / alone
        print(f"| {name} | {alone:.1f} | {added[name]:.1f} | {ratio:.3f} | <= {TARGET} |")
    print_accuracy(grams, leading)


def print_accuracy(grams: dict[str, ds.Gram], leading: dict[str, Leading]) -> None:
    """Print how far the leading modes are from those of the whole Gram matrices."""
    print(
        "\n| layer | shortfall, stated | true | excess over all modes, bound | true | resolved | of whole |"
    )
    print("|---|---|---|---|---|---|---|")
    for number, (gram, modes) in enumerate(zip(grams.values(), leading.values(), strict=True)):
        few, whole = ds.descramble(modes, rank=RANK), ds.descramble(gram)
        a = whole.criterion.basis(gram.n).eigenvalues[:RANK]
        true = float(a @ whole.eigenvalues[:RANK]) / few.bound - 1
        value, _ = whole.criterion.value_and_gradient(few.rotation.matrix, gram=gram.matrix)
        excess = value / whole.objective - 1
        bound = few.excess_bound / whole.objective
        resolved = f"{few.resolved.sum()} | {whole.resolved.sum()}"
        print(
            f"| {number} | {few.shortfall:.1e} | {true:.1e} | {bound:.2g} | {excess:.2g} | {resolved} |"
        )


if __name__ == "__main__":
    main()
