"""Descramble signals: the exact solution where there is one, iterative methods beside it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from . import gauge as gauges
from ._native import core
from ._validate import Array, choice, working_dtype
from .criteria import Smoothness, spectral_kernel
from .exact import all_pairs, in_gauge, is_streamed, rounding, solve
from .gram import Gram, as_gram, gram
from .group import random_rotation
from .iterate import METHODS, Settings, State, run
from .krylov import Streamed
from .result import Descrambling
from .sources import Signals, Source, as_source

__all__ = ["descramble", "descramble_gram"]


def descramble(
    signals: Signals,
    criterion: str | Smoothness = "smoothness",
    *,
    method: str = "auto",
    gauge: str = "canonical",
    reference: Descrambling | None = None,
    rank: int | str | None = None,
    centre: bool = False,
    dtype: DTypeLike | None = None,
    max_iter: int = 10_000,
    tolerance: float = 1e-8,
    retraction: str = "cayley",
    random_state: int | np.random.Generator | None = None,
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
    criterion : "smoothness" or Smoothness
        What readable means. The string stands for ``Smoothness()``, the paper's.
    method : {"auto", "exact", "cayley-lbfgs", "riemannian-lbfgs"}
        "auto" is the exact solution. "cayley-lbfgs" is the reference's algorithm (L-BFGS with five
        pairs on one Cayley generator), "riemannian-lbfgs" starts a new chart at every step.
    gauge : {"canonical", "identity", "align", "none"}
        Which of the optimal rotations: see ``docs/gauge.md``.
    reference : Descrambling, optional
        What to align to, for ``gauge="align"``: another result on the same units.
    rank : int or "auto", optional
        Descramble the leading modes only, "auto" up to the last that is resolved; the rest is rotated
        as little as possible. Of many units (1024 and more) a small part (a sixteenth) is found by
        block Lanczos, from signals that can be read again without forming the Gram matrix, in memory
        O(n rank) and about twelve passes; the rotation is then the identity plus low rank. See
        ``docs/scaling.md``.
    centre : bool
        Subtract the mean signal, which still settles the signs.
    dtype : {"float32", "float64"}, optional
        In which to solve, and of the rotation. By default the exact method solves in float64, and the
        rotation of float32 signals is float32. float32 halves time and memory; what it costs is in
        `gap` and `orthogonality_error`, and nothing is certified.
    max_iter, tolerance, retraction
        Of the iterative methods: most iterations; the gradient norm, relative to the objective, at
        which to stop; "cayley", "exponential" or "polar" (riemannian-lbfgs).
    random_state : int, Generator or None
        Start of the iterative methods: a Haar-random rotation, or the identity where it is None. Of
        block Lanczos: the first block, that of seed 0 where it is None.
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
    """
    # Non-finite entries are found by the Gram matrix.
    source = as_source("signals", signals)
    work = working_dtype(dtype or np.float64)
    settings = Settings(method, max_iter, tolerance, retraction, random_state, callback, work)
    if dtype is None and source.dtype == np.float32:
        work = np.float32
    data: Gram | Streamed
    if is_streamed(source, _checked_rank(rank, source.n, method)):
        data = Streamed(source, centre, settings.dtype)
    else:
        data = gram(source, centre=centre, dtype=settings.dtype)
    again = source if source.rereadable else None
    return _descramble(data, again, criterion, settings, gauge, reference, rank, work)


