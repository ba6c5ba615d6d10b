"""Descramble a weight matrix by its diagonal (Amey et al. 2021, Eq. 14), to the global optimum.

The diagonal sum is orthogonal Procrustes. The diagonal norm square is a concave problem in n unknowns:
with ``x^2 = max_d (2 d x - d^2)`` and ``max_P tr(P M) = ||M||_*`` (nuclear norm),

    max_P ||diag(P W)||^2 = max_{e >= 0} F(e),  F(e) = 2 tr[(W diag(e) W^T)^(1/2)] - sum e,

and the trace of the matrix square root is concave (proof, steps and certificate: ``docs/theory.md``).
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike

from ._validate import Array, check_squares, choice, matrix
from .charts import random_rotation
from .criteria import DiagonalNormSquare, DiagonalSum
from .errors import ConvergenceWarning
from .iterate import (
    MESSAGES,
    METHODS,
    Objective,
    Settings,
    State,
    depth_of_the_package,
    run,
    warn_unless_converged,
)
from .result import Descrambling
from .rotation import Rotation, has_negative_determinant, nearest_completion
from .status import Status

__all__ = ["diagonalize"]

EPSILON = float(np.finfo(np.float64).eps)
LEAST_DAMPING = 1e-12


def diagonalize(
    weights: ArrayLike,
    criterion: str = "sum",
    *,
    side: str = "left",
    method: str = "auto",
    max_iter: int = 10_000,
    tolerance: float = 1e-10,
    retraction: str = "cayley",
    random_state: int | np.random.Generator | None = None,
    callback: Callable[[State], bool] | None = None,
) -> Descrambling:
    """Find the rotation that makes a weight matrix most diagonal.

    Parameters
    ----------
    weights : array_like, shape (n_out, n_in)
        W, square or rectangular; the diagonal has min(n_out, n_in) entries.
    criterion : {"sum", "norm_square"}
        ``tr(P W)``, or ``||diag(P W)||^2``.
    side : {"left", "right"}
        Rotate the outputs, P W, or the inputs, W P^T.
    method : {"auto", "exact", "cayley-lbfgs", "riemannian-lbfgs"}
        "auto" is the global optimum: one singular value decomposition for the sum; for the norm square
        damped Newton steps in n unknowns, certified.
    max_iter : int
        Most steps.
    tolerance : float
        The certified relative gap at which the norm square stops; for the iterative methods the
        gradient norm relative to the objective.
    retraction, random_state, callback
        As in :func:`descrambler.descramble`.

    Returns
    -------
    Descrambling
        `rotation` acts on the chosen side; `bound` is an upper bound; in float32 for float32 weights.
        All rows are resolved; where the sign of a row is free, `sign_resolved` is False.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, shape or value, or the weights are not finite.
    """
    start = time.perf_counter()
    w = matrix("weights", weights)
    check_squares("weights", w)
    choice("criterion", criterion, ("sum", "norm_square"))
    choice("side", side, ("left", "right"))
    choice("method", method, ("auto", "exact", *METHODS))
    settings = Settings(method, max_iter, tolerance, retraction, random_state, callback)
    square = _square_part(w if side == "left" else w.T)
    problem = (DiagonalSum if criterion == "sum" else DiagonalNormSquare)(square)
    exact = _procrustes(square) if criterion == "sum" else _certified(square, settings)
    found = (
        exact
        if method in ("auto", "exact")
        else _iterate(problem, square, settings, exact, w.dtype)
    )
    rotation = np.ascontiguousarray(found.rotation, dtype=w.dtype)
    sign_resolved = np.ones(len(square), bool)
    if criterion == "norm_square":
        sign_resolved[:] = np.einsum("ij,ji->i", rotation, square) > 0
    return Descrambling(
        rotation=Rotation(rotation, len(rotation)),
        criterion=problem,
        bound=exact.bound,
        rounding=4 * EPSILON * _scale(square, criterion),
        method="exact" if found is exact else method,
        gauge="none",
        status=found.status,
        message=found.message,
        resolved=np.ones(len(square), bool),
        sign_resolved=sign_resolved,
        n_iter=found.n_iter,
        n_eval=found.n_eval,
        history=found.history,
        seconds=time.perf_counter() - start,
    )


@dataclass(frozen=True, eq=False)
class _Found:
    rotation: Array
    bound: float
    status: Status
    message: str
    n_iter: int
    n_eval: int
    history: Array


def _square_part(w: Array) -> Array:
    """Cut columns or add zero ones: an n x n matrix with the same diagonal problem."""
    n = len(w)
    square = np.zeros((n, n))
    columns = min(n, w.shape[1])
    square[:, :columns] = w[:, :columns]
    return square


def _scale(w: Array, criterion: str) -> float:
    norms = np.linalg.norm(w, axis=0)
    return float(norms.sum() if criterion == "sum" else np.square(norms).sum())


def _svd(m: Array) -> tuple[Array, Array, Array]:
    return scipy.linalg.svd(m, check_finite=False)


def _polar_rotation(u: Array, s: Array, vt: Array) -> Array:
    """P = V U^T; where singular values vanish, the free part turns as little as possible."""
    n = len(u)
    rank = int(np.count_nonzero(s > n * EPSILON * s.max(initial=0)))
    if 0 < rank < n:
        return nearest_completion(u[:, :rank], vt[:rank].T).matrix
    return np.eye(n) if rank == 0 else (u @ vt).T


def _procrustes(w: Array) -> _Found:
    u, s, vt = _svd(w)
    rotation = _polar_rotation(u, s, vt)
    bound = float(s.sum())
    if has_negative_determinant(rotation):
        rotation = rotation - 2 * np.outer(vt[-1], u[:, -1])
        bound -= 2 * float(s[-1])
    message = "global optimum from one singular value decomposition"
    return _Found(rotation, bound, Status.CONVERGED, message, 0, 1, np.empty(0))


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
    diagonal is at most 1/2, which as damping gives about the majorise-maximise step.
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


def _certified(w: Array, settings: Settings) -> _Found:
    """Maximise the concave F by Newton steps until value and bound meet."""
    norms = np.einsum("ij,ij->j", w, w)
    used = norms >= 1e-11 * norms.mean()
    beyond = float(norms[~used].sum())
    u, s, vt = _svd(w)
    rank = int(np.count_nonzero(s > len(s) * EPSILON * s[0]))
    if rank == 0:
        zero = np.zeros(1)
        return _Found(np.eye(len(w)), 0.0, Status.CONVERGED, "all weights are zero", 0, 1, zero)
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
    message = MESSAGES[status] if status is not Status.CONVERGED else "global optimum, certified"
    iterations = len(history) - 1
    bound = bounds[-1] + beyond
    if status in (Status.MAX_ITERATIONS, Status.LINE_SEARCH_FAILED):
        warnings.warn(
            f"diagonal norm square: {MESSAGES[status].split(';')[0]} after {iterations} iterations; "
            f"certified gap {bound / history[-1] - 1:.1e} reached, {settings.tolerance:g} asked; raise "
            "max_iter or tolerance: small singular values of the weights may carry rounding alone",
            ConvergenceWarning,
            stacklevel=depth_of_the_package(),
        )
    return _Found(rotation, bound, status, message, iterations, evaluations, np.asarray(history))


def _stopping(
    history: list[float], bounds: list[float], beyond: float, settings: Settings, here: _Point
) -> Status | None:
    """Say why to stop, if there is a reason."""
    value, patience = history[-1], 30
    if bounds[-1] + beyond - value <= settings.tolerance * value:
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
    """Diagonal entries >= 0; the least of them pays for the determinant, which costs nothing."""
    diagonal = np.einsum("ij,ji->i", rotation, w)
    rotation = rotation * np.where(diagonal < 0, -1.0, 1.0)[:, None]
    if has_negative_determinant(rotation):
        rotation[np.argmin(np.abs(diagonal))] *= -1
    return rotation


def _iterate(
    problem: DiagonalSum | DiagonalNormSquare,
    w: Array,
    settings: Settings,
    exact: _Found,
    dtype: np.dtype[np.floating],
) -> _Found:
    start: Array = np.eye(len(w))
    if settings.random_state is not None:
        start = random_rotation(len(w), settings.random_state)
    size = float(np.linalg.norm(w)) / np.sqrt(len(w)) or 1.0
    kernel = problem.kernel(np.ascontiguousarray(start @ (w / size), dtype))
    unit = size if isinstance(problem, DiagonalSum) else size**2
    objective = Objective(lambda: kernel, problem.maximised, unit)
    outcome = run(objective, np.eye(len(w), dtype=dtype), settings)
    warn_unless_converged(outcome, settings)
    return _Found(
        outcome.rotation @ start,
        exact.bound,
        outcome.status,
        MESSAGES[outcome.status],
        outcome.n_iter,
        outcome.n_eval,
        outcome.history,
    )
