"""The extension as a guest in a process: memory, many threads, forks, limits of other libraries' threads."""

import gc
import multiprocessing
import os
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import descrambler as ds

needs_proc = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def signals(seed=0, m=200, n=12):
    return np.random.default_rng(seed).standard_normal((m, n)) * np.geomspace(1, 0.1, n)


def everything(seed):
    """Call each kind of compiled function once; returns numbers that depend on all."""
    x = signals(seed)
    w = np.random.default_rng(seed).standard_normal((12, 12))
    q = (w - w.T) / 10
    criterion = ds.criteria.Smoothness()
    network = ds.Network([ds.Linear(w), ds.Activation("tanh")])
    exact = ds.descramble(x)
    iterative = ds.descramble(x, method="riemannian-lbfgs", max_iter=3)
    return np.concatenate(
        [
            exact.rotation.matrix.ravel(),
            [iterative.objective, ds.diagonalize(w, "norm_square").objective],
            ds.group.log(ds.group.exp(q)).ravel(),
            ds.group.polar(w + 3 * np.eye(12)).ravel(),
            criterion.value_and_gradient(ds.group.cayley(q), signals=x)[1].ravel(),
            network.gram(x, 1, "after").matrix.ravel(),
        ]
    )


def resident():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@needs_proc
def test_ten_thousand_calls_leak_nothing():
    x, q = signals(), np.triu(np.random.default_rng(0).standard_normal((12, 12)), 1)
    q = q - q.T
    criterion = ds.criteria.Smoothness()

    def calls(count):
        for _ in range(count):
            p = ds.group.cayley(q)
            ds.group.exp_pullback(q, p)
            criterion.value_and_gradient(p, signals=x)
            ds.gram(x)
        gc.collect()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in range(20):
            everything(seed)
    calls(500)
    before = resident()
    calls(2500)  # of four functions each
    # One leaked 12 x 12 matrix a call would be 11 MB.
    assert resident() - before < 2_000_000


def test_many_threads_at_once_get_what_one_gets():
    seeds = list(range(48))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        alone = [everything(seed) for seed in seeds]
        with ThreadPoolExecutor(8) as pool:
            together = list(pool.map(everything, seeds))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(other, one, rtol=0, atol=1e-9)


def _in_child(queue):
    queue.put(ds.descramble(signals(5)).objective)


def threads():
    return len(list(Path("/proc/self/task").iterdir()))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_works_after_a_fork():
    expected = ds.descramble(signals(5)).objective
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_child, args=(queue,))
    child.start()
    assert queue.get(timeout=60) == pytest.approx(expected, rel=1e-12)
    child.join(60)
    assert child.exitcode == 0


def test_threads_of_blas_are_the_users_business():
    x = signals(1, 400, 64)
    before = [(pool["filepath"], pool["num_threads"]) for pool in threadpool_info()]
    results = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            results.append(ds.descramble(x))
            assert all(pool["num_threads"] <= threads for pool in threadpool_info())
    assert [(pool["filepath"], pool["num_threads"]) for pool in threadpool_info()] == before
    assert results[1].objective == pytest.approx(results[0].objective, rel=1e-12)


@needs_proc
def test_no_threads_are_left_running():
    ds.descramble(signals())
    ds.deer.simulate(2000, threads=2)
    count = threads()
    for seed in range(5):
        ds.descramble(signals(seed))
        ds.deer.simulate(2000, random_state=seed, threads=2)
    # The kernel may list a thread for a moment after it has been joined.
    until = time.monotonic() + 10
    while threads() > count and time.monotonic() < until:
        time.sleep(0.01)
    assert threads() <= count
