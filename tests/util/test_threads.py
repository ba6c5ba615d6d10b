"""Limits of BLAS threads that overlap: counted, and gone after the last of them."""

import subprocess
import sys
import threading

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from descrambler._util.threads import blas_threads


def seen():
    return [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"]


@pytest.fixture(autouse=True)
def two():
    """Two threads to begin with, where this machine has them."""
    with threadpool_limits(2, user_api="blas"):
        if 2 not in seen():
            pytest.skip("needs a BLAS of two threads (OPENBLAS_NUM_THREADS is 1, or one processor)")
        yield


def test_nested():
    before = seen()
    with blas_threads(1):
        assert set(seen()) == {1}
        with blas_threads(2), blas_threads(None):
            assert set(seen()) == {1}
        assert set(seen()) == {1}
    assert seen() == before


def test_an_error_ends_a_limit():
    before = seen()
    with pytest.raises(RuntimeError), blas_threads(1):
        raise RuntimeError
    assert seen() == before


OVERLAPPING = """
import threading
from threadpoolctl import threadpool_info
import numpy, scipy.linalg
from descrambler._util.threads import blas_threads

def seen():
    return [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"]

def hold(entered, leave, done):
    with blas_threads(1):
        entered.set()
        leave.wait(20)
    done.set()

before = seen()
for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2)):
    events = [[threading.Event() for _ in range(3)] for _ in range(3)]
    threads = [threading.Thread(target=hold, args=own) for own in events]
    for thread, own in zip(threads, events):
        thread.start()
        assert own[0].wait(20)
        assert set(seen()) == {1}, seen()
    for position, k in enumerate(order):
        events[k][1].set()
        assert events[k][2].wait(20)
        threads[k].join()
        assert set(seen()) == ({1} if position < 2 else set(before)), (order, position, seen())
    assert seen() == before, (before, seen())
print(before)
"""


def test_overlapping_in_any_order():
    done = subprocess.run(
        [sys.executable, "-c", OVERLAPPING],
        capture_output=True, text=True, timeout=100, check=False,
        env={**__import__("os").environ, "OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "2" in done.stdout


def test_no_thread_is_left():
    before = threading.active_count()
    with blas_threads(1):
        pass
    assert threading.active_count() == before
