"""Decompositions by LAPACK that answer Ctrl-C: those of large matrices run in a thread of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import scipy.linalg

from .symmetric import rows_of_pairs
from .threads import blas_limit, blas_threads
from .validate import Array

Result = TypeVar("Result")

# Smaller decompositions end within a few tenths of a second.
LARGE = 1000
PATIENCE = 0.1


def eigh(matrix: Array) -> tuple[Array, Array]:
    """Return eigenvalues, ascending, and eigenvectors, in columns, by divide and conquer."""
    values, rows = _by_size(matrix, lambda: rows_of_pairs(matrix))
    return values, rows.T


def falling_pairs(matrix: Array) -> tuple[Array, Array]:
    """Return eigenvalues, descending, and eigenvectors, in rows."""
    values, rows = _by_size(matrix, lambda: rows_of_pairs(matrix, -1))
    return np.negative(values), rows


def leading_pairs(matrix: Array, number: int) -> tuple[Array, Array]:
    """Return the largest eigenvalues, descending, and their eigenvectors, in rows."""
    n = len(matrix)
    whole = matrix.astype(np.float64, copy=False)
    options: Any = {"subset_by_index": [n - number, n - 1], "driver": "evr", "check_finite": False}
    values, columns = _by_size(matrix, lambda: scipy.linalg.eigh(whole, **options))
    rows = np.ascontiguousarray(columns.T[::-1], matrix.dtype)
    return values[::-1].astype(matrix.dtype), rows


def svd(matrix: Array, *, full_matrices: bool = True) -> tuple[Array, Array, Array]:
    """Return left singular vectors, singular values, and right singular vectors in rows."""

    def decompose() -> Any:
        return scipy.linalg.svd(matrix, full_matrices=full_matrices, check_finite=False)

    u, s, vt = _by_size(matrix, decompose)
    return u, s, vt


def _by_size(matrix: Array, decompose: Callable[[], Result]) -> Result:
    least = min(matrix.shape)
    # Python delivers Ctrl-C to the main thread alone.
    if least < LARGE or threading.current_thread() is not threading.main_thread():
        return decompose()
    return apart(decompose, blas_limit(least))


def apart(compute: Callable[[], Result], limit: int) -> Result:
    """Compute in another thread, with a limit of BLAS threads that holds until it ends.

    Ctrl-C ends the waiting: the other thread then goes on until LAPACK returns, and what it finds is dropped.
    """
    found: list[Result] = []
    failed: list[BaseException] = []
    ended = threading.Event()

    def run() -> None:
        try:
            with blas_threads(limit):
                found.append(compute())
        except BaseException as error:
            failed.append(error)
        finally:
            ended.set()

    # Python waits for it before it exits: BLAS must not be unloaded while it runs.
    threading.Thread(target=run, name="descrambler-lapack").start()
    while not ended.wait(PATIENCE):
        pass
    if failed:
        raise failed[0]
    return found[0]
