"""Descramble signals: the exact solution where there is one, iterative methods beside it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from .._signals.gram import Gram, as_gram, check_range
from .._signals.leading_modes import Leading
from .._signals.sources import Signals, Source, as_source
from .._signals.sums import gram
from .._util.validate import Array, choice, working_dtype
from ..criteria import Criterion, Smoothness, named
from ..criteria._base import Data, QuadraticForm
from . import gauge as gauges
from .exact import is_streamed, solve
from .iterative import descramble_locally
from .lanczos import Streamed
from .lbfgs import METHODS, Settings, State
from .quadratic_iteration import iterate_quadratic
from .result import Descrambling

__all__ = ["descramble", "descramble_gram"]


def descramble(
    signals: Signals,
    criterion: str | Criterion = "smoothness",
    *,
    method: str = "auto",
    gauge: str = "canonical",
    reference: Descrambling | None = None,
    rank: int | str | None = None,
    center: bool = False,
    dtype: DTypeLike | None = None,
    max_iter: int = 10_000,
    tol: float = 1e-8,
    retraction: str = "cayley",
    random_state: int | np.random.Generator | None = None,
    n_starts: int = 1,
    threads: int | None = 1,
    group: str = "SO",
    progress: bool = False,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int = 100,
    callback: Callable[[State], bool] | None = None,
) -> Descrambling:
    """Find the rotation that makes signals readable.

    Parameters
    ----------
    signals : array_like, shape (m, n), or what is read in blocks of rows
        One signal in a row: whatever :func:`descrambler.gram` reads. Where they can be read again, the
        sampling error of the modes and the third moments that settle signs are measured in a second
        pass; from an iterator only the Gram matrix is kept, and the sampling error is that of Gaussian
        signals.
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
        Descramble the leading modes only, "auto" up to the last that is resolved; the rest is rotated
        as little as possible. Of many units (1024 and more) a small part (a sixteenth) is found by
        block Lanczos, from signals that can be read again without forming the Gram matrix, in memory
        O(n rank) and about twelve passes; the rotation is then the identity plus low rank. See
        ``docs/scaling.md``.
    center : bool
        Subtract the mean signal, which still settles the signs.
    dtype : {"float32", "float64"}, optional
        In which to solve, and of the rotation. By default the exact method solves in float64, and the
        rotation of float32 signals is float32. float32 halves time and memory; what it costs is in
        `gap` and `orthogonality_error`, and nothing is certified.
    max_iter, tol, retraction
        Of the iterative methods: most iterations; the gradient norm, relative to the objective, at
        which to stop; "cayley", "exponential" or "polar" (riemannian-lbfgs).
    random_state : int, Generator or None
        Start of the iterative methods: a Haar-random rotation, or the identity where it is None. Of
        block Lanczos: the first block, that of seed 0 where it is None.
    n_starts : int
        Number of random starts, of which the best counts; every start is reported in ``starts``.
    threads : int or None
        Threads that share the starts, of which the result does not depend; None: one a processor.
    group : {"SO", "O"}
        Rotations, or reflections too. For exact solutions and for criteria that leave the signs of
        rows free the best value is the same, and the result a rotation.
    progress : bool
        Show a bar: of the iterations, or of the passes of block Lanczos.
    checkpoint : path, optional
        File that an iterative method writes, whole or not at all, every `checkpoint_every` iterations,
        where it begins anew without memory. If it exists the iteration goes on from there, to the very
        result that it had come to without a stop. For one start.
    checkpoint_every : int
    callback : callable, optional
        Called once an iteration, or pass, with a :class:`State`; stops when it returns True.

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
    criterion = named(criterion)
    # Non-finite entries are found by the Gram matrix.
    source = as_source("signals", signals)
    if criterion.needs_signals:
        source = as_source("signals", _prepared(source.whole(), center))
    work = working_dtype(dtype or np.float64)
    settings = Settings(
        method,
        max_iter,
        tol,
        retraction,
        random_state,
        callback,
        n_starts=n_starts,
        threads=threads,
        group=group,
        progress=progress,
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
        dtype=work,
    )
    if dtype is None and source.dtype == np.float32:
        work = np.float32
    data: Gram | Streamed
    _check_rank(rank, source.n, method)
    if is_streamed(source, rank):
        data = Streamed(source, center, settings.dtype)
    else:
        data = gram(source, center=center, dtype=settings.dtype)
    again = source if source.rereadable else None
    return _descramble(data, again, criterion, settings, gauge, reference, rank, work)


