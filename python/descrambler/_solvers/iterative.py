"""Criteria without an exact solution: local optima, from one start or many."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from .._geometry.charts import polar
from .._geometry.rotation import Rotation, has_negative_determinant
from .._util.validate import Array
from ..criteria import Criterion, Custom, WeightedSum
from ..criteria._base import Data
from .fixed_point import PolarSteps, applies
from .lbfgs import MESSAGES, Objective, Settings, run, warn_unless_converged
from .multistart import search
from .result import Descrambling
from .resume import segmented

GAUGES = ("canonical", "none")


def descramble_locally(
    data: Data, criterion: Criterion, settings: Settings, gauge: str, dtype: type[np.floating[Any]]
) -> Descrambling:
    """Optimize a criterion that is not quadratic, on signals as they are."""
    begin = time.perf_counter()
    if settings.method == "exact":
        raise ValueError(f"{criterion} has no exact solution: use method='auto'")
    if gauge not in GAUGES:
        raise ValueError(f"gauge must be one of {GAUGES} for {criterion}, got {gauge!r}")
    settings = settings.using(_method(settings.method, criterion))
    _check_gradients(criterion, data)
    work = np.dtype(dtype)
    unit = criterion.kernel(data, work)[1]
    objective = Objective(lambda: criterion.kernel(data, work)[0], criterion.maximize, unit)
    # Where the signs of rows are free, so is the determinant.
    reflections = settings.group == "O" and criterion.symmetry == "none"
    optimize = PolarSteps(criterion, data, work) if settings.method == "polar" else run
    outcome, starts = search(
        objective,
        data.n,
        dtype,
        settings,
        optimize=segmented(optimize, settings),
        reflections=reflections,
    )
    warn_unless_converged(outcome, settings)
    rotation = polar(outcome.rotation.astype(np.float64, copy=False))
    if gauge == "canonical":
        rotation = _in_order(rotation, data, criterion.symmetry)
    nothing = np.zeros(data.n, bool)
    return Descrambling(
        rotation=Rotation(np.ascontiguousarray(rotation, dtype), data.n),
        criterion=criterion,
        bound=np.inf if criterion.maximize else -np.inf,
        rounding=0.0,
        method=settings.method,
        gauge=gauge,
        status=outcome.status,
        message=MESSAGES[outcome.status],
        resolved=nothing,
        sign_resolved=nothing,
        n_iter=outcome.n_iter,
        n_eval=outcome.n_eval,
        history=outcome.history + criterion.constant(data),
        seconds=time.perf_counter() - begin,
        gram=data.gram,
        signals=data.signals,
        starts=starts,
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
