"""Descramble signals: one call for every kind of signals, criterion and method."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from .._geometry.rotation import Rotation
from .._signals.gram import Gram, check_range
from .._signals.leading_modes import Leading
from .._signals.sources import Signals, Source, as_source
from .._signals.sums import gram
from .._util.parallel import Executor
from .._util.progress import Progress
from .._util.threads import computing
from .._util.validate import Array, flag, working_dtype
from ..criteria import Criterion, Custom, Smoothness, WeightedSum, named
from ..criteria._forms import Data, QuadraticForm
from .eigenpairs import is_streamed
from .exact import solve_exactly
from .iterate import iterate, iterate_quadratic
from .operators import Streamed
from .problem import Problem
from .result import Descrambling
from .settings import METHODS, Settings, State

__all__ = ["descramble"]

# Takes problem and settings, and returns the result.
Algorithm = Callable[[Problem, Settings], Descrambling]


def descramble(
    signals: Signals | Gram | Leading,
    criterion: str | Criterion = "smoothness",
    *,
    method: str = "auto",
    gauge: str = "canonical",
    reference: Descrambling | None = None,
    rank: int | str | None = None,
    guess: ArrayLike | Rotation | None = None,
    center: bool = False,
    dtype: DTypeLike | None = None,
    max_iter: int = 10_000,
    tol: float = 1e-8,
    retraction: str = "cayley",
    random_state: int | np.random.Generator | None = None,
    n_starts: int = 1,
    threads: int | None = None,
    executor: Executor | None = None,
    group: str = "SO",
    progress: Progress = False,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int = 100,
    callback: Callable[[State], bool] | None = None,
) -> Descrambling:
    """Find the rotation that makes signals readable.

    Parameters
    ----------
    signals : array_like, shape (m, n), what is read in blocks of rows, Gram or Leading
        One signal per row: whatever :func:`descrambler.gram` reads. If the signals can be read again, a
        second pass measures the sampling error of the modes and the third moments that settle signs.
        From an iterator only the Gram matrix is kept, and the sampling error is that of Gaussian
        signals. So it is with a :class:`Gram`, which is enough for criteria that need no single signal;
        wrap a bare matrix, ``Gram(matrix)``: without mean and number all signs are undetermined, and
        modes are judged by rounding alone. Leading eigenpairs, such as
        ``interop.torch.capture(rank=...)`` returns, need a `rank`.
    criterion : str or Criterion
        What readable means: a criterion of :mod:`descrambler.criteria`, or the short name of one.
        Those that need the signals at every step read an iterator or a file into memory.
    method : {"auto", "exact", "polar", "riemannian-lbfgs", "cayley-lbfgs"}
        "auto" is the exact solution of quadratic criteria and their sums, "polar" (fixed-point steps
        to polar factors) for kurtosis and orthomax, and "riemannian-lbfgs" (preconditioned) for the
        others: ``docs/criteria.md``. "cayley-lbfgs" is the reference's algorithm (L-BFGS with
        five pairs on one Cayley generator), "riemannian-lbfgs" starts a new chart at every step.
    gauge : {"canonical", "identity", "align", "none"}
        Which of the optimal rotations: see ``docs/gauge.md``. For criteria without an exact solution
        "canonical" sorts rows by power and makes mean responses positive where these are free.
    reference : Descrambling, optional
        What to align to, for ``gauge="align"``: another result on the same units.
    rank : int or "auto", optional
        Descramble the leading modes only; "auto" takes all up to the last resolved one. The other modes
        are rotated as little as possible. For n >= 1024 and rank <= n / 16 the modes are found by block
        Lanczos. If the signals can be read again, the Gram matrix is then never formed: memory is
        O(n rank), in about twelve passes, and the rotation is the identity plus low rank. See
        ``docs/scaling.md``.
    guess : array_like or Rotation, optional
        Where an iterative method starts: a rotation P, shape (n, n), or a generator Q of
        ``P = (1 + Q)^-1 (1 - Q)``, skew-symmetric or packed as by ``group.pack_generator``.
    center : bool
        Subtract the mean signal, which still settles the signs.
    dtype : {"float32", "float64"}, optional
        Precision of the solve and of the rotation. By default the exact method solves in float64, and
        the rotation of float32 signals is float32. float32 halves time and memory; check `gap` and
        `orthogonality_error`. Results in float32 are never certified.
    max_iter, tol, retraction
        For iterative methods: the maximum number of iterations; stop when the gradient norm is below
        ``tol * abs(objective)``; "cayley", "exponential" or "polar" (riemannian-lbfgs only).
    random_state : int, Generator or None
        Seed of the random rotation at which iterative methods start (None: start at the identity), and
        of the first block of block Lanczos (None: seed 0).
    n_starts : int
        Number of random starts. The result is the best of them; `starts` reports them all.
    threads : int or None
        Threads that run the starts, or the loops of one search. None: one thread per processor for the
        starts, but one for all where they call functions of yours; one less for the loops. The result
        does not depend on it: ``docs/threads.md``.
    executor : Executor, optional
        Runs the starts instead of threads: anything with the interface of `concurrent.futures`, such as
        ``client.get_executor()`` of a Dask client. Signals and criterion are sent to its workers.
    group : {"SO", "O"}
        Search rotations only, or reflections too. The best value is the same for exact solutions and
        for criteria that do not depend on the signs of rows; the result is then a rotation.
    progress : bool or callable
        True shows a bar of the iterations, of the passes of block Lanczos, or of the starts if there
        are several. A function is called with a step, which has `done`, `total` and `label`.
    checkpoint : path, optional
        File that an iterative method writes, whole or not at all, every `checkpoint_every` iterations.
        If it exists, the iteration goes on from there. The memory of L-BFGS is cleared at each save, so
        that a resumed run gives exactly the result of one without a stop. For one start.
    checkpoint_every : int
    callback : callable, optional
        Called after every iteration or pass with a :class:`State`; the solve stops when it returns True.

    Returns
    -------
    Descrambling
        With a rank, its objective, bound and gap are over the leading modes.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, shape or value, or the signals are not finite.

    Warns
    -----
    ConvergenceWarning
        If an iterative method ended before it reached the tolerance; after Ctrl-C the result is the
        best found so far, its status INTERRUPTED.
    """
    center = flag("center", center)
    settings = Settings(
        method=method,
        gauge=gauge,
        aim=None if reference is None else reference.rotation,
        rank=rank,
        guess=guess,
        dtype=working_dtype(dtype or np.float64),
        max_iter=max_iter,
        tol=tol,
        retraction=retraction,
        random_state=random_state,
        n_starts=n_starts,
        threads=_for_starts(threads, criterion, callback),
        executor=executor,
        group=group,
        progress=progress,
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
        callback=callback,
    )
    problem = _problem(signals, named(criterion), center, settings, dtype)
    with computing(problem.n, threads):
        return _algorithm(problem, settings)(problem, settings)


def _for_starts(
    threads: int | None, criterion: str | Criterion, callback: Callable[[State], bool] | None
) -> int | None:
    """Threads that run the starts: functions of the user's are called by several if the user says so."""
    yours = callback is not None or (isinstance(criterion, Criterion) and _is_yours(criterion))
    return 1 if threads is None and yours else threads


