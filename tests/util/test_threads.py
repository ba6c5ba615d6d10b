"""How many threads a call uses; limits of BLAS that overlap: counted, and gone after the last of them."""

import dataclasses
import multiprocessing
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import descrambler as ds
from descrambler._util import threads
from descrambler._util.parallel import mapping
from descrambler._util.threads import alone, blas_limit, blas_threads, computing, default_threads


def seen():
    return [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"]


@pytest.fixture
def two():
    """Two threads to begin with, where this machine has them."""
    with threadpool_limits(2, user_api="blas"):
        if 2 not in seen():
            pytest.skip("needs a BLAS of two threads (OPENBLAS_NUM_THREADS is 1, or one processor)")
        yield


@pytest.mark.usefixtures("two")
def test_nested():
    before = seen()
    with blas_threads(1):
        assert set(seen()) == {1}
        with blas_threads(2), blas_threads(None):
            assert set(seen()) == {1}
        assert set(seen()) == {1}
    assert seen() == before


@pytest.mark.usefixtures("two")
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


@pytest.mark.usefixtures("two")
def test_overlapping_in_any_order():
    done = subprocess.run(
        [sys.executable, "-c", OVERLAPPING],
        capture_output=True, text=True, timeout=100, check=False,
        env={**__import__("os").environ, "OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "2" in done.stdout


@pytest.mark.usefixtures("two")
def test_no_thread_is_left():
    before = threading.active_count()
    with blas_threads(1):
        pass
    assert threading.active_count() == before


@pytest.fixture
def environment(monkeypatch):
    for name in ("DESCRAMBLER_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(threads, "processors", lambda: 6)
    return monkeypatch


def test_numbers_by_default(environment):
    assert (default_threads(), default_threads(apart=True)) == (5, 6)
    assert [blas_limit(n) for n in (2, 1023, 1024, 2047, 2048)] == [1, 1, 4, 4, 5]
    environment.setenv("OMP_NUM_THREADS", "3")  # joblib sets it
    assert (default_threads(), default_threads(apart=True)) == (3, 3)
    environment.setenv("OMP_NUM_THREADS", "40")
    assert default_threads() == 6
    environment.setenv("DESCRAMBLER_THREADS", "8")
    assert (default_threads(), blas_limit(4000)) == (8, 8)
    environment.setenv("DESCRAMBLER_THREADS", "two")
    with pytest.raises(ValueError, match="DESCRAMBLER_THREADS must be a whole number .*'two'"):
        ds.gram(np.eye(3))


def test_one_in_a_worker_of_a_pool(environment):
    environment.setattr(multiprocessing, "parent_process", lambda: object())
    assert (default_threads(), default_threads(apart=True)) == (1, 1)


def test_the_outer_call_owns_the_threads(environment):
    with computing(3000, 4):
        assert threads.threads_here() == 4
        with computing(3000, 9), computing(3000):
            assert threads.threads_here() == 4
        with alone(), computing(5000, 3):
            assert threads.threads_here() == 1
            assert set(seen()) == {1}
        assert threads.threads_here() == 4
    with mapping(2) as apply:
        assert list(apply(lambda _: threads.threads_here(), range(3))) == [1, 1, 1]
    assert threads.threads_here() == 5


def watched(found):
    """A criterion of one's own that notes how many threads a BLAS has when it is called."""

    def fun(p):
        found.update(seen())
        return float(np.sum(p * TARGET)), TARGET

    return fun


TARGET = np.random.default_rng(3).standard_normal((5, 5))


@pytest.mark.usefixtures("two")
def test_public_calls_limit_blas_and_give_it_back():
    before, found = seen(), set()
    ds.group.minimize(watched(found), np.eye(5), max_iter=20, check_gradient=False)
    assert found == {1}
    assert seen() == before
    x, found = np.random.default_rng(0).standard_normal((40, 5)), set()

    def at_each_step(state):
        found.update(seen())

    ds.descramble(x, "entropy", callback=at_each_step, tol=1e-3)
    ds.diagonalize(TARGET, "norm_square", callback=at_each_step)
    assert found == {1}
    assert seen() == before


@pytest.mark.usefixtures("two")
def test_all_that_interpret_measures_computes_alone():
    """Draws do anyway; the network itself, and the one before training, are measured beside them."""
    found = set()

    def watching(study, layer):
        found.update(seen())
        return detector.statistic(study, layer)

    detector = next(d for d in ds.evidence.detectors.DETECTORS if d.name == "low rank")
    rng = np.random.default_rng(0)
    start, network = (
        ds.Network([ds.Linear(rng.standard_normal(s)) for s in ((4, 6), (5, 4))]) for _ in range(2)
    )
    spy = dataclasses.replace(detector, statistic=watching)
    x = rng.standard_normal((40, 6))
    ds.interpret([network], x, start, nulls=20, detectors=[spy], threads=1)
    assert found == {1}


def test_functions_of_the_user_meet_threads_only_if_asked(environment):
    x = np.random.default_rng(0).standard_normal((40, 5))

    def starts(**options):
        who = set()

        def note(state):
            who.add(threading.get_ident())

        ds.descramble(x, "entropy", n_starts=4, tol=1e-2, callback=note, **options)
        return who

    assert starts() == {threading.get_ident()}
    assert threading.get_ident() not in starts(threads=2)


@pytest.mark.usefixtures("two")
def test_eight_callers_at_once_leak_no_limit():
    before = seen()
    x = np.random.default_rng(0).standard_normal((60, 9))
    alone = ds.descramble(x).rotation.matrix
    with ThreadPoolExecutor(8) as pool:
        for result in pool.map(lambda _: ds.descramble(x), range(64)):
            np.testing.assert_array_equal(result.rotation.matrix, alone)
    assert seen() == before


def test_configuration_tells_both(environment, capsys):
    environment.setenv("DESCRAMBLER_THREADS", "7")
    ds.show_config()
    text = capsys.readouterr().out
    assert "7 in loops, 7 for starts and draws, of " in text
    assert "limited to 1 up to n = 1023, 4 up to n = 2047, 7 beyond" in text
