"""Threads of our own loops: the same bits with any number of them, none left, obedient."""

import os
import signal
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

import descrambler as ds
from descrambler import _core as core
from descrambler.errors import ConvergenceWarning

# Larger than a tile of a product and a stripe of signals, so that there is something to share.
N, UNITS, SIGNALS = 150, 30, 2600
GENERATOR = np.random.default_rng(0)
X = GENERATOR.standard_normal((SIGNALS, UNITS)) ** 3
WIDE = GENERATOR.standard_normal((400, N)) * np.geomspace(1, 0.1, N)
W = GENERATOR.standard_normal((N, N))
# Leading modes are searched for, and in the signals themselves, from 1024 units on.
LARGE = GENERATOR.standard_normal((300, 1100)) * np.arange(1, 1101) ** -0.7
# More decades than a Gram matrix holds: these signals are factored.
DECADES = (
    GENERATOR.standard_normal((400, 40))
    @ np.diag(np.geomspace(1, 1e-12, 40))
    @ np.linalg.qr(W[:40, :40])[0]
)
NETWORK = ds.Network([ds.Linear(GENERATOR.standard_normal((70, UNITS)) / 5), ds.Activation("tanh")])
FEW = {"max_iter": 3}


def quadratic(p):
    return float(np.sum((p - W) ** 2)), 2 * (p - W)


SOLVERS = {
    "exact": lambda t: ds.descramble(WIDE, threads=t),
    "factored": lambda t: ds.descramble(DECADES, threads=t),
    "leading modes": lambda t: ds.descramble(LARGE, rank=8, threads=t),
    "as many as are resolved": lambda t: ds.descramble(LARGE, rank="auto", threads=t),
    "group O, other criterion": lambda t: ds.descramble(
        X, "autocorrelation", group="O", center=True, threads=t, **FEW
    ),
    "riemannian": lambda t: ds.descramble(WIDE, method="riemannian-lbfgs", threads=t, **FEW),
    "polar retraction": lambda t: ds.descramble(
        WIDE, method="riemannian-lbfgs", retraction="polar", threads=t, **FEW
    ),
    "exponential": lambda t: ds.descramble(
        WIDE, method="riemannian-lbfgs", retraction="exponential", threads=t, **FEW
    ),
    "cayley": lambda t: ds.descramble(
        WIDE, method="cayley-lbfgs", random_state=1, threads=t, **FEW
    ),
    "float32": lambda t: ds.descramble(
        WIDE, method="riemannian-lbfgs", dtype="float32", threads=t, **FEW
    ),
    "entropy": lambda t: ds.descramble(X, "entropy", threads=t, **FEW),
    "two terms": lambda t: ds.descramble(
        X, ds.criteria.Locality() + ds.criteria.TotalVariation(), threads=t, **FEW
    ),
    "varimax": lambda t: ds.descramble(X, ds.criteria.Orthomax(), threads=t, **FEW),
    "kurtosis": lambda t: ds.descramble(X, "kurtosis", method="riemannian-lbfgs", threads=t, **FEW),
    "starts": lambda t: ds.descramble(X, "entropy", n_starts=3, threads=t, **FEW),
    "diagonal sum": lambda t: ds.diagonalize(W, threads=t),
    "norm square": lambda t: ds.diagonalize(W, "norm_square", threads=t, max_iter=3),
    "norm square, iterated": lambda t: ds.diagonalize(
        W[:100, :100], "norm_square", method="riemannian-lbfgs", threads=t, **FEW
    ),
    "minimize, cayley": lambda t: ds.group.minimize(
        quadratic, np.eye(N), method="cayley-lbfgs", check_gradient=False, threads=t, **FEW
    ),
    "minimize": lambda t: ds.group.minimize(
        quadratic, np.eye(N), check_gradient=False, threads=t, **FEW
    ),
}


@pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS)
def test_bits_do_not_depend_on_threads(solver):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        alone = solver(1)
        for threads in (2, 3, 5):
            result = solver(threads)
            np.testing.assert_array_equal(result.rotation.matrix, alone.rotation.matrix)
            np.testing.assert_array_equal(result.history, alone.history)
            assert result.objective == alone.objective


def test_bits_of_sums_do_not_depend_on_threads():
    sums = [NETWORK.gram(X, 1, "after", threads=threads) for threads in (1, 2, 3, 5)]
    for other in sums[1:]:
        np.testing.assert_array_equal(other.matrix, sums[0].matrix)
        np.testing.assert_array_equal(other.mean, sums[0].mean)
    s = NETWORK.signals(X, 1, "after")
    np.testing.assert_allclose(sums[0].matrix, s.T @ s, rtol=1e-12, atol=1e-10)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_helpers_end_with_the_call():
    def running():
        return len(list(Path("/proc/self/task").iterdir()))

    seen, before = [], running()

    def watch(state):
        seen.append(running())

    ds.descramble(X, "entropy", threads=4, callback=watch, tol=1e-2)
    assert max(seen) == before + 3
    assert running() == before


@pytest.fixture
def ctrl_c_is_heard():
    """As in a terminal: programs that a shell starts in the background have it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c_is_heard")
def test_ctrl_c_stops_threads_soon():
    x = np.random.default_rng(0).standard_normal((40_000, 100))
    asked = []

    def ask():
        asked.append((time.monotonic(), time.process_time()))
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(0.5, ask)
    timer.start()
    with pytest.warns(ConvergenceWarning):
        result = ds.descramble(x, "entropy", threads=3, tol=0)
    ended = time.monotonic(), time.process_time()
    assert result.status is ds.Status.INTERRUPTED
    # By the clock, or by the processor time of three threads where others keep it busy.
    late = [end - begin for begin, end in zip(asked[0], ended, strict=True)]
    assert min(late[0], late[1] / 3) < 0.3


def test_threads_of_the_core_are_those_of_the_call():
    p = ds.group.random_rotation(N, 0)
    criterion = core.Brockett(np.arange(N, dtype=float), W @ W.T)
    results = []
    for threads in (1, 4):
        core.set_threads(threads)
        results.append(criterion.value_and_gradient(p))
    core.set_threads(1)
    assert results[0][0] == results[1][0]
    np.testing.assert_array_equal(results[0][1], results[1][1])