def descramble_gram(
    gram: Gram | Leading | ArrayLike,
    criterion: str | Criterion = "smoothness",
    *,
    method: str = "auto",
    gauge: str = "canonical",
    reference: Descrambling | None = None,
    rank: int | str | None = None,
    dtype: DTypeLike | None = None,
    max_iter: int = 10_000,
    tol: float = 1e-8,
    retraction: str = "cayley",
    random_state: int | np.random.Generator | None = None,
    n_starts: int = 1,
    threads: int | None = 1,
    group: str = "SO",
    progress: bool = False,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int = 100,
    callback: Callable[[State], bool] | None = None,
) -> Descrambling:
    """Descramble signals known by their Gram matrix alone.

    Parameters
    ----------
    gram : Gram, Leading or array_like, shape (n, n)
        From a bare matrix all signs are undetermined, and modes are judged by rounding alone. Of leading
        modes a rank must say how many to place.
    criterion, method, gauge, reference, rank, dtype, max_iter, tol, retraction, random_state, n_starts, threads, group, progress, checkpoint, checkpoint_every, callback
        As in :func:`descramble`.

    Returns
    -------
    Descrambling

    Raises
    ------
    TypeError, ValueError
        As :func:`descramble`.
    """
    work = working_dtype(dtype or np.float64)
    settings = Settings(
        method,
        max_iter,
        tol,
        retraction,
        random_state,
        callback,
        n_starts=n_starts,
        threads=threads,
        group=group,
        progress=progress,
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
        dtype=work,
    )
    data = gram if isinstance(gram, Leading) else as_gram(gram)
    return _descramble(data, None, named(criterion), settings, gauge, reference, rank, work)


def _descramble(
    data: Gram | Streamed | Leading,
    source: Source | None,
    criterion: Criterion,
    settings: Settings,
    gauge: str,
    reference: Descrambling | None,
    rank: int | str | None,
    dtype: type[np.floating[Any]],
) -> Descrambling:
    choice("method", settings.method, ("auto", "exact", "polar", *METHODS))
    _check_gauge(gauge, reference, data.n)
    _check_rank(rank, data.n, settings.method)
    if rank is not None and not isinstance(criterion, Smoothness):
        raise ValueError(f"rank needs smoothness, got {criterion}")
    if isinstance(data, Leading) and rank is None:
        raise ValueError(f"rank is needed: only {len(data.values)} leading modes are known")
    if isinstance(data, Gram):
        check_range(data, settings.dtype)
        form = criterion.form(Data(data))
    else:
        form = QuadraticForm()  # the value of smoothness is the trace itself
    if form is not None and settings.method == "polar":
        raise ValueError(f"method='polar' maximizes kurtosis and orthomax, not {criterion}")
    if form is not None and settings.method not in METHODS:
        if settings.checkpoint is not None:
            raise ValueError("checkpoint needs an iterative method: the exact one takes no steps")
        return solve(data, source, criterion, form, settings, gauge, reference, rank, dtype)
    assert isinstance(data, Gram)
    if form is None:
        signals = source.whole() if criterion.needs_signals and source else None
        return descramble_locally(Data(data, signals), criterion, settings, gauge, dtype)
    return iterate_quadratic(data, source, criterion, form, settings, gauge, reference, dtype)


def _check_rank(rank: int | str | None, n: int, method: str) -> None:
    if rank is None:
        return
    if rank != "auto" and (isinstance(rank, str) or not 1 <= rank <= n):
        raise ValueError(f"rank must be between 1 and {n} or 'auto', got {rank!r}")
    if method in METHODS:
        raise ValueError(f"rank needs the exact method, got method={method!r}")


def _prepared(rows: Array, center: bool) -> Array:
    if not center:
        return rows
    # About the first row: where the signals do not vary, nothing is left.
    apart = np.subtract(rows, rows[0], dtype=np.float64)
    deviations: Array = (apart - apart.mean(axis=0)).astype(rows.dtype)
    return deviations


def _check_gauge(gauge: str, reference: Descrambling | None, n: int) -> None:
    choice("gauge", gauge, gauges.GAUGES)
    if (gauge == "align") != (reference is not None):
        raise ValueError("reference is needed for gauge='align', and only there")
    if reference is not None and reference.rotation.n != n:
        raise ValueError(f"reference has {reference.rotation.n} units, the signals have {n}")
