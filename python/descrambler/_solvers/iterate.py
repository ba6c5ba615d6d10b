"""Iterative methods on signals: local optima, from one start or many, and quadratic criteria beside the exact."""

from __future__ import annotations

import time
from functools import partial

import numpy as np

from .. import _core as core
from .._geometry.rotation import Rotation, has_negative_determinant
from .._signals.gram import Gram
from .._util.validate import Array
from ..criteria import Criterion, Custom, WeightedSum
from ..criteria._forms import Data
from ..criteria._quadratic import spectral_kernel
from . import gauge as gauges
from .eigenpairs import all_pairs, is_blurred, rounding
from .fixed_point import FourthPowers, applies, polar_steps
from .lbfgs import lbfgs
from .outcome import warn_unless_converged
from .problem import Objective, Problem
from .result import Descrambling
from .resume import in_segments
from .settings import Settings
from .starts import best_of_starts, reported, starting_points

FREE_GAUGES = ("canonical", "none")


def iterate(problem: Problem, settings: Settings) -> Descrambling:
    """Optimize a criterion that is not quadratic, on signals as they are."""
    begin = time.perf_counter()
    criterion, data, dtype = problem.criterion, problem.data, np.dtype(problem.dtype)
    _check(criterion, settings)
    settings = settings.but(method=_method(settings.method, criterion))
    _check_gradients(criterion, data)
    objective: Objective
    if settings.method == "polar":
        objective, optimize = FourthPowers(criterion, data, dtype), polar_steps
    else:
        objective = Objective(partial(criterion.kernel, data, dtype), criterion.maximize)
        optimize = lbfgs
    # Where the signs of rows are free, so is the determinant.
    reflections = settings.group == "O" and criterion.symmetry == "none"
    seeds, starts = starting_points(problem.n, settings, reflections=reflections)
    starts = [np.ascontiguousarray(start, dtype) for start in starts]
    search = best_of_starts if settings.checkpoint is None else in_segments
    outcome, outcomes = search(optimize, objective, starts, settings)
    warn_unless_converged(outcome, settings)
    rotation: Array = core.polar(outcome.rotation.astype(np.float64, copy=False))
    if settings.gauge == "canonical":
        rotation = _in_order(rotation, data, criterion.symmetry)
    nothing = np.zeros(data.n, bool)
    return Descrambling(
        rotation=Rotation(np.ascontiguousarray(rotation, dtype), data.n),
        criterion=criterion,
        bound=np.inf if criterion.maximize else -np.inf,
        rounding=0.0,
        method=settings.method,
        gauge=settings.gauge,
        status=outcome.status,
        message=outcome.message,
        resolved=nothing,
        sign_resolved=nothing,
        n_iter=outcome.n_iter,
        n_eval=outcome.n_eval,
        history=outcome.history + criterion.constant(data),
        seconds=time.perf_counter() - begin,
        gram=data.gram,
        signals=data.signals,
        starts=reported(seeds, outcomes, outcome),
    )


def iterate_quadratic(problem: Problem, settings: Settings) -> Descrambling:
    """Iterate on a quadratic criterion, in the basis of the link modes, where A is diagonal."""
    began = time.perf_counter()
    gram, form, basis, dtype = problem.second, problem.form, problem.basis, problem.dtype
    assert isinstance(gram, Gram) and form is not None
    exact = all_pairs(gram, np.float64)
    unit = float(np.trace(gram.matrix)) / gram.n or 1.0
    a, b = basis.eigenvalues.astype(dtype), np.ascontiguousarray(gram.matrix / unit, dtype)
    objective = Objective(partial(_spectral, a, b, unit))
    seeds, starts = starting_points(gram.n, settings)
    starts = [np.ascontiguousarray(basis.to_modes(start), dtype) for start in starts]
    search = best_of_starts if settings.checkpoint is None else in_segments
    outcome, outcomes = search(lbfgs, objective, starts, settings)
    warn_unless_converged(outcome, settings)
    modes: Array = core.polar(outcome.rotation.astype(np.float64, copy=False))
    modes = gauges.sorted_within_blocks(modes, basis, gram)
    statistics = _judged_at(gauges.mode_statistics(exact, problem.source), exact.modes, modes)
    rotation = gauges.in_gauge(modes, gram.n, statistics.sign, basis, settings)
    return Descrambling(
        rotation=rotation.astype(dtype),
        criterion=problem.criterion,
        bound=form.own_value(exact.bound(basis)),
        rounding=rounding(basis, exact.trace, form),
        method=settings.method,
        gauge=settings.gauge,
        status=outcome.status,
        message=outcome.message,
        resolved=statistics.resolved,
        sign_resolved=statistics.sign_resolved,
        n_iter=outcome.n_iter,
        n_eval=outcome.n_eval,
        history=np.array([form.own_value(value) for value in outcome.history]),
        seconds=time.perf_counter() - began,
        gram=gram,
        eigenvalues=np.maximum(exact.values, 0),
        starts=reported(seeds, outcomes, outcome),
        proven=not is_blurred(gram.uncertainty, exact, basis),
    )


def _spectral(a: Array, b: Array, unit: float) -> tuple[core.Criterion, float]:
    return spectral_kernel(a, b), unit


def _check(criterion: Criterion, settings: Settings) -> None:
    if settings.method == "exact":
        raise ValueError(f"{criterion} has no exact solution: use method='auto'")
    if settings.gauge not in FREE_GAUGES:
        raise ValueError(
            f"gauge must be one of {FREE_GAUGES} for {criterion}, got {settings.gauge!r}"
        )


def _method(asked: str, criterion: Criterion) -> str:
    if asked == "polar" and not applies(criterion):
        raise ValueError(f"method='polar' maximizes kurtosis and orthomax, not {criterion}")
    if asked == "auto":
        return "polar" if applies(criterion) else "riemannian-lbfgs"
    return asked


def _check_gradients(criterion: Criterion, data: Data) -> None:
    terms = criterion.terms if isinstance(criterion, WeightedSum) else ((1.0, criterion),)
    for _, term in terms:
        if isinstance(term, Custom):
            term.check_once(data)


def _in_order(rotation: Array, data: Data, symmetry: str) -> Array:
    """Rows by falling power where their order is free; mean responses positive where signs are.

    The last row's sign keeps the determinant.
    """
    if symmetry == "none":
        return rotation
    negative = has_negative_determinant(rotation)
    if symmetry == "permutations":
        power = np.einsum("ij,ij->i", rotation @ data.gram.matrix, rotation)
        rotation = rotation[np.argsort(-power, kind="stable")]
    if data.gram.mean is not None:
        rotation = rotation * np.where(rotation @ data.gram.mean < 0, -1.0, 1.0)[:, None]
    if has_negative_determinant(rotation) != negative:
        rotation[-1] *= -1
    return rotation


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
