"""Train many small networks quickly, to calibrate what is judged by controls.

python benchmarks/control_networks.py --widths 64 24 64 --kind once --seeds 10000-10239 -o build/calibration

The recipe of METHOD.md section 9: Adam at 3e-3, 3000 steps, 4000 traces, batches of 128, no biases,
tanh, logistic. Each network has start, traces and batches of its own seed. Give each kind other
seeds: networks of one seed start from the same weights. Forty networks are trained at once and
written to one file; files that are there are kept. `read` returns the networks of a file.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from batched import BatchedLearner
from numpy.typing import NDArray

from descrambler import Network
from descrambler._util.files import read_arrays, write_arrays
from descrambler.deer import simulate
from descrambler.deer._stream import generator
from descrambler.deer._train import as_network, initial_weights

SCHEMA = "descrambler.calibration.v1"
KINDS = ("true", "once", "anew")
TRACES, BATCH, RATE = 4000, 128, 3e-3
PASS = TRACES // BATCH
TOGETHER = 40


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--widths", type=int, nargs="+", required=True)
    parser.add_argument("--kind", choices=KINDS, required=True)
    parser.add_argument("--seeds", required=True, metavar="A-B")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.output.mkdir(parents=True, exist_ok=True)
    first, last = map(int, options.seeds.split("-"))
    for low in range(first, last + 1, TOGETHER):
        seeds = range(low, min(low + TOGETHER, last + 1))
        name = "_".join([*map(str, options.widths), options.kind, f"seeds{seeds[0]}-{seeds[-1]}"])
        path = options.output / f"{name}.npz"
        if path.exists():
            print(f"{path} is there", flush=True)
            continue
        start = time.perf_counter()
        arrays = train(options.widths, options.kind, seeds, options.steps)
        write_arrays(path, SCHEMA, arrays)
        minutes = (time.perf_counter() - start) / 60
        print(
            f"{path}: {len(seeds) / minutes:.1f} networks a minute, training loss "
            f"{arrays['loss'].mean():.5f}, of the mean predictor {arrays['loss_mean'].mean():.5f}",
            flush=True,
        )


def train(widths: list[int], kind: str, seeds: range, n_steps: int) -> dict[str, NDArray]:
    """Return weights and losses of one network per seed."""
    starts = [initial_weights(widths, seed) for seed in seeds]
    learner = BatchedLearner(starts, BATCH)
    traces, targets, loss_mean = _data(widths[0], kind, seeds)
    rows = [_rows(seed, n_steps) for seed in seeds]
    offsets = TRACES * np.arange(len(seeds))[:, None]
    shape = (len(seeds), BATCH, widths[0])
    losses = []
    for step in range(n_steps):
        used = np.stack([order[step] for order, _ in rows]) + offsets
        wanted = np.stack([other[step] for _, other in rows]) + offsets if kind == "anew" else used
        x = traces.index_select(0, torch.from_numpy(used.ravel())).view(shape)
        y = targets.index_select(0, torch.from_numpy(wanted.ravel())).view(shape)
        error = learner.step(x, y, RATE)
        if step >= n_steps - PASS:
            losses.append(error.square().mean(dim=(1, 2)).numpy())
    settings = {
        "widths": widths, "kind": kind, "seeds": list(seeds), "n_steps": n_steps,
        "learning_rate": RATE, "batch": BATCH, "n_traces": TRACES, "weight_decay": 0.0,
    }  # fmt: skip
    weights = zip(*(learner.weights(k) for k in range(len(seeds))), strict=True)
    return {
        "settings": np.array(json.dumps(settings)),
        "loss": np.mean(losses, axis=0),
        "loss_mean": loss_mean,
        **{f"weight_{k}": np.stack(layer) for k, layer in enumerate(weights, 1)},
        **{f"initial_{k}": np.stack(layer) for k, layer in enumerate(zip(*starts, strict=True), 1)},
    }


def _data(n_points: int, kind: str, seeds: range) -> tuple[torch.Tensor, torch.Tensor, NDArray]:
    """Return the traces of all networks in a row, their targets, and what the mean is wrong by."""
    traces, targets, loss_mean = [], [], []
    for seed in seeds:
        data = simulate(TRACES, generator(seed, 1, 0), n_points, dtype=np.float32)
        wanted = data.targets
        if kind == "once":
            wanted = wanted[generator(seed, 2, 0).permutation(TRACES)]
        traces.append(data.traces)
        targets.append(wanted)
        loss_mean.append(np.square(wanted - wanted.mean(axis=0)).mean())
    return (
        torch.from_numpy(np.concatenate(traces)),
        torch.from_numpy(np.concatenate(targets)),
        np.array(loss_mean),
    )


def _rows(seed: int, n_steps: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return which traces each step uses and, for "anew", whose targets they get."""
    order, other = generator(seed, 3), generator(seed, 4)
    passes = [order.permutation(TRACES)[: PASS * BATCH] for _ in range(-(-n_steps // PASS))]
    used = np.concatenate(passes).reshape(-1, BATCH)[:n_steps]
    return used, other.integers(TRACES, size=used.shape)


def read(path: Path) -> list[Network]:
    """Return the networks of a file, each with its untrained network and its provenance."""
    arrays = read_arrays(path, SCHEMA)
    settings = json.loads(str(arrays["settings"]))
    layers = range(1, len(settings["widths"]))
    networks = []
    for k, seed in enumerate(settings["seeds"]):
        recipe = {name: value for name, value in settings.items() if name != "seeds"}
        shuffle = None if recipe["kind"] == "true" else recipe["kind"]
        provenance = {"settings": recipe | {"random_state": seed, "shuffle": shuffle}}
        initial = as_network([arrays[f"initial_{layer}"][k] for layer in layers])
        weights = [arrays[f"weight_{layer}"][k] for layer in layers]
        networks.append(as_network(weights, initial=initial, provenance=provenance))
    return networks


if __name__ == "__main__":
    main()
