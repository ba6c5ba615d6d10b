"""What a descrambling returns: the rotation, and what is known of how good it is."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from .._geometry.link_basis import LinkBasis
from .._geometry.rotation import Rotation
from .._signals.gram import Gram
from .._signals.leading_modes import Leading
from .._util.files import is_matlab, write_arrays
from .._util.validate import Array, own_unit
from ..criteria import Criterion, DiagonalNormSquare, DiagonalSum, Smoothness
from ..criteria._base import Data
from .multistart import Starts
from .status import Status

SCHEMA = "descrambler.result.v1"

AnyCriterion = Criterion | DiagonalSum | DiagonalNormSquare


@dataclass(frozen=True, eq=False)
class Descrambling:
    """A rotation, its figure of merit, and the evidence for both.

    What judges the rotation (objective, gap, gradient norm, orthogonality) is computed from the rotation
    itself, independently of how it was found, when it is first asked for.

    Attributes
    ----------
    rotation : Rotation
        P in SO(n).
    criterion : criterion of the signals, DiagonalSum or DiagonalNormSquare
    bound : float
        Proven bound: from below when minimizing, from above when maximizing; infinite where none is known.
    rounding : float
        What rounding may change in the objective; differences below it count as none.
    method, gauge, message : str
    status : Status
    resolved, sign_resolved : ndarray of bool, shape (n,)
        Which link modes the data determine, and which of these have a determined sign.
    n_iter, n_eval : int
        Iterations and evaluations (matrix decompositions, for the exact methods).
    history : ndarray, shape (n_iter + 1,) or (0,)
        Objective at the start and after each iteration, where there were any.
    seconds : float
        Time of the solve.
    gram : Gram or None
        What was descrambled, for criteria of signals.
    eigenvalues : ndarray, shape (n,) or (rank,), or None
        Eigenvalues of the Gram matrix, descending; with a rank, the leading ones.
    leading : Leading or None
        With a rank: the leading modes, of which objective, bound, gap and gradient norm then speak.
    proven : bool
        Whether `bound` was computed in float64. In float32 rounding may have moved it.
    signals : ndarray, shape (m, n), or None
        The signals, not copied, where the criterion needs them to be evaluated.
    starts : Starts or None
        What came of every start of an iterative method.
    """

    rotation: Rotation
    criterion: AnyCriterion
    bound: float
    rounding: float
    method: str
    gauge: str
    status: Status
    message: str
    resolved: Array
    sign_resolved: Array
    n_iter: int
    n_eval: int
    history: Array
    seconds: float
    gram: Gram | None = field(default=None, repr=False)
    eigenvalues: Array | None = field(default=None, repr=False)
    leading: Leading | None = field(default=None, repr=False)
    proven: bool = True
    signals: Array | None = field(default=None, repr=False)
    starts: Starts | None = field(default=None, repr=False)

    @cached_property
    def objective(self) -> float:
        """Figure of merit at P, evaluated in float64 from P itself when it is first asked for."""
        if self.leading is not None:
            return self.leading.objective(self._basis(), self.rotation)
        return self._value_and_gradient(self.rotation.matrix.astype(np.float64, copy=False))[0]

    @property
    def optimality(self) -> str:
        """What is known: "certified" (by the bound, to 1e-9), "local" (no step improves), "unknown"."""
        if self.proven and self.gap <= 1e-9:
            return "certified"
        iterated = len(self.history) > 0
        return "local" if iterated and self.converged else "unknown"

    @property
    def gap(self) -> float:
        """Relative distance to the bound, >= 0; 0 where the two agree to rounding."""
        excess = (
            self.bound - self.objective if self.criterion.maximized else self.objective - self.bound
        )
        if not self.proven:
            excess = abs(excess)
        if excess <= self.rounding:
            return 0.0
        if self.bound == 0 or not np.isfinite(self.bound):
            return float("inf")
        return excess / abs(self.bound)

    @cached_property
    def shortfall(self) -> float:
        """How far the best objective over the modes of `leading` may lie above `bound`, relatively.

        0 without a rank: then all eigenvalues are known to rounding.
        """
        if self.leading is None:
            return 0.0
        missing = self.leading.shortfall(self._basis())
        return missing / self.bound if self.bound > 0 else 0.0

    @cached_property
    def excess_bound(self) -> float:
        """Most by which P may miss the optimum over all n modes, in units of the objective.

        With a rank: ``(a_n - a_(r+1)) t + sum_i (a_(r+1) - a_i) e_i``, with a the eigenvalues of A, t
        the sum of the Gram matrix's eigenvalues beyond the first r, and e_i the error of the i-th.
        """
        if self.leading is None:
            return abs(self.objective - self.bound)
        return self.leading.excess(self._basis())

    @property
    def converged(self) -> bool:
        """Whether the solve reached what was asked."""
        return self.status is Status.CONVERGED

    @cached_property
    def orthogonality_error(self) -> float:
        """Spectral norm of P P^T - 1."""
        return self.rotation.orthogonality_error()

    @cached_property
    def gradient_norm(self) -> float:
        """Frobenius norm of the Riemannian gradient, the skew part of G P^T."""
        if self.leading is not None:
            return self.leading.gradient_norm(self._basis(), self.rotation)
        p = self.rotation.matrix.astype(np.float64, copy=False)
        product = self._value_and_gradient(p)[1] @ p.T
        skew, exponent = own_unit(product - product.T)
        return float(np.ldexp(np.linalg.norm(skew) / 2, exponent))

    @cached_property
    def initial_objective(self) -> float:
        """Figure of merit before descrambling, at P = 1."""
        if self.leading is not None:
            return self.leading.objective(self._basis(), None)
        return self._value_and_gradient(np.eye(self.rotation.n))[0]

    def _basis(self) -> LinkBasis:
        assert isinstance(self.criterion, Smoothness)
        return self.criterion.basis(self.rotation.n)

    def _value_and_gradient(self, p: Array) -> tuple[float, Array]:
        if isinstance(self.criterion, Criterion):
            assert self.gram is not None
            return self.criterion.evaluate(p, Data(self.gram, self.signals))
        return self.criterion.value_and_gradient(p)

    def transform(self, signals: ArrayLike) -> Array:
        """Descrambled signals S P^T, shape (m, n), of signals in rows, shape (m, n)."""
        return self.rotation.right(signals)

    def save(self, path: str | Path) -> None:
        """Write rotation, masks and figures of merit, whole or not at all and without pickle.

        As .npz, for `load_result`; or, if `path` ends in .mat, as MATLAB 5.
        """
        names = (
            "objective",
            "bound",
            "gap",
            "rounding",
            "resolved",
            "sign_resolved",
            "history",
            "seconds",
        )
        arrays: dict[str, ArrayLike] = {name: getattr(self, name) for name in names}
        whole = is_matlab(path)
        arrays |= {"rotation": self.rotation.matrix} if whole else self.rotation.arrays()
        arrays["criterion"] = str(self.criterion)
        if self.leading is not None:
            arrays |= {"shortfall": self.shortfall, "excess_bound": self.excess_bound}
        texts = ("method", "gauge", "status", "message", "optimality")
        arrays |= {name: str(getattr(self, name)) for name in texts}
        if self.eigenvalues is not None:
            arrays["eigenvalues"] = self.eigenvalues
        write_arrays(path, SCHEMA, arrays)

    def table(self) -> list[tuple[str, str]]:
        """Return the status table: names and values, as printed."""
        n = self.rotation.n
        side = "upper" if self.criterion.maximized else "lower"
        starts = [] if self.starts is None else [("starts", str(self.starts))]
        return [
            ("criterion", str(self.criterion)),
            ("units", str(n)),
            ("method", f"{self.method} ({self.n_iter} iterations, {self.n_eval} evaluations)"),
            ("status", f"{self.status}: {self.message}"),
            ("objective", f"{self.objective:.8g} (before {self.initial_objective:.8g})"),
            (f"{side} bound", f"{self.bound:.8g}"),
            ("gap", f"{self.gap:.1e} ({self.optimality})"),
            *starts,
            ("gradient norm", f"{self.gradient_norm:.1e}"),
            ("orthogonality error", f"{self.orthogonality_error:.1e}"),
            ("resolved modes", f"{int(self.resolved.sum())} of {n}"),
            ("resolved signs", f"{int(self.sign_resolved.sum())} of {n}"),
            ("gauge", self.gauge),
            *self._truncation(),
            ("time", f"{self.seconds:.3g} s"),
        ]

    def _truncation(self) -> list[tuple[str, str]]:
        if self.leading is None:
            return []
        share = float(self.leading.values.sum()) / self.leading.trace if self.leading.trace else 1.0
        return [
            ("modes placed", f"{self.rotation.rank}, with {share:.6f} of the signals' square"),
            ("best over these modes", f"at most {1 + self.shortfall:.8f} x the bound"),
            ("excess over all modes", f"at most {self.excess_bound:.3g}"),
        ]

    def __str__(self) -> str:
        rows = self.table()
        width = max(len(name) for name, _ in rows)
        return "\n".join(["Descrambling", *(f"  {name:<{width}}  {value}" for name, value in rows)])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
            f"<td style='text-align:left'>{html.escape(value)}</td></tr>"
            for name, value in self.table()
        )
        return f"<table><caption>Descrambling</caption><tbody>{rows}</tbody></table>"
