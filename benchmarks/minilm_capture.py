"""What collecting the Gram matrices of all six feed-forward layers of MiniLM adds to its forward passes.

python benchmarks/minilm_capture.py --sentences 10000

The model alone and the model with a capture run in turn, batch by batch, on one thread; times are those of the
process. `before` is the tap before the activations, `after` the one after them, 1536 units each.
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

TARGET = 0.25


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
    captures = {
        "before": ds.interop.torch.Capture(model, minilm.BEFORE),
        "after": ds.interop.torch.Capture(model, minilm.AFTER),
    }
    alone = dict.fromkeys(captures, 0.0)
    added = dict.fromkeys(captures, 0.0)
    with torch.no_grad():
        model(**batches[0])
        for batch in batches:
            for name, captured in captures.items():
                forward = partial(model, **batch)
                plain = seconds(forward)
                captured.mask = batch["attention_mask"]
                with captured:
                    whole = seconds(forward)
                alone[name] += plain
                added[name] += whole - plain
    for name, captured in captures.items():
        added[name] += seconds(captured.result)
    tokens = captures["after"].result()[captures["after"].taps[0]].count
    print(f"{tokens} tokens of {options.sentences} sentences")
    print("| tap | model alone, s | capture adds, s | ratio | target |\n|---|---|---|---|---|")
    for name in captures:
        ratio = added[name] / alone[name]
        print(f"| {name} | {alone[name]:.1f} | {added[name]:.1f} | {ratio:.3f} | <= {TARGET} |")


if __name__ == "__main__":
    main()
