"""The exact solution of quadratic criteria: eigenvectors of the Gram matrix onto modes of the link axis."""

from __future__ import annotations

import time

import numpy as np

from .._signals.gram import Gram
from .._util.validate import Array
from ..criteria import Smoothness
from . import gauge as gauges
from .eigenpairs import find_pairs, is_blurred, rounding
from .problem import Problem
from .result import Descrambling
from .settings import Settings


def solve_exactly(problem: Problem, settings: Settings) -> Descrambling:
    """Descramble for a quadratic criterion, in the precision of the settings."""
    start = time.perf_counter()
    form, basis, n, rank = problem.form, problem.basis, problem.n, settings.rank
    assert form is not None
    found = find_pairs(problem, settings)
    data, search, statistics = found.data, found.search, found.statistics
    leading = search.leading
    values = leading.values
    wanted = n if rank is None else found.last_resolved if rank == "auto" else int(rank)
    kept = min(int(np.count_nonzero(values > leading.rounding)), wanted)
    rotation = gauges.in_gauge(leading.modes, kept, statistics.sign, basis, settings)
    first = None if rank is None else leading.first(kept)
    trace = leading.trace if first is None else float(first.values.sum())
    by_squares = isinstance(problem.criterion, Smoothness)
    uncertainty = data.uncertainty if isinstance(data, Gram) else 0.0
    return Descrambling(
        rotation=rotation.astype(problem.dtype),
        criterion=problem.criterion,
        bound=form.own_value(leading.bound(basis) if first is None else first.bound(basis)),
        rounding=rounding(basis, trace, form, leading if by_squares else None),
        method=found.method,
        gauge=settings.gauge,
        status=search.status,
        message=found.message,
        resolved=_over_all(statistics.resolved, kept, n),
        sign_resolved=_over_all(statistics.sign_resolved, kept, n),
        n_iter=0 if found.whole else search.n_passes,
        n_eval=search.n_passes,
        history=np.empty(0),
        seconds=time.perf_counter() - start,
        gram=data if isinstance(data, Gram) else None,
        eigenvalues=np.maximum(values if first is None else first.values, 0),
        leading=first,
        proven=settings.dtype == np.float64 and not is_blurred(uncertainty, leading, basis),
    )


def _over_all(mask: Array, kept: int, n: int) -> Array:
    """Masks over the n modes: only those that were placed can be resolved."""
    whole = np.zeros(n, bool)
    whole[:kept] = mask[:kept]
    return whole
