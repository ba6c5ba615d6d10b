"""Decompositions that answer Ctrl-C."""

import _thread
import threading
import time

import numpy as np
import pytest

from descrambler._util import lapack
from descrambler._util.threads import blas_libraries, blas_threads


def limits():
    return [library.num_threads for library in blas_libraries()]


def test_another_thread_finds_the_same_bits(monkeypatch):
    generator = np.random.default_rng(0)
    a = generator.standard_normal((60, 60))
    a = a @ a.T
    here = lapack.eigh(a), lapack.svd(a)
    names = []

    def named(compute, limit):
        def run():
            names.append(threading.current_thread().name)
            return compute()

        return apart(run, limit)

    apart = lapack.apart
    monkeypatch.setattr(lapack, "LARGE", 50)
    monkeypatch.setattr(lapack, "apart", named)
    there = lapack.eigh(a), lapack.svd(a)
    assert names == ["descrambler-lapack"] * 2
    for first, second in zip(here, there, strict=True):
        for x, y in zip(first, second, strict=True):
            assert np.array_equal(x, y)


def test_interrupt_is_answered_while_it_computes():
    before, go_on, done = limits(), threading.Event(), threading.Event()

    def compute():
        go_on.wait(10)
        done.set()

    threading.Timer(0.1, _thread.interrupt_main).start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        lapack.apart(compute, 1)
    assert time.monotonic() - start < 0.1 + 0.3
    # The limit of BLAS threads holds as long as the decomposition runs, and no longer.
    with blas_threads(2):
        assert max(limits()) <= 1
    assert not done.is_set()
    go_on.set()
    assert done.wait(10)
    for thread in threading.enumerate():
        if thread.name == "descrambler-lapack":
            thread.join(10)
    assert limits() == before


def test_failure_is_raised_to_the_caller():
    def fail():
        raise np.linalg.LinAlgError("no convergence")

    with pytest.raises(np.linalg.LinAlgError, match="no convergence"):
        lapack.apart(fail, 1)
