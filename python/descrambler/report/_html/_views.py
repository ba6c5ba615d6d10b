"""What the page shows of one layer of one network: all numbers, no pictures yet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..._solvers.result import Descrambling
from ..._util.validate import Array
from ...analysis import singular_vectors, two_sided_spectrum
from ...evidence._study import Study
from .._layout import rms

N_VECTORS = 5


@dataclass(frozen=True, eq=False)
class Side:
    """One side of a layer where it meets a link dimension.

    Attributes
    ----------
    resolved : ndarray of bool, shape (n,)
        Link modes that the inputs determine.
    eigenvalues : ndarray, shape (n,)
        Eigenvalues of the Gram matrix of the signals there, descending, in units of the largest.
    """

    resolved: Array
    eigenvalues: Array

    @classmethod
    def of(cls, result: Descrambling) -> Side:
        """Take what is shown of a descrambling from signals."""
        assert result.eigenvalues is not None
        values = np.maximum(result.eigenvalues, 0)
        return cls(result.resolved, values / (float(values.max()) or 1.0))


@dataclass(frozen=True, eq=False)
class View:
    """One layer of one network.

    Attributes
    ----------
    unit : float
        Root mean square of the layer's weights, in units of which the weights are given.
    raw, descrambled : ndarray, shape (n_out, n_in)
        ``W_k`` and ``P_k W_k P_{k-1}^T``.
    bias : ndarray, shape (1, n_out), or None
        ``P_k b_k``, in units of the weights.
    spectrum : ndarray, shape (n_out // 2 + 1, n_in // 2 + 1)
        ``|F+ P W P^T F-|``, mean over the signs of frequency, from zero up on both axes.
    singular : ndarray, shape (r,)
        Singular values of the raw weights, descending.
    output_vectors, input_vectors : ndarray, shape (at most 5, n_out), (at most 5, n_in)
        Leading singular vectors of the descrambled weights.
    outputs, inputs : Side or None
        Where that side is a link dimension.
    """

    unit: float
    raw: Array
    descrambled: Array
    bias: Array | None
    spectrum: Array
    singular: Array
    output_vectors: Array
    input_vectors: Array
    outputs: Side | None
    inputs: Side | None


def view(study: Study, layer: int) -> View:
    """Return what the page shows of a layer, counted from 1."""
    raw, descrambled, bias = study.raw(layer), study.weights(layer), study.bias(layer)
    unit = rms(raw)
    n_out, n_in = raw.shape
    # From the descrambled weights: the rotation changes no singular value.
    left, singular, right = singular_vectors(descrambled.astype(np.float64))
    links = study.links
    spectrum = np.fft.ifftshift(two_sided_spectrum(descrambled / unit))
    return View(
        unit=unit,
        raw=raw / unit,
        descrambled=descrambled / unit,
        bias=None if bias is None else bias[None] / unit,
        spectrum=spectrum[: n_out // 2 + 1, : n_in // 2 + 1],
        singular=singular,
        output_vectors=left.T[:N_VECTORS],
        input_vectors=right[:N_VECTORS],
        outputs=Side.of(links[layer - 1].before) if layer <= len(links) else None,
        inputs=Side.of(links[layer - 2].after) if layer > 1 else None,
    )
