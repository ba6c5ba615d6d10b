"""Checks of rotations and of their generators."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .. import _core as core
from .._util.threads import product
from .._util.validate import Array, real_array, square


def _tolerance(array: Array) -> float:
    return float(array.shape[0] * np.sqrt(np.finfo(array.dtype).eps))


def asymmetry(matrix: Array) -> float:
    """Largest |Q + Q^T|: 0 for a generator."""
    return float(np.abs(matrix + matrix.T).max())


def is_skew(matrix: Array) -> bool:
    """Whether a square matrix is skew-symmetric, to half of the working precision."""
    return asymmetry(matrix) <= _tolerance(matrix) * float(np.abs(matrix).max())


def skew(name: str, value: ArrayLike) -> Array:
    """Return `value` as a skew-symmetric matrix, or raise ValueError."""
    matrix = square(name, value)
    if not is_skew(matrix):
        raise ValueError(
            f"{name} must be skew-symmetric, got |{name} + {name}^T| up to {asymmetry(matrix):.1e}"
        )
    return matrix


def angles(name: str, value: ArrayLike) -> Array:
    """Return a generator whose exponential has digits left."""
    matrix = skew(name, value)
    return _below(1 / float(np.finfo(matrix.dtype).eps), name, matrix)


def cayley_generator(name: str, value: ArrayLike) -> Array:
    """Return a generator whose Cayley map is orthogonal to half of the digits.

    Beyond, an eigenvalue of the rotation is -1 to half of the digits, where `inverse_cayley` ends.
    """
    matrix = skew(name, value)
    return _below(2 / float(np.sqrt(np.finfo(matrix.dtype).eps)), name, matrix)


def _below(limit: float, name: str, matrix: Array) -> Array:
    largest = float(np.abs(matrix).max())
    if largest > limit:
        raise ValueError(f"{name} must have entries below {limit:.1e}, got {largest:.1e}")
    return matrix


def unpacked(name: str, value: ArrayLike) -> Array:
    """Return the generator of which `value` lists the strict lower triangle, column by column."""
    vector = real_array(name, value, 1)
    n = (1 + int(np.sqrt(1 + 8 * vector.size))) // 2
    if n * (n - 1) // 2 != vector.size:
        raise ValueError(f"{name} must have n (n - 1) / 2 entries, got {vector.size}")
    return core.unpack(vector, n)


def excess(matrix: Array) -> float:
    """Largest |P P^T - 1|: 0 where the rows are orthonormal."""
    n = len(matrix)
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.abs(product(matrix, matrix.T, n) - np.eye(n)).max())


def is_orthogonal(matrix: Array) -> bool:
    """Whether a square matrix has orthonormal rows, to half of the working precision."""
    return excess(matrix) <= _tolerance(matrix)


def orthogonal(name: str, value: ArrayLike) -> Array:
    """Return `value` as a square matrix with orthonormal rows, or raise ValueError."""
    matrix = square(name, value)
    if not is_orthogonal(matrix):
        largest = excess(matrix)
        raise ValueError(
            f"{name} must be orthogonal, got |{name} {name}^T - 1| up to {largest:.1e}"
        )
    return matrix
