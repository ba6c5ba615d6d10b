"""Compare two descramblings modulo gauge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .._util.tables import brief
from .._util.threads import computes
from .._util.validate import Array, matrix, own_unit
from ..criteria import Smoothness
from .gauge import aligned
from .result import Descrambling

__all__ = ["Comparison", "compare"]


@brief
@dataclass(frozen=True, eq=False)
class Comparison:
    """Similarity of two descrambled matrices.

    Attributes
    ----------
    similarity : float
        Cosine of the angle between them as they are, in their own gauges; in [-1, 1].
    bound : float
        The largest similarity that any gauge allows.
    rotation : ndarray, shape (n, n)
        The gauge rotation R of SO(n), commuting with A, that brings the second closest to the first.
    """

    similarity: float
    bound: float
    rotation: Array


@computes
def compare(
    result_a: Descrambling,
    result_b: Descrambling,
    *,
    weights: tuple[ArrayLike, ArrayLike] | None = None,
) -> Comparison:
    """Compare two descramblings by one smoothness criterion, modulo gauge.

    Parameters
    ----------
    result_a, result_b : Descrambling
        With the same number of units and the same criterion.
    weights : pair of array_like, shape (n, any), optional
        What the rotations act on from the left: for two networks, the weights before the signals.
        Without them the rotations themselves are compared, which means something only where both
        descramble the same units.

    Returns
    -------
    Comparison

    Raises
    ------
    TypeError, ValueError
        If the results have different units or criteria, or a matrix does not fit or is all zero.
    """
    for name, result in (("result_a", result_a), ("result_b", result_b)):
        if not isinstance(result, Descrambling):
            raise TypeError(
                f"{name} must be what ds.descramble returned, got {type(result).__name__}"
            )
    criterion = result_a.criterion
    if not (isinstance(criterion, Smoothness) and isinstance(result_b.criterion, Smoothness)):
        raise TypeError("compare needs two results of a smoothness criterion")
    n = result_a.rotation.n
    if result_b.rotation.n != n:
        raise ValueError(f"result_b has {result_b.rotation.n} units, result_a has {n}")
    basis = criterion.basis(n)
    other = result_b.criterion.basis(n)
    probe = np.eye(n)
    if not (
        np.array_equal(basis.eigenvalues, other.eigenvalues)
        and np.array_equal(basis.to_modes(probe), other.to_modes(probe))
    ):
        raise ValueError(f"result_b minimizes {result_b.criterion}, result_a {criterion}")
    pair = (np.eye(n), np.eye(n)) if weights is None else weights
    a, b = (
        basis.to_modes(result.rotation.left(own_unit(matrix("weights", w).astype(np.float64))[0]))
        for result, w in zip((result_a, result_b), pair, strict=True)
    )
    if a.shape != b.shape:
        raise ValueError(f"weights must have one shape, got {a.shape} and {b.shape}")
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    if norm == 0:
        raise ValueError("weights must not be all zero")
    turned = aligned(np.eye(n), a @ b.T, basis)
    rotation = basis.from_modes(basis.from_modes(turned.T).T)
    return Comparison(float(np.sum(a * b)) / norm, float(np.sum(a * (turned @ b))) / norm, rotation)