def descramble_gram(
    gram: Gram | ArrayLike,
    criterion: str | Smoothness = "smoothness",
    *,
    method: str = "auto",
    gauge: str = "canonical",
    reference: Descrambling | None = None,
    rank: int | str | None = None,
    dtype: DTypeLike | None = None,
    max_iter: int = 10_000,
    tolerance: float = 1e-8,
    retraction: str = "cayley",
    random_state: int | np.random.Generator | None = None,
    callback: Callable[[State], bool] | None = None,
) -> Descrambling:
    """Descramble signals known by their Gram matrix alone.

    Parameters
    ----------
    gram : Gram or array_like, shape (n, n)
        From a bare matrix all signs are undetermined, and modes are judged by rounding alone.
    criterion, method, gauge, reference, rank, dtype, max_iter, tolerance, retraction, random_state, callback
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
    settings = Settings(method, max_iter, tolerance, retraction, random_state, callback, work)
    return _descramble(as_gram(gram), None, criterion, settings, gauge, reference, rank, work)


def _descramble(
    data: Gram | Streamed,
    source: Source | None,
    criterion: str | Smoothness,
    settings: Settings,
    gauge: str,
    reference: Descrambling | None,
    rank: int | str | None,
    dtype: type[np.floating[Any]],
) -> Descrambling:
    criterion = _as_smoothness(criterion)
    choice("method", settings.method, ("auto", "exact", *METHODS))
    _check_gauge(gauge, reference, data.n)
    _checked_rank(rank, data.n, settings.method)
    if settings.method not in METHODS:
        return solve(data, source, criterion, settings, gauge, reference, rank, dtype)
    assert isinstance(data, Gram)
    return _iterated(data, source, criterion, settings, gauge, reference, dtype)


def _checked_rank(rank: int | str | None, n: int, method: str) -> int | str | None:
    if rank is None or rank == "auto":
        pass
    elif isinstance(rank, str) or not 1 <= rank <= n:
        raise ValueError(f"rank must be between 1 and {n} or 'auto', got {rank!r}")
    if rank is not None and method in METHODS:
        raise ValueError(f"rank needs the exact method, got method={method!r}")
    return rank


def _as_smoothness(criterion: str | Smoothness) -> Smoothness:
    if isinstance(criterion, Smoothness):
        return criterion
    if isinstance(criterion, str):
        choice("criterion", criterion, ("smoothness",))
        return Smoothness()
    raise TypeError(f"criterion must be 'smoothness' or a Smoothness, got {criterion!r}")


def _check_gauge(gauge: str, reference: Descrambling | None, n: int) -> None:
    choice("gauge", gauge, gauges.GAUGES)
    if (gauge == "align") != (reference is not None):
        raise ValueError("reference is needed for gauge='align', and only there")
    if reference is not None and reference.rotation.n != n:
        raise ValueError(f"reference has {reference.rotation.n} units, the signals have {n}")


def _iterated(
    g: Gram,
    source: Source | None,
    criterion: Smoothness,
    settings: Settings,
    gauge: str,
    reference: Descrambling | None,
    dtype: type[np.floating[Any]],
) -> Descrambling:
    """Iterate in the basis of the link modes, where A is diagonal."""
    began = time.perf_counter()
    basis = criterion.basis(g.n)
    exact = all_pairs(g, np.float64)
    start: Array = np.eye(g.n)
    if settings.random_state is not None:
        start = random_rotation(g.n, settings.random_state)
    start = basis.to_modes(start)
    unit = float(np.trace(g.matrix)) / g.n or 1.0
    b = np.ascontiguousarray(start @ (g.matrix / unit) @ start.T, dtype)
    p, outcome = run(spectral_kernel(basis.eigenvalues.astype(dtype), b), settings, unit)
    modes: Array = core.polar(p.astype(np.float64, copy=False)) @ start
    modes = gauges.sorted_within_blocks(modes, basis, g)
    statistics = _judged_at(gauges.mode_statistics(exact, source), exact.modes, modes)
    rotation = in_gauge(modes, g.n, statistics.sign, basis, gauge, reference)
    return Descrambling(
        rotation=rotation.astype(dtype),
        criterion=criterion,
        bound=exact.bound(basis),
        rounding=rounding(basis, exact.trace),
        method=settings.method,
        gauge=gauge,
        resolved=statistics.resolved,
        sign_resolved=statistics.sign_resolved,
        seconds=time.perf_counter() - began,
        gram=g,
        eigenvalues=np.maximum(exact.values, 0),
        **outcome,
    )


def _judged_at(
    statistics: gauges.ModeStatistics, principal: Array, modes: Array
) -> gauges.ModeStatistics:
    """Call a mode resolved only where the iteration has arrived at it."""
    arrived = np.einsum("ij,ij->i", principal, modes) ** 2 >= 1 - gauges.MIXING_LIMIT
    resolved = statistics.resolved & arrived
    overlap = np.sign(np.einsum("ij,ij->i", principal, modes))
    return gauges.ModeStatistics(
        resolved, statistics.sign_resolved & resolved, statistics.sign * overlap
    )
