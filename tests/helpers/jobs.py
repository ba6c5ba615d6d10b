"""The commands that faults.py disturbs; run as a script: jobs.py JOB OUT PLACE."""

from __future__ import annotations

import os
import re
import resource
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

import descrambler as ds
from descrambler._signals import checkpoint
from descrambler.cli._main import main

SMALL = ("--widths", "16", "8", "16", "--steps")
STEPS = 0


def prepare(place: Path) -> None:
    """Write what the commands read."""
    rng = np.random.default_rng(0)
    layers = [
        ds.Linear(rng.standard_normal((40, 50))),
        ds.Activation("tanh"),
        ds.Linear(rng.standard_normal((30, 40))),
        ds.Activation("logistic"),
    ]
    network = ds.Network(layers)
    network.save(place / "net.npz")
    x = rng.standard_normal((400, 50))
    np.save(place / "x.npy", x)
    ds.interpret(network, x, nulls=20, null_inputs=50).save(place / "made")


def _command(*words: str, out: Path, place: Path) -> int:
    return main([word.format(out=out, place=place) for word in words])


def _step(*_: object) -> None:
    """Count what a callback is told of; raise at the step that is asked for."""
    global STEPS
    STEPS += 1
    if str(STEPS) == os.environ.get("FAULT_STEP"):
        raise ArithmeticError("injected")


def _gram(out: Path, place: Path) -> int:
    checkpoint.SECONDS = 0

    def batches() -> Iterator[np.ndarray]:
        for seed in range(150):
            _step()
            yield np.random.default_rng(seed).standard_normal((300, 100))

    ds.gram(batches, checkpoint=out / "partial.npz").save(out / "gram.npz")
    return 0


def _minimize(out: Path, place: Path) -> int:
    x = np.random.default_rng(0).standard_normal((300, 24)) * np.geomspace(1, 0.1, 24)
    settings = {"max_iter": 120, "tol": 1e-15, "checkpoint_every": 2}
    method, kept = "riemannian-lbfgs", out / "kept.npz"
    found = ds.descramble(x, method=method, checkpoint=kept, callback=_step, **settings)
    found.save(out / "result.npz")
    return 0


def _train(out: Path, place: Path) -> int:
    settings = {"n_steps": 1500, "checkpoint": out / "net.checkpoint", "callback": _step}
    ds.deer.train((16, 8, 16), **settings).save(out / "net.npz")
    return 0


def _bench(out: Path, place: Path) -> int:
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from benchmarks.harness.command import main as benchmarks

    return benchmarks(["exact", "--quick", "--threads", "1", "-o", str(out)])


NETWORK = ("{place}/net.npz", "--inputs", "{place}/x.npy", "-o", "{out}", "--force")
JOBS = {
    "pictures": partial(_command, "interpret", "--nulls", "0", *NETWORK),
    "interpret": partial(_command, "interpret", *NETWORK, "--nulls", "20", "--null-inputs", "50"),
    "report": partial(_command, "report", "{place}/made", "-o", "{out}/report.html"),
    "train": partial(_command, "train", "-o", "{out}/net.npz", *SMALL, "1500"),
    "seeds": partial(_command, "train", "-o", "{out}", "--jobs", "2", "--seeds", "0-1", *SMALL, "1500"),
    "bench": _bench,
    "gram": _gram,
    "minimize": _minimize,
    "training": _train,
}  # fmt: skip
RESUMED = ("train", "seeds", "gram", "minimize", "training")
PARENTS = ("seeds", "bench")
CALLING = ("gram", "minimize", "training")


def _virtual(name: str) -> int:
    text = Path("/proc/self/status").read_text()
    return int(re.findall(rf"{name}:\s+(\d+) kB", text)[0]) // 1024


if __name__ == "__main__":
    job, out, place = sys.argv[1:]
    # OpenBLAS, refused its buffers at the first product, asks for them for ever: it has them before the limit.
    square = np.ones((200, 200))
    ds.descramble(ds.Gram(square @ square))
    ds.gram(square)
    start = _virtual("VmSize")
    if megabytes := os.environ.get("FAULT_MEGABYTES"):
        limit = (start + int(megabytes)) * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    print("ready", flush=True)
    code = JOBS[job](out=Path(out), place=Path(place))
    if "FAULT_MEASURE" in os.environ:
        print(f"\n{STEPS} {_virtual('VmPeak') - start}")
    sys.exit(code)
