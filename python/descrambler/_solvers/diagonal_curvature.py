"""The curvature of the concave function of ``diagonal_optima``: a damped Hessian, factored, and what solves with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import get_lapack_funcs

from .._util.validate import Array

LEAST_DAMPING, LEAST_DAMPING_FLOAT32 = 1e-12, 1e-7
# Slope below which a point is near the optimum.
NEAR = 0.02


@dataclass(frozen=True, eq=False)
class Curvature:
    """Upper Cholesky factor of the damped -H, H the Hessian of F in e in units of d_j d_k."""

    factor: Array

    def change(self, slope: Array, d: Array) -> Array:
        """Return the relative change of e = d^2 by which the slope vanishes, if this is the curvature at d, too."""
        relative = d / d.max()
        right = (relative * slope).astype(self.factor.dtype)
        solve: Any = get_lapack_funcs("potrs", (self.factor,))
        change: Array = solve(self.factor, right)[0] / relative
        return change


def curvature(
    s: Array, d: Array, coordinates: Array, slope: float, damping: float, single: bool
) -> Curvature | None:
    """Return the curvature where W diag(d) = U S V^T and ``coordinates = U^T W``; None if it is not definite.

    With c = U^T w, ``H = -sum_ab c_ja c_jb c_ka c_kb / (s_a s_b (s_a + s_b))``, and
    ``1 / (x + y) = integral of exp(-t (x + y)) dt`` makes a few squared products of it, by the trapezoidal
    rule in log t. The diagonal of -H is at most 1/2, which as damping gives about the majorize-maximize step.
    `single` is whether single precision will do for this range of singular values.
    """
    # Right to three per cent; near the optimum, where the factor serves for more than a step, to 0.3 per cent.
    far = 1.7 if single else 1.5
    step, first = (1.2, 20.0) if slope < NEAR else (far, 12.0)
    unit = np.sqrt(d.max())  # single precision holds no very large or small weights
    scaled, least = coordinates / unit * np.sqrt(d / s[:, None]), s[-1]
    if single:
        scaled, damping = scaled.astype(np.float32), max(damping, LEAST_DAMPING_FLOAT32)
        least = max(least, s[-1 - len(s) // 50] / 2)  # pairs of smaller ones add next to nothing
    hessian = np.zeros((len(d), len(d)), scaled.dtype)
    times = np.exp(np.arange(-np.log(first * s[0]), np.log(2.5 / least) + step, step))
    lengths = step * times
    lengths[0] /= 1 - np.exp(-step)  # and all that come before, where the integrand hardly varies
    weights = (unit * lengths**0.25)[:, None] * np.exp(-0.5 * np.outer(times, s))
    for weight in weights.astype(scaled.dtype):
        root = scaled * weight[:, None]
        product = root.T @ root
        hessian += np.square(product, out=product)
    hessian.flat[:: len(hessian) + 1] += damping
    factorize: Any = get_lapack_funcs("potrf", (hessian,))
    # The transpose of a symmetric matrix is in LAPACK's order: nothing is copied.
    factor, failed = factorize(hessian.T, overwrite_a=True, clean=False)
    return None if failed else Curvature(factor)
