"""Decompositions that answer Ctrl-C."""

import _thread
import threading
import time

import numpy as np
import pytest

from descrambler._util import lapack, symmetric
from descrambler._util.threads import blas_libraries, blas_threads


def limits():
    return [library.num_threads for library in blas_libraries()]


def test_another_thread_finds_the_same_bits(monkeypatch):
    generator = np.random.default_rng(0)
    a = generator.standard_normal((60, 60))
    a = a @ a.T
    with blas_threads(1):
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


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("n", [1, 2, 40, 64])
@pytest.mark.parametrize("by_numpy", [False, True])
def test_pairs_of_a_symmetric_matrix(n, dtype, by_numpy, monkeypatch):
    if by_numpy:
        monkeypatch.setattr(symmetric, "_routine", lambda: None)
    a = np.random.default_rng(n).standard_normal((n, n)).astype(dtype)
    a = a + a.T
    before, eps = a.copy(), np.finfo(dtype).eps
    (rising, columns), (falling, rows) = lapack.eigh(a), lapack.falling_pairs(a)
    assert np.array_equal(a, before)
    assert {x.dtype for x in (rising, columns, falling, rows)} == {np.dtype(dtype)}
    np.testing.assert_allclose(rising, np.linalg.eigvalsh(before), atol=50 * eps)
    np.testing.assert_allclose(falling, rising[::-1], atol=50 * eps)
    for values, vectors in ((rising, columns), (falling, rows.T)):
        np.testing.assert_allclose(vectors.T @ vectors, np.eye(n), atol=50 * eps)
        np.testing.assert_allclose(a @ vectors, vectors * values, atol=200 * eps)


def test_routine_of_scipy_is_the_one_that_is_called():
    assert symmetric._routine() is not None


def test_no_convergence_is_an_error(monkeypatch):
    def fails(*arguments):
        arguments[-1]._obj.value = 3

    monkeypatch.setattr(symmetric, "_routine", lambda: fails)
    with pytest.raises(np.linalg.LinAlgError, match="did not converge"):
        lapack.eigh(np.eye(3))


@pytest.mark.parametrize("sign", [1, -1])
def test_pairs_of_integers_are_those_of_floats(sign):
    matrix = np.array([[2, 1, 0], [1, 3, 1], [0, 1, 5]])
    values, rows = symmetric.rows_of_pairs(matrix, sign)
    expected, vectors = symmetric.rows_of_pairs(matrix.astype(float), sign)
    np.testing.assert_array_equal(values, expected)
    np.testing.assert_array_equal(rows, vectors)
    with pytest.raises(TypeError, match="matrix must be a real numeric array"):
        symmetric.rows_of_pairs(matrix.astype(complex))
