"""Descramble a weight matrix by its diagonal (Amey et al. 2021, Eq. 14), to the global optimum.

The diagonal sum is orthogonal Procrustes. The diagonal norm square is a concave problem in n unknowns:
with ``x^2 = max_d (2 d x - d^2)`` and ``max_P tr(P M) = ||M||_*`` (nuclear norm),

    max_P ||diag(P W)||^2 = max_{e >= 0} F(e),  F(e) = 2 tr[(W diag(e) W^T)^(1/2)] - sum e,

and the trace of the matrix square root is concave (proof: ``docs/theory.md``).
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike

from ._validate import Array, choice, matrix
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
        majorise-maximise steps, accelerated and certified.
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
    choice("criterion", criterion, ("sum", "norm_square"))
    choice("side", side, ("left", "right"))
    choice("method", method, ("auto", "exact", *METHODS))
    settings = Settings(method, max_iter, tolerance, retraction, random_state, callback)
    square = _square_part(w if side == "left" else w.T)
    problem = (DiagonalSum if criterion == "sum" else DiagonalNormSquare)(square)
    exact = _procrustes(square) if criterion == "sum" else _majorise_maximise(square, settings)
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
    """F at e = d^2, its upper bound on the optimum, and the rotation V U^T that it gives."""

    d: Array
    value: float
    bound: float
    image: Array
    factors: tuple[Array, Array, Array]


def _evaluate(w: Array, d: Array) -> _Point:
    # Columns of zeros would add null vectors of rounding, which lean into the small columns.
    used = np.flatnonzero(np.any(w != 0, axis=0))
    u, s, inner = scipy.linalg.svd(w[:, used] * d[used], full_matrices=False, check_finite=False)
    vt = np.zeros((len(s), len(d)))
    vt[:, used] = inner
    e = d * d
    value = float(2 * s.sum() - e.sum())
    projections = u.T @ w
    norms = np.einsum("ij,ij->j", w, w)
    # A projection at the level of rounding says that the column lies in the range of U.
    outside = np.linalg.norm(w - u @ projections, axis=0) > 1e-10 * np.sqrt(norms)
    projections[np.abs(projections) <= 8 * len(d) * EPSILON * np.sqrt(norms)] = 0
    with np.errstate(divide="ignore", invalid="ignore"):
        gradient = (
            np.where(projections == 0, 0, projections**2 / np.abs(s)[:, None]).sum(axis=0) - 1
        )
        gradient[outside] = np.inf
        rise = np.maximum(gradient, 0) * np.maximum(norms - e, 0)
    # Infinite slope times no room to rise is no rise; infinite slope elsewhere is no bound.
    slack = np.nan_to_num(rise, nan=0.0, posinf=np.inf) + np.maximum(-gradient, 0) * e
    bound = value + float(slack.sum())
    image = np.abs(np.einsum("ki,ki->i", vt, projections))
    return _Point(d, value, bound, image, (u, s, vt))


def _majorise_maximise(w: Array, settings: Settings) -> _Found:
    """Iterate d <- diag(P W), P the polar factor for W diag(d): monotone, accelerated, until certified."""
    norms = np.einsum("ij,ij->j", w, w)
    dropped = norms < 1e-11 * norms.mean()
    beyond = float(norms[dropped].sum())
    kept = np.where(dropped, 0, w)
    u, s, vt = _svd(kept)
    here = _evaluate(kept, np.einsum("ki,ki->i", vt, s[:, None] * vt))
    bounds, history, evaluations = [here.bound], [here.value], 2
    acceleration = _Anderson(terms=12)
    status = None
    while status is None:
        there = _evaluate(kept, acceleration.propose(here.d, here.image))
        evaluations += 1
        if there.value < here.value:
            acceleration.forget()
            there = _evaluate(kept, here.image)
            evaluations += 1
        here = there
        history.append(here.value)
        bounds.append(min(bounds[-1], here.bound))
        status = _stopping(history, bounds, beyond, settings, here)
    rotation = _best_row_signs(_polar_rotation(*here.factors), w)
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
    value, patience = history[-1], 300
    if bounds[-1] + beyond - value <= settings.tolerance * value:
        return Status.CONVERGED
    state = State(len(history) - 1, value, float(np.linalg.norm(here.image - here.d)))
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


class _Anderson:
    """Anderson acceleration of d -> image(d), over the last few differences (Walker and Ni 2011)."""

    def __init__(self, terms: int) -> None:
        self.terms = terms
        self.forget()

    def forget(self) -> None:
        """Start anew from the next point."""
        self.points: list[Array] = []
        self.residuals: list[Array] = []

    def propose(self, d: Array, image: Array) -> Array:
        """Next point: the image itself, or the extrapolation of the images seen."""
        self.points = [*self.points[-self.terms :], image]
        self.residuals = [*self.residuals[-self.terms :], image - d]
        if len(self.points) == 1:
            return image
        changes = np.diff(self.residuals, axis=0).T
        weights = np.linalg.lstsq(changes, self.residuals[-1], rcond=1e-12)[0]
        proposal = image - np.diff(self.points, axis=0).T @ weights
        # An entry once at zero would stay there.
        return np.where(proposal > 0, proposal, image)


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
