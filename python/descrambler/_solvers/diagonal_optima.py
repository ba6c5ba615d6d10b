"""Global optima of the diagonal criteria, with bounds that prove them.

The diagonal sum is orthogonal Procrustes. The diagonal norm square is a concave problem in n unknowns:
with ``x^2 = max_d (2 d x - d^2)`` and ``max_P tr(P M) = ||M||_*`` (nuclear norm),

    max_P ||diag(P W)||^2 = max_{e >= 0} F(e),  F(e) = 2 tr[(W diag(e) W^T)^(1/2)] - sum e,

and the trace of the matrix square root is concave (proof, steps and certificate: ``docs/theory.md``).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import scipy.linalg

from .._geometry.rotation import has_negative_determinant, nearest_completion
from .._util.validate import Array
from ..errors import ConvergenceWarning
from .outcome import MESSAGES, Outcome, Status, depth_of_the_package
from .settings import Settings, State

EPSILON = float(np.finfo(np.float64).eps)
LEAST_DAMPING = 1e-12


def _svd(m: Array) -> tuple[Array, Array, Array]:
    return scipy.linalg.svd(m, check_finite=False)


def _polar_rotation(u: Array, s: Array, vt: Array) -> Array:
    """P = V U^T; where singular values vanish, the free part turns as little as possible."""
    n = len(u)
    rank = int(np.count_nonzero(s > n * EPSILON * s.max(initial=0)))
    if 0 < rank < n:
        return nearest_completion(u[:, :rank], vt[:rank].T).matrix
    return np.eye(n) if rank == 0 else (u @ vt).T


def greatest_sum(w: Array, proper: bool = True) -> Outcome:
    """Maximize tr(P W) over rotations; over reflections too unless `proper`."""
    u, s, vt = _svd(w)
    rotation = _polar_rotation(u, s, vt)
    bound = float(s.sum())
    if proper and has_negative_determinant(rotation):
        rotation = rotation - 2 * np.outer(vt[-1], u[:, -1])
        bound -= 2 * float(s[-1])
    message = "global optimum from one singular value decomposition"
    return Outcome(rotation, Status.CONVERGED, 0, 1, np.empty(0), bound=bound, note=message)


@dataclass(frozen=True, eq=False)
class _Point:
    """F at e = d^2 for columns w: decomposition of W diag(d), gradient, upper bound on the optimum."""

    d: Array
    value: float
    bound: float
    gradient: Array
    u: Array
    s: Array
    vt: Array
    coordinates: Array

    @classmethod
    def at(cls, w: Array, d: Array) -> _Point:
        u, s, vt = scipy.linalg.svd(w * d, full_matrices=False, check_finite=False)
        value = float(2 * s.sum() - d @ d)
        # Any larger values do for a bound, and rounding has no say in smaller ones.
        s = np.maximum(s, len(s) * EPSILON * s[0])
        coordinates = u.T @ w
        load = coordinates**2 / s[:, None]
        bound = _bound(s, load, np.einsum("ij,ij->j", w, w))
        return cls(d, value, bound, load.sum(axis=0) - 1, u, s, vt, coordinates)


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


def _newton_step(here: _Point, damping: float) -> Array | None:
    """Return the d after a damped Newton step in e, each e_j changed by a factor of 20 at most.

    With c = U^T w, the Hessian of F is ``-sum_ab c_ja c_jb c_ka c_kb / (s_a s_b (s_a + s_b))``, and
    ``1 / (x + y) = integral of exp(-t (x + y)) dt`` makes a few squared products of it: the
    trapezoidal rule in log t with this step is right to one per cent. In units of d_j d_k its
    diagonal is at most 1/2, which as damping gives about the majorize-maximize step.
    """
    step = 1.5
    s, scaled = here.s, here.coordinates * np.sqrt(here.d / here.s[:, None])
    hessian = np.zeros((len(here.d), len(here.d)))
    for log_t in np.arange(-np.log(200 * s[0]), np.log(2.5 / s[-1]) + step, step):
        t = float(np.exp(log_t))
        root = scaled * np.exp(-0.5 * t * s)[:, None]
        hessian += step * t * np.square(root.T @ root)
    hessian[np.diag_indices_from(hessian)] += damping
    try:
        factor = scipy.linalg.cho_factor(hessian, check_finite=False, overwrite_a=True)
    except np.linalg.LinAlgError:
        return None
    change = scipy.linalg.cho_solve(factor, here.d * here.gradient, check_finite=False) / here.d
    moved: Array = here.d * np.sqrt(np.clip(1 + change, 0.05, 20))
    np.maximum(moved, 1e-100 * moved.max(), out=moved)  # an entry at zero would stay there
    return moved


def _ascend(w: Array, here: _Point, damping: float) -> tuple[_Point, float, int]:
    """Return a higher point, the damping for the next step, and the evaluations that it took."""
    evaluations = 0
    while damping <= 1:
        d = _newton_step(here, damping)
        if d is not None:
            there = _Point.at(w, d)
            evaluations += 1
            if there.value >= here.value * (1 - 64 * EPSILON):
                return there, max(damping / 30, LEAST_DAMPING), evaluations
        damping = max(30 * damping, 1e-4)
    # d <- diag(P W), P the polar factor for W diag(d), never falls.
    return _Point.at(w, here.d * (1 + here.gradient)), 0.1, evaluations + 1


def greatest_norm_square(w: Array, settings: Settings) -> Outcome:
    """Maximize the concave F by Newton steps until value and bound meet."""
    norms = np.einsum("ij,ij->j", w, w)
    used = norms >= 1e-11 * norms.mean()
    beyond = float(norms[~used].sum())
    u, s, vt = _svd(w)
    rank = int(np.count_nonzero(s > len(s) * EPSILON * s[0]))
    if rank == 0:
        zero = np.zeros(1)
        note = "all weights are zero"
        return Outcome(np.eye(len(w)), Status.CONVERGED, 0, 1, zero, bound=0.0, note=note)
    columns = (s[:rank, None] * vt[:rank])[:, used]  # in coordinates of their range
    start = np.einsum("ki,ki->i", vt[:rank], s[:rank, None] * vt[:rank])[used]
    here, damping = _Point.at(columns, np.maximum(start, 1e-8 * start.max())), LEAST_DAMPING
    bounds, history, evaluations = [here.bound], [here.value], 2
    status = _stopping(history, bounds, beyond, settings, here)
    while status is None:
        here, damping, count = _ascend(columns, here, damping)
        evaluations += count
        history.append(here.value)
        bounds.append(min(bounds[-1], here.bound))
        status = _stopping(history, bounds, beyond, settings, here)
    inner = np.zeros((len(here.s), len(w)))
    inner[:, used] = here.vt
    rotation = _best_row_signs(_polar_rotation(u[:, :rank] @ here.u, here.s, inner), w)
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
