"""The result of a descrambling: the rotation, and how good it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from .._geometry.link_basis import LinkBasis
from .._geometry.rotation import Rotation
from .._signals.gram import Gram
from .._signals.leading_modes import Leading
from .._util.files import is_matlab, write_arrays
from .._util.tables import Tabulated
from .._util.threads import computing
from .._util.validate import Array, own_unit
from ..criteria import Criterion, DiagonalNormSquare, DiagonalSum, Smoothness
from ..criteria._forms import Data
from .outcome import Status
from .showing import Showing, excess_text, gap_text
from .starts import Starts

SCHEMA = "descrambler.result.v1"

# What is computed from rotation and signals: a file keeps it, since it keeps no signals.
FIGURES = (
    "objective",
    "gap",
    "maximize",
    "initial_objective",
    "gradient_norm",
    "shortfall",
    "excess_bound",
)

AnyCriterion = Criterion | DiagonalSum | DiagonalNormSquare


@dataclass(frozen=True, eq=False, repr=False)
class Descrambling(Showing, Tabulated):
    """A rotation, its figure of merit, and the evidence for both.

    What judges the rotation (objective, gap, gradient norm, orthogonality) is computed from the rotation
    itself, independently of how it was found, when it is first asked for. A result that was read from
    a file has the figures that were saved with it; what would need signals or criterion raises
    ValueError.

    Attributes
    ----------
    rotation : Rotation
        P in SO(n); a reflection only if :func:`descrambler.group.minimize` was started at one.
    criterion : Criterion, DiagonalSum, DiagonalNormSquare or str
        Its name alone if the result was read from a file.
    bound : float
        Proven bound: from below when minimizing, from above when maximizing; infinite if no bound is known.
    rounding : float
        How much rounding may change the objective; smaller differences count as zero.
    method, gauge, message : str
    status : Status
    resolved, sign_resolved : ndarray of bool, shape (n,)
        Which link modes the data determine, and which of these have a determined sign.
    n_iter, n_eval : int
        Iterations and evaluations (matrix decompositions, for the exact methods); 0 if the file that
        the result was read from is of a version that did not keep them.
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
    criterion: AnyCriterion | str
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
    gram: Gram | None = None
    eigenvalues: Array | None = None
    leading: Leading | None = None
    proven: bool = True
    signals: Array | None = None
    starts: Starts | None = None

    @cached_property
    def objective(self) -> float:
        """Figure of merit at P, evaluated in float64 from P itself when it is first asked for."""
        if self.leading is not None:
            return self.leading.objective(self._basis(), self.rotation)
        return self._value_and_gradient(self.rotation.matrix.astype(np.float64, copy=False))[0]

    @cached_property
    def maximize(self) -> bool | None:
        """Whether large values are better; None if the file of the result does not say."""
        return None if isinstance(self.criterion, str) else self.criterion.maximize

    @cached_property
    def optimality(self) -> str:
        """Proof of optimality: "certified" (by the bound, to 1e-9), "local" (no small step improves) or "unknown"."""
        if self.proven and self.gap <= 1e-9:
            return "certified"
        iterated = len(self.history) > 0
        return "local" if iterated and self.converged else "unknown"

    @cached_property
    def gap(self) -> float:
        """Relative distance to the bound, >= 0; 0 where the two agree to rounding."""
        excess = self.bound - self.objective if self.maximize else self.objective - self.bound
        if not self.proven or self.maximize is None:
            excess = abs(excess)
        if excess <= self.rounding:
            return 0.0
        if self.bound == 0 or not np.isfinite(self.bound):
            return float("inf")
        return excess / abs(self.bound)

    @cached_property
    def shortfall(self) -> float:
        """Largest relative excess of the best objective over the modes of `leading` above `bound`.

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
        with computing(self.rotation.n):
            return self.rotation.orthogonality_error()

    @cached_property
    def gradient_norm(self) -> float:
        """Frobenius norm of the Riemannian gradient, the skew part of G P^T."""
        with computing(self.rotation.n):
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
        if isinstance(self.criterion, str):
            raise ValueError(
                f"a result from a file has its criterion by name alone, {self.criterion!r}: what was not "
                "saved with it cannot be computed"
            )
        with computing(self.rotation.n):
            if isinstance(self.criterion, Criterion):
                assert self.gram is not None
                return self.criterion.evaluate(p, Data(self.gram, self.signals))
            return self.criterion.value_and_gradient(p)

    def transform(self, signals: ArrayLike) -> Array:
        """Descrambled signals S P^T, shape (m, n), of signals in rows, shape (m, n)."""
        with computing(self.rotation.n):
            return self.rotation.right(signals)

    def save(self, path: str | Path) -> None:
        """Write rotation, masks and figures of merit, whole or not at all and without pickle.

        As .npz, for `load_result`; or, if `path` ends in .mat, as MATLAB 5.
        """
        names = (
            "bound",
            "rounding",
            "resolved",
            "sign_resolved",
            "history",
            "seconds",
            "n_iter",
            "n_eval",
        )
        known = [name for name in FIGURES if self._knows(name)]
        arrays: dict[str, ArrayLike] = {name: getattr(self, name) for name in (*names, *known)}
        whole = is_matlab(path)
        arrays |= {"rotation": self.rotation.matrix} if whole else self.rotation.arrays()
        arrays["determinant"] = self.rotation.determinant()
        arrays["criterion"] = str(self.criterion)
        texts = ("method", "gauge", "status", "message", "optimality")
        arrays |= {name: str(getattr(self, name)) for name in texts}
        if self.eigenvalues is not None:
            arrays["eigenvalues"] = self.eigenvalues
        write_arrays(path, SCHEMA, arrays)

    def _knows(self, name: str) -> bool:
        """Whether a figure can be told: computed, or read from the file of the result."""
        if name in ("shortfall", "excess_bound"):
            return self.leading is not None or name in vars(self)
        return not isinstance(self.criterion, str) or vars(self).get(name) is not None

    def table(self) -> list[tuple[str, str]]:
        """Return the status table: names and values, as printed. Rows that do not apply are left out."""
        counts = f" ({self.n_iter} iterations, {self.n_eval} evaluations)" if self.n_eval else ""
        before = (
            f" (before {self.initial_objective:.8g})" if self._knows("initial_objective") else ""
        )
        rows = [
            ("criterion", str(self.criterion)),
            ("units", str(self.rotation.n)),
            ("method", self.method + counts),
            ("status", f"{self.status}: {self.message}"),
            ("objective", f"{self.objective:.8g}{before}"),
        ]
        if np.isfinite(self.bound):
            side = {True: "upper bound", False: "lower bound", None: "bound"}[self.maximize]
            rows += [(side, f"{self.bound:.8g}"), ("gap", gap_text(self))]
        else:
            rows += [("optimum", f"{self.optimality}, no bound is known")]
        if self.starts is not None and len(self.starts.seeds) > 1:
            rows += [("starts", str(self.starts))]
        if self._knows("gradient_norm") and self.optimality != "certified":
            rows += [("gradient norm", f"{self.gradient_norm:.1e}")]
        rows += [("orthogonality error", f"{self.orthogonality_error:.1e}")]
        if self.eigenvalues is not None:
            rows += self._modes()
        return [*rows, ("time", f"{self.seconds:.3g} s")]

    def _modes(self) -> list[tuple[str, str]]:
        """Rows of a criterion with link modes."""
        n = self.rotation.n
        rows = [
            ("resolved modes", f"{int(self.resolved.sum())} of {n}"),
            ("resolved signs", f"{int(self.sign_resolved.sum())} of {n}"),
            ("gauge", self.gauge),
        ]
        if self.leading is not None:
            whole = self.leading.trace
            share = float(self.leading.values.sum()) / whole if whole else 1.0
            text = f"{self.rotation.rank}, with {share:.6f} of the signals' square"
            rows += [("modes placed", text)]
        if self._knows("shortfall") and self.shortfall:
            rows += [("error of the bound", f"at most {self.shortfall:.1e} of it")]
        if self._knows("excess_bound"):
            rows += [("modes left out", f"may change the objective by {excess_text(self)}")]
        return rows

    def __repr__(self) -> str:
        what = f"{self.criterion}, {self.rotation.n} units, {self.method}, {self.status}"
        return f"{type(self).__name__}({what})"


def with_figures(result: Descrambling, figures: Mapping[str, object]) -> Descrambling:
    """Give a result figures that were found before, by the names of its attributes."""
    vars(result).update(figures)  # where the cached properties keep theirs
    return result
