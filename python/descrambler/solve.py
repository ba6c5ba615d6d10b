"""Descramble signals: the exact solution where there is one, iterative methods beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike

from . import gauge as gauges
from ._array_api import as_numpy
from ._native import core
from ._validate import Array, choice, matrix
from .basis import LinkBasis
from .criteria import Smoothness, spectral_kernel
from .gram import Gram, as_gram, gram
from .group import random_rotation
from .iterate import METHODS, Settings, State, run
from .result import Descrambling, Status
from .rotation import Rotation, nearest_completion

__all__ = ["descramble", "descramble_gram"]


@dataclass(frozen=True, eq=False)
class _Solution:
    """A rotation before its gauge is fixed: modes M = V^T P in rows, and how it was found."""

    modes: Array
    method: str
    status: Status = Status.CONVERGED
    message: str = "global optimum from one eigendecomposition"
    n_iter: int = 0
    n_eval: int = 1
    history: Array = field(default_factory=lambda: np.empty(0))


def descramble(
    signals: ArrayLike | Iterator[ArrayLike],
    criterion: str | Smoothness = "smoothness",
    *,
    method: str = "auto",
    gauge: str = "canonical",
    reference: Descrambling | None = None,
    rank: int | None = None,
    max_iter: int = 10_000,
    tolerance: float = 1e-8,
    retraction: str = "cayley",
    random_state: int | np.random.Generator | None = None,
    callback: Callable[[State], bool] | None = None,
) -> Descrambling:
    """Find the rotation that makes signals readable.

    Parameters
    ----------
    signals : array_like, shape (m, n), or iterator of such arrays
        One signal in a row. From an array, the sampling error of the modes and the third moments that
        settle signs are measured in a second pass; from an iterator only the Gram matrix is kept, and
        the sampling error is that of Gaussian signals.
    criterion : "smoothness" or Smoothness
        What readable means. The string stands for ``Smoothness()``, the paper's.
    method : {"auto", "exact", "cayley-lbfgs", "riemannian-lbfgs"}
        "auto" is the exact solution. "cayley-lbfgs" is the reference's algorithm (L-BFGS with five
        pairs on one Cayley generator), "riemannian-lbfgs" starts a new chart at every step.
    gauge : {"canonical", "identity", "align", "none"}
        Which of the optimal rotations: see ``docs/gauge.md``.
    reference : Descrambling, optional
        What to align to, for ``gauge="align"``: another result on the same units.
    rank : int, optional
        Descramble the leading modes only; the rest is rotated as little as possible.
    max_iter, tolerance, retraction
        Of the iterative methods: most iterations; the gradient norm, relative to the objective, at
        which to stop; "cayley", "exponential" or "polar" (riemannian-lbfgs).
    random_state : int, Generator or None
        Start of the iterative methods: a Haar-random rotation, or the identity where it is None.
    callback : callable, optional
        Called once an iteration with a :class:`State`; stops the iteration when it returns True.

    Returns
    -------
    Descrambling
        In float32 for float32 signals, solved in float64 by the exact method.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, shape or value, or the signals are not finite.
    """
    # Non-finite entries are found by the Gram matrix.
    whole = None
    if isinstance(signals, Iterator):
        first = list(islice(signals, 1))
        dtype = as_numpy(first[0]).dtype if first else np.dtype(np.float64)
        g = gram(chain(first, signals))
    else:
        whole = matrix("signals", signals, finite=False)
        dtype = whole.dtype
        g = gram(whole)
    settings = Settings(method, max_iter, tolerance, retraction, random_state, callback)
    single = dtype == np.float32
    dtype = np.dtype(np.float32 if single else np.float64)
    return _descramble(g, whole, criterion, settings, gauge, reference, rank, dtype)


def descramble_gram(
    gram: Gram | ArrayLike,
    criterion: str | Smoothness = "smoothness",
    *,
    method: str = "auto",
    gauge: str = "canonical",
    reference: Descrambling | None = None,
    rank: int | None = None,
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
    criterion, method, gauge, reference, rank, max_iter, tolerance, retraction, random_state, callback
        As in :func:`descramble`.

    Returns
    -------
    Descrambling
        In float64.

    Raises
    ------
    TypeError, ValueError
        As :func:`descramble`.
    """
    settings = Settings(method, max_iter, tolerance, retraction, random_state, callback)
    dtype = np.dtype(np.float64)
    return _descramble(as_gram(gram), None, criterion, settings, gauge, reference, rank, dtype)


