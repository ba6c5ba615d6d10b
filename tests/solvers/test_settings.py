"""Threads and variants of the core at sizes where a BLAS does share its work: what docs/faq.md allows.

A process of its own for each setting makes a table of numbers. (The corpus is held to the same
tolerances, but its matrices are small, and OpenBLAS keeps small products on one thread. That the workers
of `interpret` change nothing is in tests/test_findings.py.)
"""

import importlib
import importlib.util
import os
import subprocess
import sys
import warnings
from functools import partial

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import descrambler as ds

# Rounding, times the condition of the case; float32 results differ by theirs.
DOUBLE, AMPLIFIED, SINGLE = 1e-12, 1e-10, 1e-5


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def signals(m, n, decay=1.0, dtype=np.float64):
    mixing = np.linalg.qr(normal(n, n, seed=1))[0]
    return ((normal(m, n) + 0.75) * np.logspace(0, -decay, n) @ mixing).astype(dtype)


def exact(dtype):
    result = ds.descramble(signals(700, 200, dtype=dtype))
    return np.append(result.rotation.matrix @ normal(200, 2), [result.objective, result.bound])


def iterative(criterion, method, n=100):
    """Three steps: further on, a search among local optima tells rounding apart."""
    result = ds.descramble(signals(700, n), criterion, method=method, max_iter=3)
    return np.append(result.rotation.matrix, result.objective)


def starts(workers):
    found = ds.descramble(
        signals(200, 24), "entropy", n_starts=4, random_state=0, max_iter=3, threads=workers
    )
    return found.starts.objectives


def gram(dtype):
    found = ds.gram(signals(900, 300, dtype=dtype), center=True)
    return found.matrix


def diagonal(criterion):
    return [ds.diagonalize(normal(100, 100), criterion).objective]


def charts():
    w = normal(150, 150)
    q = (w - w.T) / 30
    p = ds.group.exp(q)
    back = ds.group.log(p), ds.group.polar(w / 15 + 2 * np.eye(150))
    return np.stack([p, ds.group.cayley(q), ds.group.cayley_pullback(q, w / 15), *back])


def simulated(workers):
    return ds.deer.simulate(1200, 3, 64, threads=workers).traces


def network(seed):
    layers = normal(80, 96, seed=seed), normal(96, 80, seed=seed + 100)
    first, second = (ds.Linear(w / np.sqrt(w.shape[1])) for w in layers)
    return ds.Network([first, ds.Activation("tanh"), second])


def inputs():
    return normal(600, 96, seed=7).cumsum(axis=1) / 10 + 0.5


def agreed():
    found = ds.ensemble([network(seed) for seed in range(4)], inputs())
    return np.nan_to_num(np.stack([found.trained.bound, found.trained.invariant]), nan=-99)


def table(workers):
    """Function and tolerance of each case."""
    return {
        "descramble, exact": (partial(exact, np.float64), AMPLIFIED),
        "descramble, exact, float32": (partial(exact, np.float32), SINGLE),
        **{
            f"descramble, {name}, {method}": (partial(iterative, name, method), AMPLIFIED)
            for name in ("smoothness", "entropy", "varimax", "kurtosis")
            for method in ("riemannian-lbfgs", "cayley-lbfgs")
        },
        "many starts": (partial(starts, workers), AMPLIFIED),
        "diagonalize, sum": (partial(diagonal, "sum"), DOUBLE),
        "diagonalize, norm_square": (partial(diagonal, "norm_square"), 1e-9),
        "gram": (partial(gram, np.float64), DOUBLE),
        "gram, float32": (partial(gram, np.float32), SINGLE),
        "group": (charts, AMPLIFIED),
        "simulate": (partial(simulated, workers), DOUBLE),
        "ensemble": (agreed, AMPLIFIED),
    }


def built():
    supported = importlib.import_module("descrambler._core._isa").supported()
    return [x for x in supported if importlib.util.find_spec(f"descrambler._core.{x}")]


def made(path, variant, threads):
    environment = os.environ | {"DESCRAMBLER_ISA": variant}
    subprocess.run([sys.executable, __file__, path, str(threads)], env=environment, check=True)
    with np.load(path) as numbers:
        return dict(numbers)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    return made(tmp_path_factory.mktemp("settings") / "one.npz", "baseline", 1)


@pytest.fixture(scope="module")
def best(tmp_path_factory):
    return made(tmp_path_factory.mktemp("settings") / "best.npz", built()[0], 2)


def agree(found, reference, threads):
    tolerances = {name: allowed for name, (_, allowed) in table(threads).items()}
    off = {
        name: np.abs(found[name] - expected).max() / np.abs(expected).max() / tolerances[name]
        for name, expected in reference.items()
    }
    assert off.keys() == tolerances.keys()
    assert {name: x for name, x in off.items() if not x <= 1} == {}


def test_two_threads_of_the_best_variant_agree_with_one_of_the_baseline(reference, best):
    agree(best, reference, 2)


def test_four_threads_of_another_variant_agree(reference, tmp_path):
    variant = built()[min(1, len(built()) - 1)]
    agree(made(tmp_path / "four.npz", variant, 4), reference, 4)


def test_same_settings_give_the_same_bits(best, tmp_path):
    again = made(tmp_path / "again.npz", built()[0], 2)
    for name, numbers in best.items():
        np.testing.assert_array_equal(again[name], numbers, err_msg=name)


if __name__ == "__main__":
    warnings.simplefilter("ignore", ds.DescramblerWarning)
    count = int(sys.argv[2])
    # By the environment OpenBLAS takes no more threads than there are processors.
    with threadpool_limits(count):
        np.savez(sys.argv[1], **{k: np.asarray(f()) for k, (f, _) in table(count).items()})
