"""The element of a group that brings one set of signals nearest to another: Procrustes, or an assignment."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy  # its submodules load at first use: scipy.optimize is slow to import

from .._geometry.charts import random_rotation
from .._util.validate import Array
from .diagonal_optima import greatest_sum

GROUPS = ("SO", "O", "permutation", "signed permutation")


class Fit(NamedTuple):
    """The best P, shape (n, n), n the larger width; the largest tr(P C), and its proven upper bound."""

    matrix: Array
    value: float
    bound: float


def nearest(cross: Array, group: str) -> Fit:
    """Maximize tr(P C^T) over a group, for cross moments C = A^T B, shape (n_a, n_b).

    The narrower side is filled up with zeros: the block (n_a, n_b) of P is then the best semi-orthogonal
    matrix. The bound is the sum of singular values (orthogonal groups), or what the assignment itself
    reaches, which is the optimum.
    """
    n_a, n_b = cross.shape
    square = np.zeros((max(n_a, n_b),) * 2)
    square[:n_b, :n_a] = cross.T
    if group in ("SO", "O"):
        # As `diagonalize(square, "sum")` does.
        found = greatest_sum(square, proper=group == "SO")
        p, bound = np.ascontiguousarray(found.rotation), found.bound
        return Fit(p, float(np.sum(p * square.T)), bound)
    gain = square.T if group == "permutation" else np.abs(square.T)
    rows, columns = scipy.optimize.linear_sum_assignment(gain, maximize=True)
    p = np.zeros_like(square)
    p[rows, columns] = 1.0
    if group == "signed permutation":
        p[rows, columns] = np.where(square.T[rows, columns] < 0, -1.0, 1.0)
    value = float(np.sum(p * square.T))
    return Fit(p, value, value)


def random_element(n: int, group: str, generator: np.random.Generator) -> Array:
    """Draw from the uniform (Haar) distribution on a group, shape (n, n)."""
    if group in ("SO", "O"):
        p = random_rotation(n, generator)
        if group == "O" and generator.random() < 0.5:
            p[-1] *= -1
        return p
    p = np.eye(n)[generator.permutation(n)]
    if group == "signed permutation":
        p *= generator.choice([-1.0, 1.0], n)[:, None]
    return p
