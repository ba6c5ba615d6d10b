"""Eigenpairs of a Gram matrix: all by LAPACK, or the leading ones by block Lanczos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import scipy.linalg

from .._geometry.link_basis import LinkBasis
from .._signals.factor import with_factor
from .._signals.gram import Gram, rounding_level
from .._signals.leading_modes import Leading
from .._signals.sources import Source
from .._util import lapack
from .._util.validate import Array
from ..criteria import Smoothness
from ..criteria._forms import QuadraticForm
from . import gauge as gauges
from .lanczos import Search, leading_pairs, relative_error
from .lbfgs import monitoring
from .operators import Formed, Operator, Streamed
from .outcome import Status
from .problem import Problem
from .settings import Settings

# Leading modes are found by LAPACK's whole solution below this size, or where they are more than this
# share of all: there it is the faster one. Streaming beats forming the Gram matrix at another share.
LEAST_UNITS, LARGEST_SHARE, STREAMED_SHARE = 1024, 1 / 12, 1 / 16
# Below that size LAPACK finds some pairs sooner than all, up to this share of them.
LARGEST_SUBSET = 1 / 8
# The search stops where the sums of the leading eigenvalues, plain and weighted, are known to this part.
TOLERANCE = {np.float64: 1e-5, np.float32: 1e-4}
# Share of the bound by which rounding may move it before the signals are factored: what certifies.
CERTIFIED = 1e-9
# rank="auto" looks at this many modes first.
FIRST_RANK = 64


def is_streamed(source: Source, rank: int | str | None) -> bool:
    """Whether the leading modes are found without forming the Gram matrix."""
    if rank is None or not source.rereadable or source.n < LEAST_UNITS:
        return False
    return (FIRST_RANK if rank == "auto" else int(rank)) <= STREAMED_SHARE * source.n


@dataclass(frozen=True, eq=False)
class Found:
    """Eigenpairs, how they were found, and what the data say of them."""

    data: Gram | Streamed | Leading
    search: Search
    statistics: gauges.ModeStatistics
    method: str = "exact, block Lanczos"

    @property
    def whole(self) -> bool:
        """Whether the eigenproblem was solved as a whole."""
        return self.method == "exact"

    @property
    def last_resolved(self) -> int:
        """Number of modes up to the last resolved one, at least one."""
        return 1 + int(np.flatnonzero(self.statistics.resolved).max(initial=0))

    @property
    def message(self) -> str:
        """Uncertainty of the eigenpairs."""
        if self.whole:
            return "global optimum from one eigendecomposition"
        reached = f"sums of the leading eigenvalues known to {self.search.error:.1e}"
        if self.search.status is Status.CONVERGED:
            return reached
        by = "the callback" if self.search.status is Status.STOPPED else "the limit of passes"
        return f"stopped by {by}, {reached}"


def find_pairs(problem: Problem, settings: Settings) -> Found:
    """Find as many eigenpairs as are asked for, or as are resolved."""
    data, source, basis, rank = problem.second, problem.source, problem.basis, settings.rank
    if isinstance(data, Leading):
        return _given(data, source, rank, basis)
    number = FIRST_RANK if rank == "auto" else data.n if rank is None else int(rank)
    while True:
        whole = isinstance(data, Gram) and not _is_few(number, data.n)
        if isinstance(data, Gram) and whole:
            leading = all_pairs(data, settings.dtype, _wanted(rank, data.n))
            # Only smoothness uses the factor: other criteria are evaluated from the matrix.
            sharp = settings.dtype == np.float64 and isinstance(problem.criterion, Smoothness)
            readable = source is not None and source.rereadable
            if sharp and readable and _lacks_digits(leading, basis):
                data = with_factor(data, cast(Source, source))
                leading = all_pairs(data, settings.dtype)
            search = Search(leading, 1, 0.0, Status.CONVERGED)
        else:
            operator = Formed(data, settings.dtype) if isinstance(data, Gram) else data
            search = _some_pairs(operator, number, basis, settings)
        statistics = gauges.mode_statistics(search.leading, source)
        found = Found(data, search, statistics, *(["exact"] if whole else []))
        # A last quarter without a resolved mode shows that there are no more.
        enough = rank != "auto" or whole or found.last_resolved <= 0.75 * number
        most = data.n if isinstance(data, Gram) else int(STREAMED_SHARE * data.n)
        if enough or number == most or search.status is Status.STOPPED:
            return found
        number = min(2 * number, most)


def _given(
    leading: Leading, source: Source | None, rank: int | str | None, basis: LinkBasis
) -> Found:
    """Take leading modes as they are."""
    assert rank is not None
    known = len(leading.values)
    statistics = gauges.mode_statistics(leading, source)
    number = known if rank == "auto" else int(rank)
    if number > known:
        raise ValueError(f"rank must be at most {known}, the modes that are known, got {rank}")
    found = leading.first(number)
    error = relative_error(found.values, found.errors, basis.eigenvalues)
    search = Search(leading, 1, error, Status.CONVERGED)
    return Found(leading, search, statistics, "exact, on given leading modes")


def _is_few(number: int, n: int) -> bool:
    return n >= LEAST_UNITS and number <= LARGEST_SHARE * n


def _wanted(rank: int | str | None, n: int) -> int | None:
    """Return how many pairs tell enough of the first `rank`; None for all, where that is as fast."""
    if rank is None or isinstance(rank, str):
        return None
    # What lies beyond counts as if it all stood at the last pair, and must not stand beside the rank.
    number = 2 * rank + 16
    return number if number <= LARGEST_SUBSET * n else None


def all_pairs(gram: Gram, dtype: type[np.floating[Any]], number: int | None = None) -> Leading:
    """Return all eigenpairs of a Gram matrix, or the leading ones, by LAPACK."""
    if gram.factor is not None:
        return _singular_pairs(gram, gram.factor)
    b = gram.matrix.astype(dtype, copy=False)
    if number is None or not _is_semidefinite(gram.matrix):
        values, modes = lapack.falling_pairs(b)
    else:
        values, modes = lapack.leading_pairs(b, number)
    # What rounding in single precision may leave below zero is accepted.
    negative = max(1e-6, rounding_level(1, gram.n, dtype)) * abs(values[0])
    if values[-1] < -(negative + gram.uncertainty):
        raise ValueError(
            f"gram must be positive semidefinite, got eigenvalues from {values[-1]:.3g} to {values[0]:.3g}"
        )
    values = values.astype(np.float64)
    is_rounding = np.abs(values) <= rounding_level(values[0], gram.n) + gram.uncertainty
    uncertain = 0.0 if dtype == np.float64 else rounding_level(values[0], gram.n, dtype)
    uncertain = max(uncertain, gram.uncertainty)
    return Leading(
        values=np.where(is_rounding, np.maximum(values, 0), values),
        modes=modes,
        residuals=np.full(len(values), uncertain),
        errors=np.full(len(values), uncertain),
        trace=float(np.trace(gram.matrix)),
        mean=gram.mean,
        count=gram.count,
        centered=gram.centered,
    )


def _is_semidefinite(matrix: Array) -> bool:
    """Whether no eigenvalue is clearly negative, as the leading ones do not tell."""
    shifted = matrix.astype(np.float64)
    shifted.flat[:: len(shifted) + 1] += 1e-6 * float(matrix.diagonal().max())
    return not scipy.linalg.lapack.dpotrf(shifted.T, overwrite_a=True, clean=False)[1]


def _singular_pairs(gram: Gram, factor: Array) -> Leading:
    """Return all eigenpairs from the singular value decomposition of the factor."""
    _, singular, modes = lapack.svd(factor)
    values = np.zeros(gram.n)
    values[: len(singular)] = singular**2
    zero = np.zeros(gram.n)
    trace, mean = float(values.sum()), gram.mean
    modes = np.ascontiguousarray(modes)
    return Leading(values, modes, zero, zero, trace, mean, gram.count, gram.centered, True)


def _lacks_digits(leading: Leading, basis: LinkBasis) -> bool:
    """Whether the rounding of the eigenvalues decides over the optimum: that of many decades."""
    return is_blurred(float(leading.rounding.max()), leading, basis)


def is_blurred(uncertainty: float, leading: Leading, basis: LinkBasis) -> bool:
    """Whether eigenvalues that are as uncertain may move the bound by more than certifies."""
    moved = uncertainty * float(np.abs(basis.eigenvalues[: len(leading.values)]).sum())
    return moved > CERTIFIED * abs(leading.bound(basis))


def _some_pairs(operator: Operator, number: int, basis: LinkBasis, settings: Settings) -> Search:
    with monitoring(settings, 1.0, passes=True) as monitor:

        def stop(search: Search) -> bool:
            if settings.callback is None and not settings.progress:
                return False
            first = search.leading.first(number)
            slope = float(np.linalg.norm(basis.eigenvalues[: len(first.values)] * first.residuals))
            return monitor.stops(search.n_passes, first.bound(basis), 2 * slope)

        return leading_pairs(
            operator,
            number,
            basis.eigenvalues,
            tol=TOLERANCE[settings.dtype],
            seed=np.random.default_rng(settings.random_state or 0),
            dtype=settings.dtype,
            stop=stop,
        )


def rounding(
    basis: LinkBasis, trace: float, form: QuadraticForm, leading: Leading | None = None
) -> float:
    """Bound what rounding may change in an objective: ||A|| tr B bounds the terms that it sums.

    With a factor R the objective sums squares ``a_i ||y_i||^2``, and each y_i is known to the rounding
    d of ||R||: a square changes by ``2 ||y_i|| d + d^2``.
    """
    level = 4 * float(np.finfo(np.float64).eps)
    terms = basis.norm * trace
    if leading is not None and leading.factored:
        singular = np.sqrt(leading.values)
        change = singular[0] * (2 * singular + level * singular[0])
        terms = min(terms, float(np.abs(basis.eigenvalues) @ change))
    return level * (terms + abs(form.constant))
