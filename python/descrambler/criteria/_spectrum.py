"""Deviation of the signals' power spectrum, or of their autocorrelation, from a target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import _core as core
from .._geometry.link_basis import circulant_basis
from .._util.tables import brief
from .._util.validate import Array, frozen, real_array
from ._base import Criterion
from ._forms import Assembly


class _SpectralTarget(Criterion):
    """Deviation from a two-sided power spectrum of sum one, over the modes of the periodic link axis."""

    def fractions(self, n: int) -> Array:
        """Share of the power that each mode 1, cos 1, sin 1, cos 2, ... should have."""
        raise NotImplementedError

    def assemble(self, assembly: Assembly, weight: float) -> None:
        """Add the deviation of powers, relative to the whole power."""
        data, dtype = assembly.data, assembly.dtype
        n = data.n
        total = float(np.trace(assembly.b)) or 1.0
        modes = circulant_basis(n, np.arange(n // 2 + 1.0)).to_modes(np.eye(n))
        arguments = modes, self.fractions(n), assembly.b / total
        modes, target, b = (np.ascontiguousarray(a, dtype) for a in arguments)
        assembly.add_part(weight, core.SpectrumDeviation(modes, target, b))


def _pairs(spectrum: Array, n: int) -> Array:
    """Two-sided spectrum over the frequencies 0..n//2, for the modes 1, cos 1, sin 1, ..."""
    return spectrum[(np.arange(n) + 1) // 2]


def _target(name: str, value: ArrayLike) -> Array:
    return frozen(real_array(name, value, 1).astype(np.float64, copy=False))


def _expect_length(name: str, value: Any, n: int) -> None:
    if len(value) != n // 2 + 1:
        raise ValueError(f"{name} must have n // 2 + 1 = {n // 2 + 1} entries, got {len(value)}")


@brief
@dataclass(frozen=True, eq=False)
class TargetSpectrum(_SpectralTarget):
    """Deviation from an expected power spectrum along the link axis, minimized.

    ``sum_f (p_f - t_f)^2`` over the n frequencies f, negative ones too, of the periodic link axis, where
    p_f is the share of the signals' whole power at f. Needs the Gram matrix alone; quartic in P.

    Parameters
    ----------
    target : array_like, shape (n // 2 + 1,)
        Power expected at the frequencies 0, 1, ..., n // 2 (cosine and sine together), >= 0; only its
        shape counts.

    Raises
    ------
    ValueError
        If the target is negative, all zero, or of another length.
    """

    target: ArrayLike

    def __post_init__(self) -> None:
        target = _target("target", self.target)
        if target.size == 0 or target.min() < 0 or target.max() == 0:
            raise ValueError("target must be a power spectrum: not negative, not all zero")
        object.__setattr__(self, "target", target)

    def __str__(self) -> str:
        return "deviation from a target spectrum"

    def fractions(self, n: int) -> Array:
        """Half of the power at a frequency belongs to its cosine, half to its sine."""
        target = np.asarray(self.target)
        _expect_length("target", target, n)
        share = target / target.max()
        spread = np.bincount((np.arange(n) + 1) // 2)
        return _pairs(share / spread / share.sum(), n)


@brief
@dataclass(frozen=True, eq=False)
class TargetAutocorrelation(_SpectralTarget):
    """Deviation from an expected autocorrelation along the link axis, minimized.

    ``sum_l (r_l - t_l)^2 / n`` over all n lags of the ring, where r_l is the signals' autocorrelation
    at lag l, 1 at lag 0. By the theorems of Wiener and Khinchin and of Parseval this is the deviation
    of the power spectrum from the target's Fourier transform (:class:`TargetSpectrum`).

    Parameters
    ----------
    target : array_like, shape (n // 2 + 1,)
        Autocorrelation expected at the lags 0, 1, ..., n // 2; the value at lag 0 must be 1.

    Raises
    ------
    ValueError
        If the target does not start with 1, or has another length.
    """

    target: ArrayLike

    def __post_init__(self) -> None:
        target = _target("target", self.target)
        if target.size == 0 or abs(target[0] - 1) > 1e-6:
            raise ValueError("target must start with 1, the autocorrelation at lag 0")
        object.__setattr__(self, "target", target)

    def __str__(self) -> str:
        return "deviation from a target autocorrelation"

    def fractions(self, n: int) -> Array:
        """Fourier transform of the target."""
        target = np.asarray(self.target)
        _expect_length("target", target, n)
        ring = target[np.minimum(np.arange(n), n - np.arange(n))]
        return _pairs(np.fft.rfft(ring).real / n, n)
