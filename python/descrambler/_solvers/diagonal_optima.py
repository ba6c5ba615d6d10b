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
from numpy.typing import NDArray

from .._geometry.rotation import has_negative_determinant, nearest_completion
from .._util import lapack
from .._util.validate import Array
from ..errors import ConvergenceWarning
from .diagonal_closing import CLOSE, EPSILON, Closing, orthonormalized
from .diagonal_curvature import LEAST_DAMPING, Curvature, curvature
from .outcome import MESSAGES, Outcome, Status, depth_of_the_package
from .settings import Settings, State

# Squares of singular values that vary less keep the digits that a certificate of 1e-10 needs.
LEAST_SQUARE = 1e-10
# Relative change of d after which the curvature is computed anew.
SMALL_CHANGE = 0.02
# Slope below which the bound of a point is worth its time.
TIGHT = 1e-3


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
        if parts.vt is None and gradient.max() > TIGHT:  # far from tight, whatever is raised
            bound = float(s.sum() + norms @ np.maximum(gradient, 0))
        else:
            bound = _bound(s, load, norms)
        return cls(d, value, bound, gradient, replace(parts, s=s), coordinates)

    @property
    def right(self) -> Array:
        """Right singular vectors of W diag(d), in rows."""
        if self.parts.vt is not None:
            return self.parts.vt
        # Orthonormal to LEAST_SQUARE^-1 roundings.
        return orthonormalized(self.coordinates * self.d / self.parts.s[:, None])


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


def _moved(here: _Point, change: Array) -> Array:
    """Return the d after a relative change of e, each e_j changed by a factor of 20 or 50 at most."""
    if here.parts.vt is not None:
        # F may be (nearly) constant along a line, as of equal columns: a step that bends would leave it.
        factor = np.clip(1 + change, 0.05, 20)
    else:
        # To first order in the change: no e_j turns negative, and those that fall far do not fall too far.
        rise, fall = np.exp(np.clip(change, 0, 3)), np.minimum(change, 0)
        factor = rise * np.maximum((1 - fall / 4) ** -4.0, 0.02)
    moved: Array = here.d * np.sqrt(factor)
    np.maximum(moved, 1e-100 * moved.max(), out=moved)  # an entry at zero would stay there
    return moved


@dataclass
class _Ascent:
    """Steps uphill, from one point to the next; `closed` is rotation, value and bound where the last steps were one."""

    w: Array
    here: _Point
    evaluations: int
    gap: float
    damping: float = LEAST_DAMPING
    curvature: Curvature | None = None
    closed: tuple[Array, float, float] | None = None

    def step(self) -> None:
        """Go to a higher point, or to the optimum."""
        while self.damping <= 1:
            fresh, here = self.curvature is None, self.here
            found, self.curvature = self.curvature or self._curvature(), None
            if found is not None:
                change = found.change(here.gradient, here.d)
                self.closed = self._closed(found, change)
                if self.closed is not None:
                    return
                there = self._at(_moved(here, change))
                if there.value >= here.value * (1 - 64 * EPSILON):
                    # After a small change the curvature is still right to one per cent.
                    if np.abs(there.d / here.d - 1).max() < SMALL_CHANGE:
                        self.curvature = found
                    self.here = there
                    self.damping = max(self.damping / 30, LEAST_DAMPING)
                    return
            if fresh:
                self.damping = max(30 * self.damping, 1e-4)
        # d <- diag(P W), P the polar factor for W diag(d), never falls.
        self.here = self._at(self.here.d * (1 + self.here.gradient))
        self.damping = 0.1

    def _curvature(self) -> Curvature | None:
        here, slope = self.here, float(np.abs(self.here.gradient).max())
        single = here.parts.vt is None
        return curvature(here.parts.s, here.d, here.coordinates, slope, self.damping, single)

    def _closed(self, found: Curvature, change: Array) -> tuple[Array, float, float] | None:
        here, parts = self.here, self.here.parts
        if parts.vt is not None or np.mean(change**2) > CLOSE**2 or np.abs(change).max() > 0.5:
            return None
        closing = Closing(self.w, here.d, parts.u, parts.s, here.coordinates, found)
        return closing.close(change, self.gap)

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
    ascent = _start(w, used, parts, rank, settings.tol)
    bounds, history = [ascent.here.bound], [ascent.here.value]
    status = _stopping(history, bounds, beyond, settings, ascent.here)
    while status is None:
        ascent.step()
        _, value, bound = ascent.closed or (None, ascent.here.value, ascent.here.bound)
        history.append(value)
        bounds.append(min(bounds[-1], bound))
        status = _stopping(history, bounds, beyond, settings, ascent.here)
    rotation = _best_row_signs(_found(ascent, parts, rank, used), w)
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
    return Outcome(rotation, status, iterations, ascent.evaluations, values, bound=bound, note=note)


def _found(ascent: _Ascent, parts: _Parts, rank: int, used: NDArray[np.bool_]) -> Array:
    """Return the rotation, or reflection, at the end of the ascent."""
    if ascent.closed is not None:
        return ascent.closed[0]
    here = ascent.here
    left = here.parts.u if parts.vt is None else parts.u[:, :rank] @ here.parts.u
    inner = np.zeros((len(here.parts.s), len(used)))
    inner[:, used] = here.right
    return _polar_rotation(left, here.parts.s, inner)


def _start(w: Array, used: NDArray[np.bool_], parts: _Parts, rank: int, gap: float) -> _Ascent:
    """Start at equal d where W is regular, so that its own decomposition serves; else at d = diag(P W)."""
    if parts.vt is None:
        scale = float(parts.s.mean())
        scaled = replace(parts, s=scale * parts.s)
        return _Ascent(w, _Point.of(w, np.full(len(w), scale), scaled), 1, gap)
    vt = parts.vt[:rank]
    turned = parts.s[:rank, None] * vt
    d = np.einsum("ki,ki->i", vt, turned)[used]
    columns = turned[:, used]  # in coordinates of their range
    return _Ascent(columns, _Point.at(columns, np.maximum(d, 1e-8 * d.max()), False), 2, gap)


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