def _descramble(
    g: Gram,
    signals: Array | None,
    criterion: str | Smoothness,
    settings: Settings,
    gauge: str,
    reference: Descrambling | None,
    rank: int | None,
    dtype: np.dtype[np.floating],
) -> Descrambling:
    start = time.perf_counter()
    criterion = _as_smoothness(criterion)
    choice("method", settings.method, ("auto", "exact", *METHODS))
    _check_gauge(gauge, reference, g.n)
    if rank is not None and not 1 <= rank <= g.n:
        raise ValueError(f"rank must be between 1 and {g.n}, got {rank}")
    if rank is not None and settings.method in METHODS:
        raise ValueError(f"rank needs the exact method, got method={settings.method!r}")
    basis = criterion.basis(g.n)
    values, principal = _principal_modes(g.matrix)
    eigenvalues = np.maximum(values, 0)
    is_rounding = np.abs(values) <= gauges.rounding_level(eigenvalues)
    statistics = gauges.mode_statistics(eigenvalues, principal, g, signals)
    if settings.method in METHODS:
        solution = _iterate(g, basis, settings, dtype)
        modes = gauges.sorted_within_blocks(solution.modes, basis, g)
        statistics = _judged_at(statistics, principal, modes)
        kept = g.n
    else:
        modes, kept = principal, _kept_rank(eigenvalues, rank)
        solution = _Solution(modes, "exact")
        placed = np.arange(g.n) < kept
        statistics = gauges.ModeStatistics(
            np.logical_and(statistics.resolved, placed),
            np.logical_and(statistics.sign_resolved, placed),
            statistics.sign,
        )
    rotation = _in_gauge(modes, kept, statistics.sign, basis, gauge, reference)
    rotation = np.ascontiguousarray(rotation, dtype=dtype)
    # ||A|| tr B bounds the terms that an evaluation sums.
    scale = float(basis.eigenvalues[-1] * np.trace(g.matrix))
    return Descrambling(
        rotation=Rotation(rotation, kept),
        criterion=criterion,
        bound=float(basis.eigenvalues @ np.where(is_rounding, eigenvalues, values)),
        rounding=4 * float(np.finfo(np.float64).eps) * scale,
        method=solution.method,
        gauge=gauge,
        status=solution.status,
        message=solution.message,
        resolved=statistics.resolved,
        sign_resolved=statistics.sign_resolved,
        n_iter=solution.n_iter,
        n_eval=solution.n_eval,
        history=solution.history,
        seconds=time.perf_counter() - start,
        gram=g,
        eigenvalues=eigenvalues,
    )


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


def _principal_modes(b: Array) -> tuple[Array, Array]:
    """Eigenvalues of the Gram matrix, descending, and its eigenvectors in rows."""
    values, vectors = scipy.linalg.eigh(b, driver="evd", check_finite=False)
    # What rounding in single precision may leave below zero is accepted.
    if values[0] < -1e-6 * abs(values[-1]):
        raise ValueError(
            f"gram must be positive semidefinite, got eigenvalues from {values[0]:.3g} to {values[-1]:.3g}"
        )
    return values[::-1], vectors.T[::-1].copy()


def _kept_rank(eigenvalues: Array, rank: int | None) -> int:
    resolved = int(np.count_nonzero(eigenvalues > gauges.rounding_level(eigenvalues)))
    return resolved if rank is None else min(rank, resolved)


def _in_gauge(
    modes: Array,
    kept: int,
    sign: Array,
    basis: LinkBasis,
    gauge: str,
    reference: Descrambling | None,
) -> Array:
    """P from its modes; those beyond `kept` carry no signal and turn as little as possible."""
    if gauge != "none":
        modes = np.multiply(modes, sign[:, None], out=modes)
    if kept < basis.n:
        target = basis.from_modes(np.eye(basis.n, kept))
        rotation = nearest_completion(modes[:kept].T, target)
    else:
        rotation = basis.from_modes(modes)
        gauges.reflect_last_mode_if_needed(rotation, modes, basis)
    if gauge in ("canonical", "none"):
        return rotation
    other = np.eye(basis.n) if reference is None else reference.rotation.matrix
    other = basis.to_modes(other.astype(np.float64, copy=False))
    return basis.from_modes(gauges.aligned(basis.to_modes(rotation), other, basis))


def _iterate(
    g: Gram, basis: LinkBasis, settings: Settings, dtype: np.dtype[np.floating]
) -> _Solution:
    """Iterate in the basis of the link modes, where A is diagonal."""
    start: Array = np.eye(g.n)
    if settings.random_state is not None:
        start = random_rotation(g.n, settings.random_state)
    start = basis.to_modes(start)
    unit = float(np.trace(g.matrix)) / g.n or 1.0
    b = np.ascontiguousarray(start @ (g.matrix / unit) @ start.T, dtype)
    p, solution = run(spectral_kernel(basis.eigenvalues.astype(dtype), b), settings, unit)
    modes = core.polar(p.astype(np.float64, copy=False)) @ start
    return _Solution(modes, settings.method, **solution)


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
