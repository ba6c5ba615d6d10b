"""Rotations of a stream: of all of R^d, or of what is orthogonal to the vector of ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..._util.seeds import generator_of
from ..._util.validate import require_extra
from ._devices import wide

if TYPE_CHECKING:
    import torch
else:
    torch = require_extra("torch", "torch", "descrambler.interop.torch")

TOLERANCE = 1e-10


def orthogonal(P: Any) -> Any:
    """Return a matrix or Rotation as a float64 tensor on the CPU, checked to be orthogonal."""
    if not hasattr(P, "matrix") and hasattr(P, "rotation"):
        raise TypeError(
            f"P must be a matrix or a Rotation, got {type(P).__name__}: pass its rotation (result.rotation)"
        )
    P = getattr(P, "matrix", P)
    if not isinstance(P, torch.Tensor):
        array = np.asarray(P)
        if array.dtype.kind not in "iuf":
            kind = f"an array of {array.dtype}" if array.ndim else type(P).__name__
            raise TypeError(f"P must be a matrix of real numbers or a Rotation, got {kind}")
        P = torch.from_numpy(np.array(array, dtype=np.float64))
    if P.is_complex():
        raise TypeError(f"P must be a matrix of real numbers, got one of {P.dtype}")
    turn = wide(P).clone()
    if turn.ndim != 2 or turn.shape[0] != turn.shape[1]:
        raise ValueError(f"P must be a square matrix, got shape {tuple(turn.shape)}")
    error = float((turn @ turn.T - torch.eye(len(turn), dtype=torch.float64)).abs().max())
    if not error <= TOLERANCE:
        raise ValueError(
            f"P must be orthogonal to {TOLERANCE:.0e}, got P P^T that differs from 1 by {error:.1e}: compute "
            "it in float64"
        )
    return turn


def lifted(turn: Any, width: int, centers: bool) -> Any:
    """Return a rotation of R^d; a smaller one acts in the space orthogonal to the ones.

    Raises
    ------
    ValueError
        If the shape does not fit, or the ones must be fixed and are not.
    """
    if centers and len(turn) == width - 1:
        basis = after_ones(width)
        return basis.T @ turn @ basis + 1 / width
    if len(turn) != width:
        raise ValueError(f"P must have shape {(width, width)}, got {tuple(turn.shape)}")
    if centers:
        moved = float((turn.sum(1) - 1).abs().max())
        if not moved <= TOLERANCE * width**0.5:
            raise ValueError(
                f"P must fix the vector of ones, as the LayerNorms of this model do, and moves it by {moved:.1e}: pass a "
                f"rotation of shape {(width - 1, width - 1)} of the space orthogonal to it, or call "
                "fold(keep_architecture=False) first, which turns the LayerNorms into RMSNorms"
            )
    return turn


def after_ones(width: int) -> Any:
    """Return d - 1 orthonormal rows orthogonal to the ones: a Householder reflection without a row."""
    v = torch.full((width,), 1 / width**0.5, dtype=torch.float64)
    v[0] -= 1
    reflection = torch.eye(width, dtype=torch.float64)
    if width > 1:
        reflection -= 2 * torch.outer(v, v) / (v @ v)
    return reflection[1:]


def random_from(width: int, centers: bool, random_state: Any) -> Any:
    """Return a random rotation (Haar) of R^d, or of what is orthogonal to the ones."""
    n = width - centers
    normal = generator_of(random_state).standard_normal((n, n))
    q, r = torch.linalg.qr(torch.from_numpy(normal))
    return lifted(q * torch.sign(r.diagonal()), width, centers)
