"""LAPACK's divide and conquer for symmetric matrices, called at its address in SciPy.

NumPy's function transposes what LAPACK found, and SciPy's keeps other threads of Python waiting until it ends.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from scipy.linalg import cython_lapack

from .validate import Array, floating

# Where rows are apart by a multiple of so many entries, what is read down a column keeps only a few places of the
# cache; a few entries more between them help.
CROWDED, PADDING = 64, 8
ROUTINE = "dsyevd"
SIGNATURE = "void(char*,char*,int*,d*,int*,d*,d*,int*,int*,int*,int*)"
MOST = 2**31


def rows_of_pairs(matrix: Array, sign: int = 1) -> tuple[Array, Array]:
    """Return eigenvalues of ``sign * matrix``, ascending, and eigenvectors in rows, which may be padded.

    Float32 is solved in float64, as NumPy does: LAPACK's rounding is some twenty times that of the numbers.

    Parameters
    ----------
    matrix : ndarray, shape (n, n)
    sign : {1, -1}

    Raises
    ------
    LinAlgError
        If LAPACK's iteration does not converge.
    """
    matrix = floating("matrix", matrix)
    n = len(matrix)
    size, call = 1 + 6 * n + 2 * n * n, _routine()
    if call is None or n == 0 or size >= MOST:
        values, vectors = np.linalg.eigh(sign * matrix)
        return values, np.ascontiguousarray(vectors.T)
    rows = padded(matrix.shape, np.float64)
    np.multiply(matrix, sign, out=rows)
    values, work, integers = np.empty(n), np.empty(size), np.empty(3 + 5 * n, np.intc)
    info = ctypes.c_int(0)
    # Rows are its columns.
    apart = max(1, rows.strides[0] // rows.itemsize)
    call(
        b"V", b"L", _integer(n), rows.ctypes.data, _integer(apart), values.ctypes.data, work.ctypes.data,
        _integer(size), integers.ctypes.data, _integer(len(integers)), ctypes.byref(info),
    )  # fmt: skip
    if info.value:
        raise np.linalg.LinAlgError("Eigenvalues did not converge")
    return values.astype(matrix.dtype, copy=False), rows.astype(matrix.dtype, copy=False)


def padded(shape: tuple[int, ...], dtype: Any) -> Array:
    """Return an array whose rows, where it helps, are followed by a few entries of no use."""
    *others, width = shape
    more = 0 if width % CROWDED else PADDING
    whole: Array = np.empty((*others, width + more), dtype)
    return whole[..., :width] if more else whole


def _integer(value: int) -> Any:
    return ctypes.byref(ctypes.c_int(value))


@cache
def _routine() -> Callable[..., None] | None:
    """Return the routine; None where SciPy has none with integers of 32 bits."""
    capsule = getattr(cython_lapack, "__pyx_capi__", {}).get(ROUTINE)
    if capsule is None:
        return None
    named = ctypes.pythonapi.PyCapsule_GetName
    named.restype, named.argtypes = ctypes.c_char_p, [ctypes.py_object]
    address = ctypes.pythonapi.PyCapsule_GetPointer
    address.restype, address.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    signature: bytes = named(capsule)
    # Cython's names for float64 end with d.
    if re.sub(r"\w*_d(?= \*)", "d", signature.decode()).replace(" ", "") != SIGNATURE:
        return None
    # While a function of this kind runs, other threads of Python do, too.
    kinds = (ctypes.c_char_p, ctypes.c_char_p, *[ctypes.c_void_p] * 9)
    return ctypes.CFUNCTYPE(None, *kinds)(address(capsule, signature))
