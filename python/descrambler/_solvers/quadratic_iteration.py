"""Iterative methods on quadratic criteria, in the basis of the link modes, beside the exact solution."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from .. import _core as core
from .._signals.gram import Gram
from .._signals.sources import Source
from .._util.validate import Array
from ..criteria import Criterion
from ..criteria._base import QuadraticForm
from ..criteria._quadratic import spectral_kernel
from . import gauge as gauges
from .exact import all_pairs, in_gauge, is_blurred, link_basis, rounding
from .lbfgs import MESSAGES, Objective, Settings, run, warn_unless_converged
from .multistart import search
from .result import Descrambling
from .resume import segmented


def iterate_quadratic(
    g: Gram,
    source: Source | None,
    criterion: Criterion,
    form: QuadraticForm,
    settings: Settings,
    gauge: str,
    reference: Descrambling | None,
    dtype: type[np.floating[Any]],
) -> Descrambling:
    """Iterate in the basis of the link modes, where A is diagonal."""
    began = time.perf_counter()
    basis = link_basis(criterion, form, g.n)
    exact = all_pairs(g, np.float64)
    unit = float(np.trace(g.matrix)) / g.n or 1.0
    a, b = basis.eigenvalues.astype(dtype), np.ascontiguousarray(g.matrix / unit, dtype)
    objective = Objective(lambda: spectral_kernel(a, b), False, unit)
    outcome, starts = search(
        objective, g.n, dtype, settings, optimize=segmented(run, settings), chart=basis.to_modes
    )
    warn_unless_converged(outcome, settings)
    modes: Array = core.polar(outcome.rotation.astype(np.float64, copy=False))
    modes = gauges.sorted_within_blocks(modes, basis, g)
    statistics = _judged_at(gauges.mode_statistics(exact, source), exact.modes, modes)
    rotation = in_gauge(modes, g.n, statistics.sign, basis, gauge, reference)
    return Descrambling(
        rotation=rotation.astype(dtype),
        criterion=criterion,
        bound=form.own_value(exact.bound(basis)),
        rounding=rounding(basis, exact.trace, form),
        method=settings.method,
        gauge=gauge,
        status=outcome.status,
        message=MESSAGES[outcome.status],
        resolved=statistics.resolved,
        sign_resolved=statistics.sign_resolved,
        n_iter=outcome.n_iter,
        n_eval=outcome.n_eval,
        history=np.array([form.own_value(value) for value in outcome.history]),
        seconds=time.perf_counter() - began,
        gram=g,
        eigenvalues=np.maximum(exact.values, 0),
        starts=starts,
        proven=not is_blurred(g.uncertainty, exact, basis),
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
