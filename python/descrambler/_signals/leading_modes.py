"""Leading eigenpairs of a Gram matrix, and objectives computed from them alone."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .._geometry.link_basis import LinkBasis
from .._geometry.rotation import Rotation
from .._util.tables import brief
from .._util.validate import Array, own_unit
from .gram import rounding_level


@brief
@dataclass(frozen=True, eq=False)
class Leading:
    """Leading eigenpairs of the Gram matrix B of signals.

    Attributes
    ----------
    values : ndarray, shape (k,)
        Descending. Ritz values never exceed the eigenvalues that they stand for.
    modes : ndarray, shape (k, n)
        Eigenvectors in rows, orthonormal.
    residuals : ndarray, shape (k,)
        ``||B u - value u||``, beyond the `rounding` of float64; 0 where LAPACK solved the whole problem.
    errors : ndarray, shape (k,)
        How far each eigenvalue may lie above its value.
    trace : float
        Trace of B: of all n eigenvalues together.
    mean : ndarray, shape (n,), or None
        Mean signal.
    count : int or None
        Number of signals.
    centered : bool
        Whether the mean was subtracted.
    factored : bool
        Whether values and modes are those of a factor of B, which has twice its digits.
    """

    values: Array
    modes: Array
    residuals: Array
    errors: Array
    trace: float
    mean: Array | None = None
    count: int | None = None
    centered: bool = False
    factored: bool = False

    @property
    def rounding(self) -> Array:
        """Uncertainty of each value from the rounding of float64, shape (k,)."""
        largest = max(0.0, float(self.values[0])) if self.values.size else 0.0
        level = rounding_level(largest, self.n)
        if not self.factored:
            return np.full(len(self.values), level)
        # `level` is the error of singular values; their squares have twice the relative error.
        share = np.sqrt(np.maximum(self.values, 0) / (largest or 1.0))
        return 2 * level * share

    @property
    def n(self) -> int:
        """Number of units."""
        return int(self.modes.shape[1])

    @property
    def rest(self) -> float:
        """Sum of the eigenvalues that are not among `values`."""
        return max(0.0, self.trace - float(self.values.sum()))

    def first(self, rank: int) -> Leading:
        """Return the first `rank` of the pairs."""
        parts = ("values", "modes", "residuals", "errors")
        # Copies: a view would keep all n x n of the modes.
        return replace(self, **{name: getattr(self, name)[:rank].copy() for name in parts})

    def objective(self, basis: LinkBasis, rotation: Rotation | None) -> float:
        """``tr(A P B_k P^T)``, B_k the part of B in the leading modes; at P = 1 without a rotation."""
        placed = self._placed(basis, rotation)
        return float(np.einsum("ji,ji,j,i->", placed, placed, basis.eigenvalues, self.values))

    def gradient_norm(self, basis: LinkBasis, rotation: Rotation) -> float:
        """Frobenius norm of the skew part of ``2 A P B_k P^T``, formed in rank k."""
        placed = self._placed(basis, rotation)
        slope, exponent = own_unit(2 * basis.eigenvalues[:, None] * placed * self.values)
        within = placed.T @ slope
        across = slope - placed @ within
        square = np.sum((within - within.T) ** 2) + 2 * np.sum(across**2)
        return float(np.ldexp(np.sqrt(square) / 2, exponent))

    def bound(self, basis: LinkBasis) -> float:
        """Smallest `objective` of any rotation: ``sum a_i b_i``."""
        return float(basis.eigenvalues[: len(self.values)] @ self.values)

    def shortfall(self, basis: LinkBasis) -> float:
        """Largest possible excess of ``sum a_i b_i`` of the exact leading eigenvalues over `bound`."""
        return float(basis.eigenvalues[: len(self.values)] @ self.errors)

    def excess(self, basis: LinkBasis) -> float:
        """Most that ``tr(A P B P^T)``, over all modes, may exceed its minimum over SO(n).

        ``(a_n - a_(k+1)) t + sum_i (a_(k+1) - a_i) e_i`` with t the `rest` of the trace and e_i the
        `errors`. In the basis of A only the diagonal of P B P^T counts. Its first k entries are the
        values, the others sum to t and weigh at most a_n; in the optimum at least t less the errors
        weighs a_(k+1) or more.
        """
        a, k = basis.eigenvalues, len(self.values)
        if k == len(a):
            return 0.0
        return float((a[-1] - a[k]) * self.rest + (a[k] - a[:k]) @ self.errors)

    def _placed(self, basis: LinkBasis, rotation: Rotation | None) -> Array:
        columns: Array = np.ascontiguousarray(self.modes.T, np.float64)
        if rotation is not None and self.values.size:
            columns = rotation.left(columns)
        return basis.to_modes(columns)
