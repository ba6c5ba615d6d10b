"""Jacobians of the fixed maps between linear layers, one for each sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._util.validate import Array


@dataclass(frozen=True, eq=False)
class Derivative:
    """Jacobian of a map of n numbers at each of m samples: ``J = diag(d) - C R^T``.

    An entry-by-entry function has r = 0; softmax and renormalization have r = 1.

    Attributes
    ----------
    diagonal : ndarray, shape (m, n)
        d.
    columns, rows : ndarray, shape (m, n, r)
        C and R.
    """

    diagonal: Array
    columns: Array
    rows: Array

    @classmethod
    def of(
        cls, diagonal: Array, column: Array | None = None, row: Array | None = None
    ) -> Derivative:
        """Return ``diag(diagonal) - column row^T``, all of shape (m, n)."""
        if column is None or row is None:
            none = np.empty((*diagonal.shape, 0), diagonal.dtype)
            return cls(diagonal, none, none)
        return cls(diagonal, column[..., None], row[..., None])

    def forward(self, tangents: Array) -> Array:
        """Return J t for every t, shape (m, k, n), or (1, k, n) for the same at each sample."""
        image = tangents * self.diagonal[:, None]
        if self.rows.shape[2]:
            image = image - (tangents @ self.rows) @ self.columns.swapaxes(1, 2)
        return image

    def backward(self, cotangents: Array) -> Array:
        """Return J^T g for every g, shape (m, k, n), or (1, k, n) for the same at each sample."""
        return Derivative(self.diagonal, self.rows, self.columns).forward(cotangents)

    def after(self, first: Derivative) -> Derivative:
        """Return the Jacobian of this map applied to the result of the first."""
        columns = np.concatenate([self.diagonal[..., None] * first.columns, self.columns], axis=2)
        pulled = first.backward(self.rows.swapaxes(1, 2)).swapaxes(1, 2)
        rows = np.concatenate([first.rows, pulled], axis=2)
        return Derivative(self.diagonal * first.diagonal, columns, rows)
