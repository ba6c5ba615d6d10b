"""The rational replica of DEERNet: filters, and a regularized time-to-distance transform."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy  # its submodules load at first use: scipy.signal and scipy.stats are slow to import
from numpy.typing import ArrayLike, NDArray

from .._util.tables import brief
from .._util.threads import computes
from .._util.validate import matrix
from ._physics import kernel
from ._simulate import simulate

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

HIGH_PASS = (0.001, 0.008)
"""Stop and pass edge of the high-pass filter, in parts of the Nyquist frequency (the paper's)."""
LOW_PASS = (0.01, 0.3)
"""Pass and stop edge of the low-pass filter."""

_HIGH_PASS_ORDER, _LOW_PASS_ORDER = 256, 32
_DICTIONARY = 5000
_PENALTIES = np.logspace(-12, 2, 281)  # relative to the largest squared singular value


@brief
@dataclass(frozen=True, eq=False)
class Penalties:
    """The L-curve: one entry for each candidate penalty.

    Attributes
    ----------
    penalty : ndarray
        Relative to the largest squared singular value of F.
    residual, size : ndarray
        Norms of ``T F - P`` and of T: the L-curve.
    gcv : ndarray
        Generalized cross-validation score, smallest is best.
    curvature : ndarray
        Curvature of the L-curve in logarithms; it peaks at each corner.
    """

    penalty: Vector
    residual: Vector
    size: Vector
    gcv: Vector
    curvature: Vector


@brief
@dataclass(frozen=True, eq=False)
class Replica:
    """Filters and a transform that stand for the two layers of a DEERNet. Call it on traces.

    Attributes
    ----------
    high_pass, low_pass : ndarray or None
        Taps of the filters, symmetric.
    transform : ndarray, shape (n_points, n_points)
        T, from filtered traces to distributions.
    penalty : float
        Relative to the largest squared singular value of F.
    penalties : Penalties
    """

    high_pass: Vector | None
    low_pass: Vector | None
    transform: Matrix
    penalty: float
    penalties: Penalties

    @property
    def n_in(self) -> int:
        """Points of a trace."""
        return int(self.transform.shape[1])

    @property
    def n_out(self) -> int:
        """Points of a distribution."""
        return int(self.transform.shape[0])

    @computes
    def __call__(self, traces: ArrayLike) -> Matrix:
        """Return distributions, not normalized, for traces of shape (m, n_points)."""
        x = matrix("traces", traces)
        if x.shape[1] != self.n_in:
            raise ValueError(f"traces must have {self.n_in} points, got shape {x.shape}")
        return _filtered(x.astype(np.float64), self.high_pass, self.low_pass) @ self.transform.T


@computes
def replica(
    regularization: str | float = "l-curve",
    *,
    high_pass: tuple[float, float] | None = HIGH_PASS,
    low_pass: tuple[float, float] | None = LOW_PASS,
    n_points: int = 256,
    random_state: int = 0,
) -> Replica:
    """Build the rational replica of a two-layer DEERNet.

    A finite impulse response high-pass of order 256, a low-pass of order 32, and
    ``T = [(F F^T + lambda 1)^-1 F P^T]^T``: P has 5000 simulated distance distributions in columns,
    F their form factors, without background and noise, through the same filters. So the transform knows the
    physics, and the filters alone have to deal with background and noise.

    Parameters
    ----------
    regularization : {"l-curve", "gcv"} or float
        How lambda is chosen: the corner of the L-curve, generalized cross-validation, or its value
        relative to the largest squared singular value of F. Of several corners (peaks of the curvature
        at least half as high as the highest) the one with the largest lambda is taken: what a smaller
        one adds is noise. Cross-validation, too, sees nothing but the noise-free form factors.
    high_pass, low_pass : pair of float or None
        Edges in parts of the Nyquist frequency, ascending; None for no such filter.
    n_points : int
        Points of a trace.
    random_state : int
        Seed of the distributions.

    Returns
    -------
    Replica

    Raises
    ------
    ValueError
        If edges or regularization are out of range.

    Notes
    -----
    Amey, Keeley, Choudhury and Kuprov, PNAS 118(5), 2021, Eq. 13 and Figs 5 and 6. The filters are
    least-squares designs, applied without delay: a trace goes on before its start as its mirror image (a
    form factor is even in time) and after its end as its last value. At the paper's order, the edges of
    the high-pass are closer together than a filter of 257 taps can follow: it lets
    0.06 of a constant pass, and has a gain of 0.80 at its pass edge.
    """
    filters = (
        None if high_pass is None else _taps("high_pass", high_pass, _HIGH_PASS_ORDER, (0, 1)),
        None if low_pass is None else _taps("low_pass", low_pass, _LOW_PASS_ORDER, (1, 0)),
    )
    data = simulate(_DICTIONARY, random_state, n_points)
    p = data.distributions
    f = _filtered(p @ kernel(data.time, data.distance).T, *filters)
    u, s, vt = scipy.linalg.svd(f.T, full_matrices=False)
    coefficients = p.T @ vt.T
    penalties = _penalties(s, coefficients, float(np.sum(p**2)), len(p))
    match regularization:
        case "l-curve":
            penalty = float(penalties.penalty[_corner(penalties.curvature)])
        case "gcv":
            penalty = float(penalties.penalty[np.argmin(penalties.gcv)])
        case float() | int() if 0 < regularization < np.inf:
            penalty = float(regularization)
        case _:
            raise ValueError(
                f"regularization must be 'l-curve', 'gcv' or a positive number, got {regularization!r}"
            )
    transform = (coefficients * (s / (s**2 + penalty * s[0] ** 2))) @ u.T
    return Replica(*filters, transform, penalty, penalties)


def _corner(curvature: Vector) -> int:
    peaks = scipy.signal.find_peaks(curvature, height=curvature.max() / 2)[0]
    return int(peaks[-1])


def _taps(name: str, edges: tuple[float, float], order: int, gains: tuple[int, int]) -> Vector:
    low, high = edges
    if not 0 < low < high < 1:
        raise ValueError(f"{name} must be two ascending edges between 0 and 1, got {edges}")
    taps: Vector = scipy.signal.firls(order + 1, [0, low, high, 1], np.repeat(gains, 2))
    return taps


def _filtered(x: Matrix, *filters: Vector | None) -> Matrix:
    for taps in filters:
        if taps is not None:
            # A filter is linear: what it does to each point tells all, faster than filtering every trace.
            x = x @ _filter_points(taps, x.shape[1])
    return x


def _filter_points(taps: Vector, n: int) -> Matrix:
    """Return what a filter makes of a trace of n points that is 1 at one of them, in rows."""
    points = np.eye(n)
    end = np.repeat(points[:, -1:], n - 1, axis=1)
    extended = np.concatenate([points[:, :0:-1], points, end], axis=1)
    whole: Matrix = scipy.signal.oaconvolve(extended, taps[None], mode="same", axes=1)
    return whole[:, n - 1 : 2 * n - 1]


def _penalties(s: Vector, coefficients: Matrix, energy: float, count: int) -> Penalties:
    """Judge all penalties from one singular value decomposition."""
    power = np.sum(coefficients**2, axis=0)
    kept = s**2 / (s**2 + _PENALTIES[:, None] * s[0] ** 2)
    residual = np.sqrt(np.maximum(energy - power.sum(), 0) + (1 - kept) ** 2 @ power)
    size = np.sqrt((kept / s) ** 2 @ power)
    gcv = residual**2 / (count - kept.sum(axis=1)) ** 2
    x, y = np.log(residual), np.log(size)
    dx, dy = np.gradient(x), np.gradient(y)
    ddx, ddy = np.gradient(dx), np.gradient(dy)
    curvature = (dx * ddy - dy * ddx) / (dx**2 + dy**2) ** 1.5
    return Penalties(_PENALTIES, residual, size, gcv, curvature)
