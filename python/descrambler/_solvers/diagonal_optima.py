"""Global optima of the diagonal criteria, with bounds that prove them.

The diagonal sum is orthogonal Procrustes. The diagonal norm square is a concave problem in n unknowns:
with ``x^2 = max_d (2 d x - d^2)`` and ``max_P tr(P M) = ||M||_*`` (nuclear norm),

    max_P ||diag(P W)||^2 = max_{e >= 0} F(e),  F(e) = 2 tr[(W diag(e) W^T)^(1/2)] - sum e,

and the trace of the matrix square root is concave (proof, steps and certificate: ``docs/theory.md``).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from .._geometry.rotation import has_negative_determinant, nearest_completion
from .._util import lapack
from .._util.validate import Array
from ..errors import ConvergenceWarning
from .outcome import MESSAGES, Outcome, Status, depth_of_the_package
from .settings import Settings, State

EPSILON = float(np.finfo(np.float64).eps)
LEAST_DAMPING, LEAST_DAMPING_FLOAT32 = 1e-12, 1e-7
# Squares of singular values that vary less keep the digits that a certificate of 1e-10 needs.
LEAST_SQUARE = 1e-10
# Slope below which a point is near the optimum; relative change of d after which the curvature is computed anew.
NEAR, SMALL_CHANGE = 0.02, 0.02


def _polar_rotation(u: Array, s: Array, vt: Array) -> Array:
    """P = V U^T; where singular values vanish, the free part turns as little as possible."""
    n = len(u)
    rank = int(np.count_nonzero(s > n * EPSILON * s.max(initial=0)))
    if 0 < rank < n:
        return nearest_completion(u[:, :rank], vt[:rank].T).matrix
    return np.eye(n) if rank == 0 else (u @ vt).T


def greatest_sum(w: Array, proper: bool = True) -> Outcome:
    """Maximize tr(P W) over rotations; over reflections too unless `proper`."""
    u, s, vt = lapack.svd(w)
    rotation = _polar_rotation(u, s, vt)
    bound = float(s.sum())
    if proper and has_negative_determinant(rotation):
        rotation = rotation - 2 * np.outer(vt[-1], u[:, -1])
        bound -= 2 * float(s[-1])
    message = "global optimum from one singular value decomposition"
    return Outcome(rotation, Status.CONVERGED, 0, 1, np.empty(0), bound=bound, note=message)


@dataclass(frozen=True, eq=False)
class _Parts:
    """Singular values and left singular vectors of a matrix; the right ones where they were computed, too."""

    u: Array
    s: Array
    vt: Array | None

    @classmethod
    def of(cls, m: Array, by_squares: bool) -> _Parts:
        """Decompose M: by the eigenvectors of M M^T, a third of the work, as long as no digits that count are lost."""
        if by_squares:
            unit = float(np.abs(m).max()) or 1.0  # else squares may leave the range of float64
            one = m / unit
            squares, u = lapack.eigh(one @ one.T)
            if squares[0] > LEAST_SQUARE * squares[-1]:
                return cls(u[:, ::-1], unit * np.sqrt(squares[::-1]), None)
        return cls(*lapack.svd(m, full_matrices=False))


@dataclass(frozen=True, eq=False)
class _Point:
    """F at e = d^2 for columns w: decomposition of W diag(d), gradient, upper bound on the optimum."""

    d: Array
    value: float
    bound: float
    gradient: Array
    parts: _Parts
    coordinates: Array

    @classmethod
    def at(cls, w: Array, d: Array, by_squares: bool) -> _Point:
        return cls.of(w, d, _Parts.of(w * d, by_squares))

    @classmethod
    def of(cls, w: Array, d: Array, parts: _Parts) -> _Point:
        """Evaluate F where W diag(d) has these parts."""
        s = parts.s
        value = float(2 * s.sum() - d @ d)
        # Any larger values do for a bound, and rounding has no say in smaller ones.
        s = np.maximum(s, len(s) * EPSILON * s[0])
        coordinates = parts.u.T @ w
        load = coordinates**2 / s[:, None]
        gradient, norms = load.sum(axis=0) - 1, np.einsum("ij,ij->j", w, w)
        if parts.vt is None and gradient.max() > NEAR:  # far from tight, whatever is raised
            bound = float(s.sum() + norms @ np.maximum(gradient, 0))
        else:
            bound = _bound(s, load, norms)
        return cls(d, value, bound, gradient, replace(parts, s=s), coordinates)

    @property
    def right(self) -> Array:
        """Right singular vectors of W diag(d), in rows."""
        if self.parts.vt is not None:
            return self.parts.vt
        vt = self.coordinates * self.d / self.parts.s[:, None]
        # Orthonormal to LEAST_SQUARE^-1 roundings: Newton-Schulz steps square the rest.
        for _ in range(3):
            defect = vt @ vt.T
            defect[np.diag_indices_from(defect)] -= 1
            if np.abs(defect).max() <= 16 * EPSILON:
                break
            vt -= 0.5 * (defect @ vt)
        return vt


def _bound(s: Array, load: Array, norms: Array) -> float:
    """Bound the optimum: tr X^-1 + sum_j norms_j max(0, w_j^T X w_j - 1), for any X = U diag(1/s') U^T.

    ``2 tr A^(1/2) <= tr X A + tr X^-1``, and no e_j exceeds norms_j = |w_j|^2. s' is s, but the least
    values, which cost least, are raised where that keeps some w_j^T X w_j below 1 for less than norms_j.
    """
    least_first = slice(None, None, -1)
    held = np.cumsum(load[least_first], axis=0)
    with np.errstate(divide="ignore"):
        price = np.cumsum(s[least_first])[:, None] / held
    count = price.argmin(axis=0)
    column = np.arange(len(norms))
    excess = load.sum(axis=0) - 1
    raised = (excess > 0) & (price[count, column] < norms)
    part = np.zeros(len(s))
    np.maximum.at(part, count[raised], (excess / held[count, column])[raised])
    part = np.minimum(np.maximum.accumulate(part[least_first]), 0.5)
    excess = (load * (1 - part)[:, None]).sum(axis=0) - 1
    return float((s / (1 - part)).sum() + norms @ np.maximum(excess, 0))


def _curvature(here: _Point, damping: float) -> tuple[Array, bool] | None:
    """Return the Cholesky factor of the damped -H, H the Hessian of F in e in units of d_j d_k.

    With c = U^T w, ``H = -sum_ab c_ja c_jb c_ka c_kb / (s_a s_b (s_a + s_b))``, and
    ``1 / (x + y) = integral of exp(-t (x + y)) dt`` makes a few squared products of it, by the trapezoidal
    rule in log t. The diagonal of -H is at most 1/2, which as damping gives about the majorize-maximize step.
    """
    s, near = here.parts.s, np.abs(here.gradient).max() < NEAR
    # Right to one per cent; near the optimum, where the factor serves for several steps, to 0.1 per cent.
    step = 1.0 if near else 1.5
    unit = np.sqrt(here.d.max())  # single precision holds no very large or small weights
    scaled = here.coordinates / unit * np.sqrt(here.d / s[:, None])
    # Here the range of singular values is one for which single precision will do.
    if here.parts.vt is None:
        scaled, damping = scaled.astype(np.float32), max(damping, LEAST_DAMPING_FLOAT32)
    hessian = np.zeros((len(here.d), len(here.d)), scaled.dtype)
    for log_t in np.arange(-np.log(200 * s[0]), np.log(2.5 / s[-1]) + step, step):
        t = float(np.exp(log_t))
        weight = unit * (step * t) ** 0.25 * np.exp(-0.5 * t * s)
        root = scaled * weight.astype(scaled.dtype)[:, None]
        product = root.T @ root
        hessian += np.square(product, out=product)
    hessian[np.diag_indices_from(hessian)] += damping
    try:
        return scipy.linalg.cho_factor(hessian, check_finite=False, overwrite_a=True)
    except np.linalg.LinAlgError:
        return None


def _newton_step(here: _Point, factor: tuple[Array, bool]) -> Array:
    """Return the d after a Newton step in e, each e_j changed by a factor of 20 at most."""
    relative = here.d / here.d.max()
    slope = (relative * here.gradient).astype(factor[0].dtype)
    change = scipy.linalg.cho_solve(factor, slope, check_finite=False) / relative
    moved: Array = here.d * np.sqrt(np.clip(1 + change, 0.05, 20))
    np.maximum(moved, 1e-100 * moved.max(), out=moved)  # an entry at zero would stay there
    return moved


@dataclass
class _Ascent:
    """Steps uphill, from one point to the next."""

    w: Array
    here: _Point
    evaluations: int
    damping: float = LEAST_DAMPING
    factor: tuple[Array, bool] | None = None

    def step(self) -> None:
        """Go to a higher point."""
        while self.damping <= 1:
            fresh = self.factor is None
            factor = self.factor or _curvature(self.here, self.damping)
            self.factor = None
            if factor is not None:
                there = self._at(_newton_step(self.here, factor))
                if there.value >= self.here.value * (1 - 64 * EPSILON):
                    # After a small change the curvature is still right to one per cent.
                    if np.abs(there.d / self.here.d - 1).max() < SMALL_CHANGE:
                        self.factor = factor
                    self.here = there
                    self.damping = max(self.damping / 30, LEAST_DAMPING)
                    return
            if fresh:
                self.damping = max(30 * self.damping, 1e-4)
        # d <- diag(P W), P the polar factor for W diag(d), never falls.
        self.here = self._at(self.here.d * (1 + self.here.gradient))
        self.damping = 0.1

    def _at(self, d: Array) -> _Point:
        self.evaluations += 1
        return _Point.at(self.w, d, self.here.parts.vt is None)


def greatest_norm_square(w: Array, settings: Settings) -> Outcome:
    """Maximize the concave F by Newton steps until value and bound meet."""
    norms = np.einsum("ij,ij->j", w, w)
    used = norms >= 1e-11 * norms.mean()
    beyond = float(norms[~used].sum())
    parts = _Parts.of(w, bool(used.all()))
    s = parts.s
    rank = int(np.count_nonzero(s > len(s) * EPSILON * s[0]))
    if rank == 0:
        zero = np.zeros(1)
        note = "all weights are zero"
        return Outcome(np.eye(len(w)), Status.CONVERGED, 0, 1, zero, bound=0.0, note=note)
    ascent = _start(w, used, parts, rank)
    bounds, history = [ascent.here.bound], [ascent.here.value]
    status = _stopping(history, bounds, beyond, settings, ascent.here)
    while status is None:
        ascent.step()
        history.append(ascent.here.value)
        bounds.append(min(bounds[-1], ascent.here.bound))
        status = _stopping(history, bounds, beyond, settings, ascent.here)
    here, evaluations = ascent.here, ascent.evaluations
    left = here.parts.u if parts.vt is None else parts.u[:, :rank] @ here.parts.u
    inner = np.zeros((len(here.parts.s), len(w)))
    inner[:, used] = here.right
    rotation = _best_row_signs(_polar_rotation(left, here.parts.s, inner), w)
    note = "global optimum, certified" if status is Status.CONVERGED else ""
    iterations = len(history) - 1
    bound = bounds[-1] + beyond
    if status in (Status.MAX_ITERATIONS, Status.LINE_SEARCH_FAILED):
        warnings.warn(
            f"diagonal norm square: {MESSAGES[status].split(';')[0]} after {iterations} iterations; "
            f"certified gap {bound / history[-1] - 1:.1e} reached, {settings.tol:g} asked; raise "
            "max_iter or tol: small singular values of the weights may carry rounding alone",
            ConvergenceWarning,
            stacklevel=depth_of_the_package(),
        )
    values = np.asarray(history)
    return Outcome(rotation, status, iterations, evaluations, values, bound=bound, note=note)


def _start(w: Array, used: NDArray[np.bool_], parts: _Parts, rank: int) -> _Ascent:
    """Start at equal d where W is regular, so that its own decomposition serves; else at d = diag(P W)."""
    if parts.vt is None:
        scale = float(parts.s.mean())
        scaled = replace(parts, s=scale * parts.s)
        return _Ascent(w, _Point.of(w, np.full(len(w), scale), scaled), 1)
    vt = parts.vt[:rank]
    turned = parts.s[:rank, None] * vt
    d = np.einsum("ki,ki->i", vt, turned)[used]
    columns = turned[:, used]  # in coordinates of their range
    return _Ascent(columns, _Point.at(columns, np.maximum(d, 1e-8 * d.max()), False), 2)


def _stopping(
    history: list[float], bounds: list[float], beyond: float, settings: Settings, here: _Point
) -> Status | None:
    """Say why to stop, if there is a reason."""
    value, patience = history[-1], 30
    if bounds[-1] + beyond - value <= settings.tol * value:
        return Status.CONVERGED
    state = State(len(history) - 1, value, float(np.linalg.norm(here.d * here.gradient)))
    if settings.callback is not None and settings.callback(state):
        return Status.STOPPED
    if len(history) > settings.max_iter:
        return Status.MAX_ITERATIONS
    if len(history) > patience:
        rise = value - history[-patience]
        fall = bounds[-patience] - bounds[-1]
        # Neither the value nor its bound moves any more: the singular values carry only rounding.
        if rise <= 1e-13 * value and fall <= 0.1 * (bounds[-1] - value):
            return Status.LINE_SEARCH_FAILED
    return None


def _best_row_signs(rotation: Array, w: Array) -> Array:
    """Make diagonal entries >= 0; if then det P = -1, flip the row with the smallest: it costs least."""
    diagonal = np.einsum("ij,ji->i", rotation, w)
    rotation = rotation * np.where(diagonal < 0, -1.0, 1.0)[:, None]
    if has_negative_determinant(rotation):
        rotation[np.argmin(np.abs(diagonal))] *= -1
    return rotation
