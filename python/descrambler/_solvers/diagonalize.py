"""Descramble a weight matrix by its diagonal (Amey et al. 2021, Eq. 14), to the global optimum."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from .._geometry.rotation import Rotation
from .._util.threads import computing
from .._util.validate import Array, check_squares, choice, matrix
from ..criteria import DiagonalNormSquare, DiagonalSum
from .diagonal_closing import EPSILON
from .diagonal_optima import greatest_norm_square, greatest_sum
from .lbfgs import lbfgs
from .outcome import Outcome, warn_unless_converged
from .problem import Objective
from .result import Descrambling
from .settings import METHODS, Settings, State
from .starts import starting_points

__all__ = ["diagonalize"]


def diagonalize(
    weights: ArrayLike,
    criterion: str = "sum",
    *,
    side: str = "left",
    method: str = "auto",
    guess: ArrayLike | Rotation | None = None,
    max_iter: int = 10_000,
    tol: float = 1e-10,
    retraction: str = "cayley",
    random_state: int | np.random.Generator | None = None,
    threads: int | None = None,
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
        Maximum number of steps.
    tol : float
        The certified relative gap at which the norm square stops; for the iterative methods the
        gradient norm relative to the objective.
    guess, retraction, random_state, threads, callback
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
    settings = Settings(
        method=method,
        guess=guess,
        max_iter=max_iter,
        tol=tol,
        retraction=retraction,
        random_state=random_state,
        callback=callback,
    )
    if guess is not None and method in ("auto", "exact"):
        raise ValueError("guess needs an iterative method: the exact one needs no start")
    square = _square_part(w if side == "left" else w.T)
    problem = (DiagonalSum if criterion == "sum" else DiagonalNormSquare)(square)
    with computing(len(square), threads):
        exact = (
            greatest_sum(square) if criterion == "sum" else greatest_norm_square(square, settings)
        )
        found = exact
        if method in METHODS:
            found = _iterate(problem, square, settings, w.dtype)
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


def _iterate(
    problem: DiagonalSum | DiagonalNormSquare,
    w: Array,
    settings: Settings,
    dtype: np.dtype[np.floating],
) -> Outcome:
    _, (start,) = starting_points(len(w), settings)
    size = float(np.linalg.norm(w)) / np.sqrt(len(w)) or 1.0
    turned = np.ascontiguousarray(start @ (w / size), dtype)
    unit = size if isinstance(problem, DiagonalSum) else size**2
    objective = Objective(lambda: (problem.kernel(turned), unit), problem.maximize)
    outcome = lbfgs(objective, np.eye(len(w), dtype=dtype), settings)
    warn_unless_converged(outcome, settings)
    return replace(outcome, rotation=outcome.rotation @ start)
