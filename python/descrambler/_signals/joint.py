"""Signals made smooth together with the weights that they enter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from .._util.threads import computes
from .._util.validate import matrix, own_unit
from .gram import Gram

__all__ = ["joint_gram"]


@computes
def joint_gram(signals: Gram, next_weights: ArrayLike) -> Gram:
    """Append the next weights' link dimension to the signals, as the paper does for layer two.

    The criterion then asks for both to be smooth: ``[c W^T, S]`` has the Gram matrix
    ``B + c^2 W^T W``, with ``c = ||S||_2 / ||W^T||_2`` (spectral norms).

    Parameters
    ----------
    signals : Gram
        Gram matrix B of the signals after the activation of layer k. Mean and number, by which signs
        are judged, stay those of the signals.
    next_weights : array_like, shape (n_out, n)
        W, the weights of layer k + 1.

    Returns
    -------
    Gram

    Raises
    ------
    ValueError
        If the weights do not have one column per unit, or are all zero.
    """
    weights = own_unit(matrix("next_weights", next_weights).astype(np.float64, copy=False))[0]
    if weights.shape[1] != signals.n:
        raise ValueError(f"next_weights must have {signals.n} columns, got shape {weights.shape}")
    own = weights.T @ weights
    largest = float(np.linalg.norm(own, 2))
    if largest == 0:
        raise ValueError("next_weights must not be all zero")
    ratio = float(np.linalg.norm(signals.matrix, 2)) / largest
    factor = signals.factor
    if factor is not None:
        factor = np.vstack([factor, np.sqrt(ratio) * weights])
    return replace(signals, matrix=signals.matrix + ratio * own, factor=factor)