def _is_yours(criterion: Criterion) -> bool:
    terms = criterion.terms if isinstance(criterion, WeightedSum) else ((1.0, criterion),)
    return any(isinstance(term, Custom) for _, term in terms)


def _problem(
    signals: Signals | Gram | Leading,
    criterion: Criterion,
    center: bool,
    settings: Settings,
    dtype: DTypeLike | None,
) -> Problem:
    """Return what is known of the signals, read as far as the criterion needs."""
    if isinstance(signals, Gram | Leading):
        return _posed(_centered(signals, center), None, criterion, settings, settings.dtype)
    # Non-finite entries are found by the Gram matrix.
    source = as_source("signals", signals)
    if criterion.needs_signals:
        source = as_source("signals", _prepared(source.whole(), center))
    _check_rank(criterion, source.n, settings)
    second = _moments(source, center, settings)
    narrow = dtype is None and source.dtype == np.float32
    again = source if source.rereadable else None
    return _posed(second, again, criterion, settings, np.float32 if narrow else settings.dtype)


def _posed(
    second: Gram | Streamed | Leading,
    source: Source | None,
    criterion: Criterion,
    settings: Settings,
    dtype: type[np.floating[Any]],
) -> Problem:
    """Return the problem, checked against the settings."""
    _check_rank(criterion, second.n, settings)
    _check_units(second, settings)
    # The value of smoothness is the trace itself.
    form: QuadraticForm | None = QuadraticForm()
    if isinstance(second, Gram):
        check_range(second, settings.dtype)
        form = criterion.form(Data(second))
    return Problem(criterion, second, source, form, dtype)


def _centered(second: Gram | Leading, center: bool) -> Gram | Leading:
    if not center or second.centered:
        return second
    if isinstance(second, Leading):
        raise ValueError("center is for signals or a Gram matrix, not for leading modes of theirs")
    return second.center()


def _moments(source: Source, center: bool, settings: Settings) -> Gram | Streamed:
    if is_streamed(source, settings.rank):
        return Streamed(source, center, settings.dtype)
    return gram(source, center=center, dtype=settings.dtype)


def _check_rank(criterion: Criterion, n: int, settings: Settings) -> None:
    rank = settings.rank
    if rank is None:
        return
    if rank != "auto" and (isinstance(rank, str) or not 1 <= rank <= n):
        raise ValueError(f"rank must be between 1 and {n} or 'auto', got {rank!r}")
    if settings.method in METHODS:
        raise ValueError(f"rank needs the exact method, got method={settings.method!r}")
    if not isinstance(criterion, Smoothness):
        raise ValueError(f"rank needs smoothness, got {criterion}")


def _check_units(second: Gram | Streamed | Leading, settings: Settings) -> None:
    if settings.aim is not None and settings.aim.n != second.n:
        raise ValueError(f"reference has {settings.aim.n} units, the signals have {second.n}")
    if isinstance(second, Leading) and settings.rank is None:
        raise ValueError(f"rank is needed: only {len(second.values)} leading modes are known")


def _algorithm(problem: Problem, settings: Settings) -> Algorithm:
    """Return what solves the problem by the method asked for."""
    if problem.form is None:
        return iterate
    if settings.method == "polar":
        raise ValueError(f"method='polar' maximizes kurtosis and orthomax, not {problem.criterion}")
    if settings.method in METHODS:
        return iterate_quadratic
    for name, what in (("checkpoint", "takes no steps"), ("guess", "needs no start")):
        if getattr(settings, name) is not None:
            raise ValueError(f"{name} needs an iterative method: the exact one {what}")
    return solve_exactly


def _prepared(rows: Array, center: bool) -> Array:
    if not center:
        return rows
    # About the first row: where the signals do not vary, nothing is left.
    apart = np.subtract(rows, rows[0], dtype=np.float64)
    deviations: Array = (apart - apart.mean(axis=0)).astype(rows.dtype)
    return deviations
