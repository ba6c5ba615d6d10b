"""Loss of a network without a part of a layer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.fft
import scipy.linalg
from numpy.typing import ArrayLike

from .._util.threads import computes
from .._util.validate import Array, check_squares, matrix
from ..network._layers import Linear
from ..network._network import Network
from ._spectrum import Transform, frequencies

Loss = Callable[[Array], float]
"""Loss of a network as a function of one layer's weights."""


def layer_loss(network: Network, layer: int, inputs: ArrayLike, targets: ArrayLike) -> Loss:
    """Return the mean squared error of a network as a function of one layer's weights.

    Parameters
    ----------
    network : Network
    layer : int
        Linear layer, counted from 1.
    inputs : array_like, shape (m, n_in)
    targets : array_like, shape (m, n_out)

    Returns
    -------
    callable
        From weights of that layer's shape to the loss; the signals before the layer are computed once.

    Raises
    ------
    TypeError, ValueError
        If there is no such layer, or an array is not finite and real or does not fit.
    """
    linear = network.linear(layer)
    wanted = matrix("targets", targets)
    check_squares("targets", wanted)
    place = [i for i, stage in enumerate(network.layers) if isinstance(stage, Linear)][layer - 1]
    tail = network.layers[place + 1 :]
    x = matrix("inputs", inputs)
    if wanted.shape != (len(x), network.n_out):
        raise ValueError(f"targets must have shape {(len(x), network.n_out)}, got {wanted.shape}")
    if layer > 1:
        signals = network.signals(x, layer - 1, "after")
    else:
        # Checks the inputs; what stands before the first layer has no tap of its own.
        head = Network([*network.layers[:place], Linear(np.eye(network.n_in, dtype=x.dtype))])
        signals = head(x)

    def loss(weights: Array) -> float:
        y = Linear(weights, linear.bias)(signals)
        for stage in tail:
            y = stage(y)
        return float(np.mean(np.square(y - wanted, dtype=np.float64)))

    return loss


@computes
def without_band(
    weights: ArrayLike, low: float, high: float = np.inf, transform: Transform = "dct"
) -> Array:
    """Return weights that do not respond to frequencies ``low <= f < high`` of the input axis.

    ``W (1 - C^T M C)``, C the orthonormal transform and M the mask of the band. P does not matter.

    Parameters
    ----------
    weights : array_like, shape (n_out, n_in)
    low, high : float
        Cycles per length of the input axis. The upper half is from ``n_in / 4``.
    transform : {"dct", "fourier"}
        For one-sided signals use the DCT: a Fourier cut also removes smooth parts near the ends.

    Returns
    -------
    ndarray, shape (n_out, n_in)

    Raises
    ------
    TypeError, ValueError
        If the weights are not a finite real matrix, the band is empty or the transform is unknown.
    """
    w = matrix("weights", weights)
    if not low < high:
        raise ValueError(f"low must be below high, got {low} and {high}")
    n = w.shape[1]
    axis = frequencies(n, transform)
    kept = (axis < low) | (axis >= high)
    if transform == "dct":
        cut: Array = scipy.fft.idct(scipy.fft.dct(w, norm="ortho") * kept, norm="ortho")
    else:
        cut = scipy.fft.irfft(scipy.fft.rfft(w) * kept, n)
    return cut.astype(w.dtype, copy=False)


@computes
def band_cut(
    weights: ArrayLike,
    loss: Loss,
    low: float,
    high: float = np.inf,
    transform: Transform = "dct",
) -> float:
    """Return the relative change of the loss when a layer no longer responds to a band.

    ``loss(without_band(W)) / loss(W) - 1``: 0 where the network does not use the band. P does not
    matter.

    Parameters
    ----------
    weights, low, high, transform
        As for `without_band`.
    loss : callable
        Function of the weights that returns a number, such as that of `layer_loss`.

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        As `without_band`; or if the loss is not positive and finite.
    """
    w = matrix("weights", weights)
    return loss(without_band(w, low, high, transform)) / _full_loss(w, loss) - 1


@computes
def functional_rank(weights: ArrayLike, loss: Loss, ratio: float = 1.05) -> int:
    """Return the smallest rank from which on a truncated singular value decomposition keeps the loss.

    The least r with ``loss(W_s) < ratio * loss(W)`` for all s >= r, W_s the best approximation of
    rank s. P does not matter.

    Parameters
    ----------
    weights : array_like, shape (n_out, n_in)
    loss : callable
        Function of the weights that returns a number, such as that of `layer_loss`; called once per rank, from the full one down.
    ratio : float
        How much larger the loss may become; above 1.

    Returns
    -------
    int
        Between 0 and min(n_out, n_in).

    Raises
    ------
    TypeError, ValueError
        If the weights are not a finite real matrix, the ratio is not above 1, or the loss is not
        positive and finite.
    """
    w = matrix("weights", weights)
    if not 1 < ratio < np.inf:
        raise ValueError(f"ratio must be above 1, got {ratio}")
    limit = ratio * _full_loss(w, loss)
    u, s, vt = scipy.linalg.svd(w, full_matrices=False, check_finite=False)
    for rank in range(len(s) - 1, -1, -1):
        if not loss((u[:, :rank] * s[:rank]) @ vt[:rank]) < limit:
            return rank + 1
    return 0


def _full_loss(weights: Array, loss: Loss) -> float:
    full = loss(weights)
    if not 0 < full < np.inf:
        raise ValueError(f"loss must be positive and finite, got {full} for the full weights")
    return full
