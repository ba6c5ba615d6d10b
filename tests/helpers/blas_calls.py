"""Make public calls with a BLAS of two threads; print which were made, and which of them woke its second thread.

A script, since a BLAS starts its threads when it is loaded:
OPENBLAS_NUM_THREADS=2 OPENBLAS_THREAD_TIMEOUT=30 blas_calls.py FOLDER.
"""

from __future__ import annotations

import inspect
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import scipy.linalg

TASKS = Path("/proc/self/task")
WORKERS = [task for task in TASKS.iterdir() if int(task.name) != os.getpid()]

import descrambler as ds  # noqa: E402 (threads that are there before it are those of a BLAS)
from descrambler._util.threads import alone  # noqa: E402

Calls: TypeAlias = Iterator[tuple[str, Callable[[], Any]]]

# OpenBLAS shares products of square matrices from 64 rows on; with the AVX-512 instructions from some 110 on.
N, SAMPLES = 128, 180
# Less than the time that its threads look for more work (2**30 ticks of the clock), in ms of a busy processor.
SPIN = 5.0
RNG = np.random.default_rng(0)
W = RNG.standard_normal((N, N))
X = RNG.standard_normal((SAMPLES, N)) * np.geomspace(1, 0.1, N)


def network() -> ds.Network:
    first, second = (
        ds.Linear(RNG.standard_normal((N, N)) / 10, RNG.standard_normal(N)) for _ in "ab"
    )
    return ds.Network([first, ds.Activation("tanh"), second])


def members(value: Any, *left_out: str) -> Calls:
    """Yield all public properties, and the methods that need no argument."""
    for owner in type(value).__mro__:
        for name, member in vars(owner).items():
            called = f"{owner.__name__}.{name}"
            if name.startswith("_") or name in left_out:
                continue
            if isinstance(member, property | cached_property):
                yield called, partial(getattr, value, name)
            elif inspect.isfunction(member):
                needed = list(inspect.signature(member).parameters.values())[1:]
                if all(p.default is not p.empty for p in needed):
                    yield called, getattr(value, name)


def of_results(folder: Path) -> Calls:
    yield "descramble", lambda: ds.descramble(X)
    yield "descramble", lambda: ds.descramble(X, "entropy", max_iter=2)
    yield "descramble", lambda: ds.descramble(X, ds.criteria.Orthomax(), max_iter=2)
    yield "diagonalize", lambda: ds.diagonalize(W, "norm_square")
    with alone():
        results = ds.descramble(X), ds.descramble(X, rank=10)
    for result in results:
        yield from members(result, "plot", "to_dataframe")
        yield "Descrambling.transform", partial(result.transform, X)
        yield "Descrambling.save", partial(result.save, folder / "result.npz")
        yield "load_result", partial(ds.load_result, folder / "result.npz")
        rotation = result.rotation
        yield from members(rotation)
        yield "Rotation.left", partial(rotation.left, W)
        yield "Rotation.left", partial(rotation.left, W[:, :1])
        yield "Rotation.right", partial(rotation.right, W)
        yield "Rotation.astype", partial(rotation.astype, np.float32)
        yield "Rotation @", lambda rotation=rotation: (rotation @ W, W @ rotation, rotation @ W[0])
        yield "Rotation @", lambda rotation=rotation: rotation @ rotation
    yield "gram", lambda: ds.gram(X, center=True)
    assert results[0].gram is not None
    yield from members(results[0].gram)
    yield "Gram.save", partial(results[0].gram.save, folder / "gram.npz")
    yield "Gram.load", partial(ds.Gram.load, folder / "gram.npz")


def of_criteria() -> Calls:
    p, rough = np.eye(N), lambda s: (float(np.sum(s**4)), 4 * s**3)
    for criterion in (
        ds.criteria.Smoothness(),
        ds.criteria.Smoothness(operator=np.diff(np.eye(N), axis=0)),
        ds.criteria.TargetCovariance(np.diag(np.arange(1.0, N + 1))),
        ds.criteria.Kurtosis() + ds.criteria.Smoothness(),
        ds.criteria.Custom(rough),
    ):
        yield "Criterion", partial(criterion.value_and_gradient, p, signals=X)
        yield "Criterion", partial(ds.descramble, X, criterion, max_iter=2)
    linear = lambda p: (float(np.sum(p * W)), W)  # noqa: E731
    yield "criteria.check_gradient", lambda: ds.criteria.check_gradient(linear, N)
    yield "group.minimize", lambda: ds.group.minimize(linear, p, max_iter=2)
    yield "group.orthogonal", lambda: ds.group.orthogonal("P", p)
    yield "group.random_rotation", lambda: ds.group.random_rotation(N, 0)


