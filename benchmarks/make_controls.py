"""Make the control networks that ship: DEERNets by the shipped recipe, on permuted targets.

    python benchmarks/make_controls.py train once -o build/controls
    python benchmarks/make_controls.py train anew -o build/controls
    python benchmarks/make_controls.py pack -o build/controls

`train` trains nineteen networks of one kind at once, as `descrambler.deer.train(shuffle=...)` does
one by one. An interrupted training goes on from its checkpoint. For "anew" the traces come from a
pool of blocks that all networks share, each network in an order of its own: simulating new traces
takes longer than training, and the targets are independent of the traces anyway. `pack` writes the
data files of the package, in half precision, unless the rounding moves a claim (`rounding.py`).
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rounding import Rounded, refuse, table

import descrambler as ds
from descrambler._util.files import read_arrays, write_arrays
from descrambler.deer import _controls as stored
from descrambler.deer._stream import (
    BATCH,
    BLOCK,
    PASS,
    block,
    generator,
    new_order,
    new_targets,
    shuffled_once,
)
from descrambler.deer._train import as_network, initial_weights, validation_errors, versions

Array = NDArray[np.float32]
Pair = tuple[Array, Array]

KINDS = ("once", "anew")
N_NETWORKS = 19
WIDTHS = (256, 80, 256)
N_STEPS, LEARNING_RATE, WEIGHT_DECAY = 150_000, 0.01, 1e-6
FIRST_SEED = {"once": 100, "anew": 200}  # the shipped networks have 0, 1 and 2
POOL_SEED, POOL_BLOCKS = 1000, 64
POOL_ORDER = 4  # key of the random numbers, beside those of descrambler.deer._stream
SCHEMA = "descrambler.controls-training.v1"
REPORT, KEEP = 16 * PASS, 60.0  # steps between two lines of the log, seconds between checkpoints
ROUNDING = 1e-3  # largest relative change of the outputs by half precision
WEIGHTS = Path(__file__).parents[1] / "python/descrambler/deer/weights"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    trains = commands.add_parser("train", help="train the networks of one kind")
    trains.add_argument("kind", choices=KINDS)
    trains.add_argument("--pool", type=Path, default=Path("/tmp/controls-pool.npy"))
    trains.set_defaults(action=lambda options: train(options.kind, options.output, options.pool))
    packs = commands.add_parser("pack", help="write the data files of the package")
    packs.add_argument("--weights", type=Path, default=WEIGHTS, help="folder of the data files")
    packs.set_defaults(action=lambda options: pack(options.output, options.weights))
    for command in (trains, packs):
        command.add_argument("-o", "--output", type=Path, required=True, help="folder of networks")
    options = parser.parse_args()
    options.action(options)


# Training.


@dataclass
class Training:
    """Networks of one kind in training, and where they are."""

    settings: dict[str, Any]
    learner: Any
    path: Path
    step: int = 0
    seconds: float = 0.0  # of earlier runs
    losses: list[Array] = field(default_factory=list)  # per report and network

    def resume(self) -> None:
        """Go on from the checkpoint, if there is one."""
        if not self.path.exists():
            return
        arrays = read_arrays(self.path, SCHEMA)
        if json.loads(str(arrays["settings"])) != self.settings:
            raise SystemExit(f"{self.path} belongs to another training; remove it to start anew")
        self.step, self.seconds = int(arrays["step"]), float(arrays["seconds"])
        self.losses = list(arrays["losses"])
        self.learner.restore(arrays, self.step)

    def keep(self) -> None:
        """Write the checkpoint."""
        records = {
            "settings": np.array(json.dumps(self.settings)),
            "step": np.array(self.step),
            "seconds": np.array(self.seconds),
            "losses": np.array(self.losses),
        }
        write_arrays(self.path, SCHEMA, records | self.learner.arrays())


def train(kind: str, output: Path, pool_file: Path) -> None:
    """Train the networks of one kind and save them, each with its provenance."""
    import torch  # `pack` does without
    from batched import BatchedLearner

    torch.set_num_threads(1)
    (output / kind).mkdir(parents=True, exist_ok=True)
    first = FIRST_SEED[kind]
    seeds = list(range(first, first + N_NETWORKS))
    settings = {
        "widths": list(WIDTHS), "kind": kind, "n_steps": N_STEPS,
        "learning_rate": LEARNING_RATE, "weight_decay": WEIGHT_DECAY,
        "seeds": seeds, "pool": POOL_BLOCKS if kind == "anew" else 0,
    }  # fmt: skip
    learner = BatchedLearner([initial_weights(WIDTHS, s) for s in seeds], BATCH, WEIGHT_DECAY)
    training = Training(settings, learner, output / kind / "training.checkpoint")
    training.resume()
    if training.step < N_STEPS:
        optimize(training, torch, pool_file)
    save(training, output / kind)


def optimize(training: Training, torch: Any, pool_file: Path) -> None:
    """Train to the end of the budget."""
    seeds, step, before = training.settings["seeds"], training.step, training.seconds
    pool = open_pool(pool_file) if training.settings["pool"] else None
    stream = once(seeds, step) if pool is None else anew(seeds, step, pool)
    start = kept = time.perf_counter()
    squares = []
    for inputs, targets in stream:
        rate = LEARNING_RATE * (1 + math.cos(math.pi * training.step / N_STEPS)) / 2
        error = training.learner.step(torch.from_numpy(inputs), torch.from_numpy(targets), rate)
        training.step += 1
        if training.step % 8 == 0:
            squares.append(error.square().mean(dim=(1, 2)).numpy())
        done = training.step == N_STEPS
        if training.step % REPORT and not done:
            continue
        training.seconds = before + time.perf_counter() - start
        training.losses.append(np.mean(squares, axis=0))
        squares.clear()
        report(training)
        if done or time.perf_counter() - kept > KEEP:
            training.keep()
            kept = time.perf_counter()
        if done:
            return


def report(training: Training) -> None:
    loss = training.losses[-1]
    print(
        f"{datetime.now():%H:%M:%S} {training.settings['kind']} step {training.step} "
        f"minutes {training.seconds / 60:.2f} "
        f"loss {loss.mean():.5f} [{loss.min():.5f}, {loss.max():.5f}]",
        flush=True,
    )


def once(seeds: Sequence[int], first_step: int) -> Iterator[Pair]:
    """Yield batches of one fixed set per network, its targets permuted once."""
    sets = [shuffled_once(WIDTHS[0], seed) for seed in seeds]
    inputs, targets = buffers(len(seeds))
    for step in count(first_step):
        turn, batch = divmod(step, PASS)
        if batch == 0 or step == first_step:
            orders = [new_order(seed, turn) for seed in seeds]
        rows = slice(batch * BATCH, (batch + 1) * BATCH)
        for k, (traces, wanted) in enumerate(sets):
            np.take(traces, orders[k][rows], axis=0, out=inputs[k])
            np.take(wanted, orders[k][rows], axis=0, out=targets[k])
        yield inputs, targets


def anew(seeds: Sequence[int], first_step: int, pool: Pair) -> Iterator[Pair]:
    """Yield batches of blocks of the pool, the targets of a block permuted anew at every pass."""
    traces, wanted = pool
    inputs, targets = buffers(len(seeds))
    for step in count(first_step):
        turn, batch = divmod(step, PASS)
        if batch == 0 or step == first_step:
            blocks = [pool_block(seed, turn, len(traces)) for seed in seeds]
            orders = [new_targets(seed, turn) for seed in seeds]
        rows = slice(batch * BATCH, (batch + 1) * BATCH)
        for k, index in enumerate(blocks):
            inputs[k] = traces[index, rows]
            np.take(wanted[index], orders[k][rows], axis=0, out=targets[k])
        yield inputs, targets


def pool_block(seed: int, turn: int, n: int) -> int:
    """Return which of `n` blocks a pass uses: each once, then each again in another order."""
    return int(generator(seed, POOL_ORDER, turn // n).permutation(n)[turn % n])


def buffers(n: int) -> Pair:
    shape = (n, BATCH, WIDTHS[0])
    return np.empty(shape, np.float32), np.empty(shape, np.float32)


def open_pool(path: Path) -> Pair:
    """Simulate the blocks of the pool, or open what an earlier run simulated."""
    shape = (2, POOL_BLOCKS, BLOCK, WIDTHS[0])
    if not path.exists():
        partial = path.with_suffix(".part")
        pool = np.lib.format.open_memmap(partial, "w+", np.float32, shape)
        for k in range(POOL_BLOCKS):
            pool[0, k], pool[1, k] = block(WIDTHS[0], POOL_SEED, k)
        pool.flush()
        partial.rename(path)
    pool = np.load(path, mmap_mode="r")
    if pool.shape != shape:
        raise SystemExit(f"{path} has shape {pool.shape}, wanted is {shape}; remove it")
    return pool[0], pool[1]


def save(training: Training, folder: Path) -> None:
    """Save each network with its untrained network and its provenance."""
    settings = training.settings
    for k, seed in enumerate(settings["seeds"]):
        weights, start = training.learner.weights(k), initial_weights(WIDTHS, seed)
        provenance = {
            "command": f"python benchmarks/make_controls.py train {settings['kind']} -o build/controls",
            "settings": {
                "widths": list(WIDTHS), "random_state": seed, "n_steps": N_STEPS, "minutes": None,
                "learning_rate": LEARNING_RATE, "weight_decay": WEIGHT_DECAY,
                "shuffle": settings["kind"],
            },
            "pool": {"blocks": settings["pool"], "seed": POOL_SEED} if settings["pool"] else None,
            "steps": training.step,
            "minutes": round(training.seconds / 60 / N_NETWORKS, 2),
            "training_mse": round(float(training.losses[-1][k]), 6),
            **validation_errors(weights, start),
            "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "versions": versions(),
        }  # fmt: skip
        network = as_network(weights, initial=as_network(start), provenance=provenance)
        network.save(folder / f"deernet_256_80_256_wd1e-06_{settings['kind']}_seed{seed}.npz")


# The data files of the package.


def pack(folder: Path, weights: Path) -> None:
    """Write one file per kind, and say what half precision changes."""
    traces = ds.deer.simulate(200, 5, dtype=np.float32).traces
    for kind in KINDS:
        first = FIRST_SEED[kind]
        names = [
            f"deernet_256_80_256_wd1e-06_{kind}_seed{seed}.npz"
            for seed in range(first, first + N_NETWORKS)
        ]
        networks = [ds.load(folder / kind / name) for name in names]
        arrays = stored.pack(networks)
        changes = [
            difference(one(traces), other(traces))
            for one, other in zip(stored.unpack(arrays), networks, strict=True)
        ]
        path = weights / stored.file_name(kind)
        print(f"{path}: relative r.m.s. change of the outputs by half precision {max(changes):.1e}")
        if max(changes) > ROUNDING:
            raise SystemExit(f"more than {ROUNDING:g}: not written")
        told = Rounded(networks)
        print(f"{table(told.changes())}\n{told.judged()}")
        refuse(told.changes())
        write_arrays(path, stored.SCHEMA, arrays)


def difference(one: Array, other: Array) -> float:
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))


if __name__ == "__main__":
    main()
