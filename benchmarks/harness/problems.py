"""Problems on SO(n) with known optima, as every optimizer can be given them: minimized, from P = 1."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

import descrambler as ds
from descrambler._geometry.charts import random_rotation
from descrambler._util.validate import Array


class Problem(Protocol):
    """A function of a rotation in NumPy, with first and second derivatives, and in PyTorch."""

    n: int
    optimum: float

    def value_and_gradient(self, p: Array) -> tuple[float, Array]:
        """Return value and Euclidean gradient."""

    def hessian(self, p: Array, direction: Array) -> Array:
        """Euclidean Hessian along a direction."""

    def torch_value(self, p: Any) -> Any:
        """Value for a tensor, to be differentiated by autograd."""


class Smoothness:
    """Smoothness of signals whose Gram matrix has eigenvalues that span `decades`.

    The optimizers are given the Gram matrix in the basis of the link modes, where A is diagonal: the
    cheapest form there is. Values are divided by what they are at P = 1.
    """

    def __init__(self, n: int, decades: float, seed: int = 0) -> None:
        self.n = n
        generator = np.random.default_rng([seed, n])
        spread = np.sqrt(np.logspace(0, -decades, n))
        left = np.linalg.qr(generator.standard_normal((4 * n, n)))[0]
        self.signals = (left * spread) @ random_rotation(n, generator)
        self.gram = self.signals.T @ self.signals
        basis = ds.criteria.Smoothness().basis(n)
        modes = basis.to_modes(np.eye(n))
        b = modes @ self.gram @ modes.T
        a = basis.eigenvalues
        self.unit = float(a @ np.diagonal(b))
        self.a, self.b = a / self.unit, (b + b.T) / 2
        self.optimum = float(self.a @ spread**2)

    def value_and_gradient(self, p: Array) -> tuple[float, Array]:
        """Value tr(A P B P^T), gradient 2 A P B."""
        gradient = self.a[:, None] * (p @ self.b)
        value = float(np.vdot(gradient, p))
        return value, 2 * gradient

    def hessian(self, p: Array, direction: Array) -> Array:
        """2 A U B."""
        return 2 * self.a[:, None] * (direction @ self.b)

    def torch_value(self, p: Any) -> Any:
        """tr(A P B P^T)."""
        a, b = p.new_tensor(self.a), p.new_tensor(self.b)
        return ((p @ b) * p).sum(1) @ a


class NormSquare:
    """Diagonal norm square of W, its sign changed; values are divided by the squared norm of W.

    Parameters
    ----------
    w : ndarray, shape (n, n)
    best : float
        The certified maximum.
    """

    def __init__(self, w: Array, best: float) -> None:
        self.n = len(w)
        self.unit = float(np.linalg.norm(w)) ** 2
        self.w = w / np.sqrt(self.unit)
        self.optimum = -best / self.unit

    def value_and_gradient(self, p: Array) -> tuple[float, Array]:
        """Value -||diag(P W)||^2, gradient -2 diag(diag(P W)) W^T."""
        diagonal = np.einsum("ij,ji->i", p, self.w)
        return -float(diagonal @ diagonal), -2 * diagonal[:, None] * self.w.T

    def hessian(self, p: Array, direction: Array) -> Array:
        """-2 diag(diag(U W)) W^T."""
        diagonal = np.einsum("ij,ji->i", direction, self.w)
        return np.asarray(-2 * diagonal[:, None] * self.w.T)

    def torch_value(self, p: Any) -> Any:
        """-||diag(P W)||^2."""
        diagonal = (p * p.new_tensor(self.w.T)).sum(1)
        return -(diagonal @ diagonal)


def weight_families(n: int, seed: int = 0) -> dict[str, Array]:
    """Weight matrices of the kinds that are hard in different ways, by name."""
    generator = np.random.default_rng([seed, n])
    random = generator.standard_normal((n, n))
    dominant = np.eye(n) * n + random
    spectrum = np.logspace(0, -8, n)
    left, right = (random_rotation(n, generator) for _ in range(2))
    rank = max(n // 8, 1)
    low_rank = generator.standard_normal((n, rank)) @ generator.standard_normal((rank, n))
    return {
        "random": random,
        "hidden diagonal": random_rotation(n, generator) @ dominant,
        "low rank": low_rank,
        "ill-conditioned": (left * spectrum) @ right,
        "decaying columns": random * np.logspace(0, -6, n),
    }
