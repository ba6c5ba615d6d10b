"""The Gram matrix of a layer's signals, summed in C++ while the layer is applied."""

from __future__ import annotations

import numpy as np

from .. import _core as core
from .._signals.gram import Gram
from .._signals.sources import Signals, as_source
from .._signals.sums import check_not_vanished, finished
from .._util.progress import Progress, reporting
from .._util.threads import computing
from .._util.validate import Array
from ._activations import Activation

# Activations that the C++ core applies while it sums.
ELEMENTWISE = ("identity", "tanh", "logistic", "relu", "leaky_relu", "softplus")


def layer_gram(
    inputs: Signals,
    weight: Array,
    bias: Array | None,
    activation: Activation | None,
    *,
    threads: int | None,
    progress: Progress,
) -> Gram:
    """Gather the Gram matrix of a layer's signals f(x W^T + b), which never exist as a whole.

    Parameters
    ----------
    inputs : array_like, shape (m, n_in), or what :func:`descrambler.gram` reads
    weight : ndarray, shape (n, n_in)
    bias : ndarray, shape (n,), or None
    activation : Activation or None
        One that acts entry by entry (`ELEMENTWISE`), or none.
    threads, progress
        As in :func:`descrambler.gram`.
    """
    total, count = core.GramSum(len(weight)), 0
    name = "identity" if activation is None else activation.name
    slope = 0.0 if activation is None or activation.slope is None else activation.slope
    source = as_source("x", inputs)
    with (
        computing(len(weight), threads),
        reporting(progress, source.m, "signal") as report,
    ):
        for x in source.blocks():
            if x.shape[1] != weight.shape[1]:
                raise ValueError(f"x must have {weight.shape[1]} columns, got shape {x.shape}")
            # An activation may map infinity to a number, so that the sum would not show it.
            if not (np.isfinite(x.min()) and np.isfinite(x.max())):
                raise ValueError("x must be finite, got NaN or infinity among its entries")
            dtype = np.result_type(x, weight)
            b = np.zeros(len(weight), dtype) if bias is None else bias.astype(dtype, copy=False)
            rows, w = (np.ascontiguousarray(array, dtype) for array in (x, weight))
            total.add_layer(rows, w, b, core.Activation[name], slope)
            count += len(x)
            report(count, f"{count} signals")
    matrix, summed = total.finish()
    check_not_vanished(matrix.trace(), total.any)
    return finished(matrix, summed / count, count)
