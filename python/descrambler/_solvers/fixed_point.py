"""Fixed-point steps to polar factors, for sums of fourth powers: orthomax and kurtosis.

A convex function f of P is maximized by ``P <- polar(grad f(P))``, which never lowers it: f lies above its
tangent, and the polar factor maximizes the tangent. Sums of fourth powers are convex in P. Of the kurtosis,
the part that Gaussian signals would have is taken from the gradient, as FastICA does (Hyvarinen 1999): its
fixed points are the same, and near them the steps converge cubically for independent components.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.linalg

from .. import _core as core
from .._geometry.rotation import has_negative_determinant
from .._util.validate import Array
from ..criteria import Criterion, Kurtosis, Orthomax
from ..criteria._forms import Assembly, Data
from .lbfgs import Cancel, Monitor, lbfgs, monitoring
from .outcome import Outcome, Status
from .problem import Objective
from .settings import Settings


def applies(criterion: Criterion) -> bool:
    """Whether a criterion is one of those that these steps maximize."""
    return isinstance(criterion, (Kurtosis, Orthomax))


@dataclass(frozen=True, eq=False)
class _Point:
    value: float
    gradient: Array
    target: Array

    def gradient_norm(self, p: Array) -> float:
        """Frobenius norm of the Riemannian gradient."""
        product = self.gradient @ p.T
        return float(np.linalg.norm(product - product.T)) / 2


def _proper(p: Array) -> Array:
    """Return the rotation among P and its mirror images that differ in the sign of a row, which is free."""
    if not has_negative_determinant(p):
        return p
    mirrored = p.copy()
    mirrored[-1] *= -1
    return mirrored


class FourthPowers(Objective):
    """Orthomax or kurtosis of one set of signals: the whole, and the sum of fourth powers in it."""

    def __init__(self, criterion: Criterion, data: Data, dtype: np.dtype[np.floating]) -> None:
        assert isinstance(criterion, (Kurtosis, Orthomax))
        self.criterion, self.data, self.dtype, self.maximize = criterion, data, dtype, True
        self.kernel, self.unit = criterion.kernel(data, dtype)
        # All is in the signals' own unit: fourth powers in theirs would soon leave the range of numbers.
        self.b = data.gram.matrix / data.unit**2
        self.scale = data.unit**4 if isinstance(criterion, Orthomax) else 1.0
        assembly = Assembly(data, dtype)
        assembly.add_term(criterion, 1.0, core.quartic())
        self._quartic, self._quartic_unit = assembly.kernel()

    def __reduce__(self) -> tuple[Any, ...]:
        return FourthPowers, (self.criterion, self.data, self.dtype)

    def at(self, p: Array) -> _Point:
        """Value, gradient, and the matrix whose polar factor comes next."""
        _, scaled = self._quartic.value_and_gradient(p)
        quartic = self._quartic_unit * scaled.astype(np.float64, copy=False)
        p = p.astype(np.float64, copy=False)
        product = p @ self.b
        power = np.einsum("ij,ij->i", product, p)
        fourth = np.einsum("ij,ij->i", quartic, p) / 4
        if isinstance(self.criterion, Orthomax):
            share = self.criterion.gamma / self.data.count
            value = float(fourth.sum() - share * power @ power)
            gradient = quartic - (4 * share * power)[:, None] * product
            return _Point(value, gradient, gradient)
        m, none = self.data.count, power <= np.finfo(self.dtype).eps * power.sum()
        inverse = np.divide(1, power, out=np.zeros_like(power), where=~none)
        kurtosis = m * fourth * inverse**2
        fixed = (m * inverse**2)[:, None] * quartic
        radial = (4 * inverse)[:, None] * product
        gradient, target = fixed - kurtosis[:, None] * radial, fixed - 3 * radial
        return _Point(float(kurtosis.sum()), gradient, target)


def polar_steps(
    objective: Objective, start: Array, settings: Settings, cancel: Cancel | None = None
) -> Outcome:
    """Step while the value rises; what then remains is left to Riemannian L-BFGS."""
    assert isinstance(objective, FourthPowers)
    p, here = start, objective.at(start)
    history = [here.value]
    status, norm = None, float("nan")
    with monitoring(settings, objective.scale) as monitor:
        try:
            while status is None:
                norm = here.gradient_norm(p)
                status = _status(here, norm, history, settings, monitor, cancel)
                if status is not None:
                    break
                u, _, vt = scipy.linalg.svd(here.target, check_finite=False)
                ahead = np.ascontiguousarray(u @ vt, objective.dtype)
                there = objective.at(ahead)
                if there.value - here.value <= np.finfo(objective.dtype).eps * abs(here.value):
                    break
                p, here = ahead, there
                history.append(here.value)
        except KeyboardInterrupt:
            status = Status.INTERRUPTED
    done, values = len(history) - 1, objective.scale * np.array(history)
    p = _proper(p) if settings.group == "SO" else p
    found = status or Status.INTERRUPTED
    reached = Outcome(p, found, done, len(history), values, objective.scale * norm)
    if status is not None:
        return reached
    rest = settings.but(method="riemannian-lbfgs", max_iter=max(1, settings.max_iter - done))
    try:
        end = lbfgs(objective, p, rest, cancel)
    except KeyboardInterrupt:  # it has not begun
        return reached
    whole = np.concatenate([values, end.history[1:]])
    return replace(end, n_iter=done + end.n_iter, n_eval=done + 2 + end.n_eval, history=whole)


def _status(
    here: _Point,
    norm: float,
    history: list[float],
    settings: Settings,
    monitor: Monitor,
    cancel: Cancel | None,
) -> Status | None:
    """Say why to stop, if there is a reason."""
    if cancel is not None and cancel.asked:
        return Status.INTERRUPTED
    if monitor.stops(len(history) - 1, here.value, norm):
        return Status.STOPPED
    if norm <= settings.tol * abs(here.value):
        return Status.CONVERGED
    return Status.MAX_ITERATIONS if len(history) > settings.max_iter else None