def of_networks(folder: Path) -> Calls:
    net, other, p = network(), network(), np.eye(N)
    norm = ds.BatchNorm(np.ones(N), np.ones(N))
    yield "Network", lambda: ds.Network([norm, *net.layers])
    yield "Network()", lambda: net(X)
    yield "Network()", lambda: net(X[:1])
    yield from members(net)
    yield from members(net.linears[0])
    yield "Network.linear", lambda: net.linear(1)
    yield "Network.signals", lambda: net.signals(X)
    yield "Network.batches", lambda: list(net.batches(X, 2))
    yield "Network.gram", lambda: net.gram(X, 1)
    yield "Network.with_rotation", lambda: net.with_rotation(p, 1)
    yield "Network.reduce", lambda: net.reduce(20)
    yield "Linear.reduce", lambda: net.linears[0].reduce(20)
    yield "Network.save", lambda: net.save(folder / "net.npz")
    yield "load", lambda: ds.load(folder / "net.npz")
    loss = ds.analysis.layer_loss(net, 1, X, X)
    yield "analysis.layer_loss", lambda: loss(W)
    yield "analysis.mean_jacobian", lambda: ds.analysis.mean_jacobian(net, X)
    with alone():
        same = ds.align(X, X[:, ::-1], nulls=2)
    yield from members(same, "plot", "to_dataframe")
    yield "Alignment.transform", lambda: same.transform(X)
    yield "Alignment.apply", lambda: same.apply(net)
    yield "ensemble", lambda: ds.ensemble([net, other], X, 1)
    with alone():
        several = ds.ensemble([net, other], X, 1)
    yield from members(several, "plot", "to_dataframe")
    yield "Ensemble.save", lambda: several.save(folder / "ensemble.npz")
    yield "evidence.privileged_basis", lambda: ds.evidence.privileged_basis(X, nulls=2)


def of_studies(folder: Path) -> Calls:
    net = network()
    study = ds.Study(net, X)
    for layer in (1, 2):
        for name in ("links_of", "raw", "weights", "bias", "modes", "response", "singular"):
            yield f"Study.{name}", partial(getattr(study, name), layer)
    yield from members(study)
    few = [d for d in ds.evidence.detectors.DETECTORS if d.name in ("low-pass", "low rank")]
    options: Any = {"nulls": 20, "null_inputs": 60, "detectors": few, "initial": network()}
    kept: list[ds.Interpretation] = []
    yield "interpret", lambda: kept.append(ds.interpret(net, X, **options))
    (found,) = kept
    kind = found.kinds[0]
    yield "Interpretation.draw", lambda: [found.draw(kind).weights(1) for kind in found.kinds]
    yield "Interpretation.pictured_draw", lambda: found.pictured_draw(kind).singular(1)
    yield "Interpretation.look_alike", lambda: found.look_alike(1)
    yield from members(found, "plot", "report", "save", "to_dataframe")
    yield from members(found.setting)
    yield "evidence.nulls.random_counterpart", lambda: ds.nulls.random_counterpart(net)
    yield "Interpretation.save", lambda: found.save(folder / "found")
    yield "report.record", lambda: ds.report.record(found)
    pair = ds.report.Pair((found.pictured, found.pictured_draw(kind)), ("one", "other"))
    yield "report.network_figures", lambda: list(ds.report.network_figures(pair))
    yield "report.plot_weights", lambda: ds.report.plot_weights(study, 1)
    yield "report.plot_spectrum", lambda: ds.report.plot_spectrum(study, 1)
    predict = ds.deer.ridge_regression(ds.deer.simulate(90))[0]
    yield "deer.ridge_regression", lambda: predict(np.ones((90, 256)))


def worked() -> float:
    """Return the processor time of the threads of a BLAS, in ms."""
    return sum(int((worker / "schedstat").read_text().split()[0]) for worker in WORKERS) / 1e6


def asleep() -> bool:
    """Tell whether none of them runs, or waits for a processor."""
    return all(
        (worker / "stat").read_text().rpartition(")")[2].split()[0] == "S" for worker in WORKERS
    )


def at_rest() -> float:
    """Wait until all of them sleep, and return their processor time: after work they look for more for a while."""
    while not asleep():
        time.sleep(0.005)
    return worked()


def main(folder: Path) -> None:
    called, woke = set(), []
    warnings.simplefilter("ignore")
    before = at_rest()
    first = [("a product", lambda: W @ W), ("a decomposition", lambda: scipy.linalg.svd(W))]
    rooms = (first, of_results(folder), of_criteria(), of_networks(folder), of_studies(folder))
    for name, call in chain.from_iterable(rooms):
        call()
        called.add(name)
        if worked() != before or not asleep():
            now = at_rest()
            # The machine may wake a thread for a moment; one that had work has looked for more.
            if now - before > SPIN:
                woke.append(name)
            before = now
    print(json.dumps({"workers": len(WORKERS), "called": sorted(called), "woke": woke}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
