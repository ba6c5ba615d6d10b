"""Minimization over rotations of any function, for authors of other libraries."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import _core as core
from .._geometry.checks import orthogonal
from .._geometry.rotation import Rotation
from .._util.progress import Progress
from .._util.threads import computing
from .._util.validate import choice
from ..criteria import Custom
from ..criteria._custom import check_gradient as compare_with_differences
from ..criteria._custom import user_function
from .lbfgs import lbfgs
from .outcome import warn_unless_converged
from .problem import Objective
from .result import Descrambling, with_figures
from .resume import in_segments
from .settings import METHODS, Settings, State
from .starts import best_of_starts

__all__ = ["minimize"]


def minimize(
    fun: Callable[[Any], Any],
    start: ArrayLike,
    *,
    maximize: bool = False,
    autograd: bool = False,
    method: str = "riemannian-lbfgs",
    retraction: str = "cayley",
    max_iter: int = 10_000,
    tol: float = 1e-8,
    check_gradient: bool = True,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int = 100,
    threads: int | None = None,
    progress: Progress = False,
    callback: Callable[[State], bool] | None = None,
) -> Descrambling:
    """Minimize a function of a rotation, by L-BFGS on the group.

    Parameters
    ----------
    fun : callable
        Takes P, shape (n, n), in the dtype of the start; returns the value and the Euclidean gradient
        d value / dP, shape (n, n), of which only the part along the group counts. With
        ``autograd=True`` it takes a PyTorch tensor and returns a scalar one.
    start : array_like, shape (n, n)
        Orthogonal matrix; its determinant stays, so that both parts of O(n) can be searched.
    maximize : bool
    autograd : bool
        Whether `fun` is a PyTorch function; needs the extra `torch`.
    method : {"riemannian-lbfgs", "cayley-lbfgs"}
        A new chart at every step, or the reference's: one Cayley chart about the start.
    retraction : {"cayley", "exponential", "polar"}
        For riemannian-lbfgs only.
    max_iter : int
    tol : float
        Stop where the gradient norm, relative to the value, is below.
    check_gradient : bool
        Compare the gradient with finite differences first, at five evaluations.
    checkpoint, checkpoint_every, threads, progress, callback
        As in :func:`descrambler.descramble`.

    Returns
    -------
    Descrambling
        Its rotation is orthogonal, with the determinant of the start.

    Raises
    ------
    GradientError
        If the gradient disagrees with finite differences.
    TypeError, ValueError
        If an argument is of the wrong kind, shape or value, or `fun` returns what it should not.

    Warns
    -----
    ConvergenceWarning
        If it ended before it reached the tolerance.

    Examples
    --------
    >>> import numpy as np, descrambler as ds
    >>> w = np.arange(9.0).reshape(3, 3) ** 2
    >>> best = ds.group.minimize(lambda p: (-np.sum(p * w.T), -w.T), np.eye(3))
    >>> bool(np.isclose(-best.objective, ds.diagonalize(w, "sum").objective))
    True
    """
    here = orthogonal("start", start)
    choice("method", method, tuple(METHODS))
    settings = Settings(
        method=method,
        max_iter=max_iter,
        tol=tol,
        retraction=retraction,
        progress=progress,
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
        callback=callback,
    )
    function = user_function(fun, autograd, "fun")
    with computing(len(here), threads):
        if check_gradient and len(here) > 1:
            compare_with_differences(function, len(here), "fun")
        scale = abs(function(here)[0]) or 1.0

    def make() -> tuple[core.Criterion, float]:
        return core.UserCriterion(function, len(here), scale, here.dtype), 1.0

    began = time.perf_counter()
    search = best_of_starts if checkpoint is None else in_segments
    with computing(len(here), threads):
        outcome, _ = search(lbfgs, Objective(make, maximize), [here], settings)
    warn_unless_converged(outcome, settings)
    unknown = np.zeros(len(here), bool)
    result = Descrambling(
        rotation=Rotation(outcome.rotation, len(here)),
        criterion=Custom(fun, "rotation", maximize, autograd, check=False, name="fun"),
        bound=np.inf if maximize else -np.inf,
        rounding=0.0,
        method=method,
        gauge="none",
        status=outcome.status,
        message=outcome.message,
        resolved=unknown,
        sign_resolved=unknown,
        n_iter=outcome.n_iter,
        n_eval=outcome.n_eval,
        history=outcome.history,
        seconds=time.perf_counter() - began,
    )
    return with_figures(
        result,
        {
            "objective": outcome.objective,
            "initial_objective": float(outcome.history[0]),
            "gradient_norm": outcome.gradient_norm,
        },
    )
