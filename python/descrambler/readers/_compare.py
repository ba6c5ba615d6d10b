"""The network that was read against the model itself, which is run on random rows.

A reader takes numbers from attributes; only running the model shows how it uses them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._util.validate import Array
from ..errors import WeightFileError
from ..network._affine import Affine
from ..network._layers import Folded, Linear
from ..network._network import Activation
from ._build import Source

Run = Callable[[Array], NDArray[Any]]
"""Returns the outputs of the model for rows."""

ROWS = 64
SCALES = (0.01, 1.0, 100.0)
"""Scales of the rows: a difference may show where activations are linear, or where they are saturated."""
TOLERANCE = {np.dtype(np.float32): 1e-5, np.dtype(np.float64): 1e-10}
"""Largest difference that counts as rounding, relative to the largest number of a column."""
# How many times as far as rounding of all signals moves the outputs they may lie apart.
ROUNDINGS = 16
SATURATING = ("hard_sigmoid", "hard_tanh", "logistic", "relu6", "softmax", "softsign", "tanh")
"""Activations that hide a difference of their inputs where these are large."""


def check(
    source: Source,
    layers: Sequence[Folded],
    run: Run,
    *,
    scaler: Affine | None = None,
    before: Run | None = None,
    explain: Callable[[], str] = lambda: "",
) -> None:
    """Refuse a network that does not compute what its model computes.

    Parameters
    ----------
    source : path or str
        For the message.
    layers : sequence of layers
        Those of the network that was read.
    run : callable
        Returns the outputs of the model for rows, shape (m, n_in).
    scaler : Affine, optional
        What the model does to its inputs first: the rows are random after it, not before.
    before : callable, optional
        Returns the signals before the model's last activation: they are compared too if this
        activation saturates.
    explain : callable, optional
        Returns where the difference comes from, and what to do.

    Raises
    ------
    WeightFileError
        If outputs differ by more than rounding: 1e-5 of the largest in float32, 1e-10 in float64.
    """
    pairs = [(layers, run)]
    if before is not None and saturates(layers):
        pairs.append((layers[:-1], before))
    for part, theirs in pairs:
        for rows in probes(layers, scaler):
            excess, relative = apart(part, rows, theirs(rows))
            if excess > 1:
                reason = explain()
                raise WeightFileError(
                    f"{source}: the network as read does not compute what the model computes: "
                    f"they differ by {relative:.1g} of the largest output{reason and '. '}{reason}"
                )


def saturates(layers: Sequence[Folded]) -> bool:
    """Tell whether a network ends with an activation that hides large differences."""
    return isinstance(layers[-1], Activation) and layers[-1].name in SATURATING


def leading(steps: Iterable[object]) -> Affine | None:
    """Return what affine maps do to the inputs before all else."""
    found: Affine | None = None
    for step in steps:
        if not isinstance(step, Affine):
            break
        found = step if found is None else found.then(step)
    return found


def probes(layers: Sequence[Folded], scaler: Affine | None = None) -> Iterator[Array]:
    """Yield the rows to compare at, for each scale, in the dtype of the network."""
    linears = [layer for layer in layers if isinstance(layer, Linear)]
    n_in, dtype = linears[0].n_in, _dtype(layers)
    generator = np.random.default_rng(0)
    for scale in SCALES:
        rows = scale * generator.standard_normal((ROWS, n_in))
        if scaler is not None:
            gain = np.broadcast_to(scaler.gain, n_in)
            rows = np.where(gain, (rows - scaler.shift) / np.where(gain, gain, 1), rows)
        yield rows.astype(dtype)


def _dtype(layers: Sequence[Folded]) -> np.dtype[Any]:
    """Return float32 if any layer is."""
    return min(
        (layer.weight.dtype for layer in layers if isinstance(layer, Linear)),
        key=lambda dtype: dtype.itemsize,
        default=np.dtype(np.float64),
    )


def apart(layers: Sequence[Folded], rows: Array, wanted: NDArray[Any]) -> tuple[float, float]:
    """Return how far outputs lie apart.

    Returns
    -------
    excess : float
        In units of what may be rounding: up to 1 they agree. Infinity if the sizes differ.
    relative : float
        In units of the largest wanted number.
    """
    with np.errstate(all="ignore"):
        found, moved = _passed(layers, rows)
        if wanted.size != found.size:
            return np.inf, np.inf
        theirs = np.asarray(wanted, np.float64).reshape(found.shape)
        difference = _difference(found, theirs, np.finfo(rows.dtype))
        scale = np.abs(theirs, where=np.isfinite(theirs), out=np.zeros_like(theirs)).max(axis=0)
        rounding = np.nan_to_num(np.abs(moved - found)).max(axis=0)
        allowed = TOLERANCE[_dtype(layers)] * scale + ROUNDINGS * rounding
        allowed += np.finfo(rows.dtype).tiny
        return float((difference / allowed).max()), float(
            difference.max() / max(scale.max(), 1e-300)
        )


def _passed(
    layers: Sequence[Folded], rows: Array
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the outputs, and those where all signals move by one rounding."""
    generator, step = np.random.default_rng(1), np.finfo(rows.dtype).eps
    found, moved = rows, rows
    for layer in layers:
        found = layer(found)
        signs = generator.choice(np.array([-step, step]), moved.shape)
        moved = layer(moved + (moved * signs).astype(moved.dtype))
    return found.astype(np.float64), moved.astype(np.float64)


def _difference(
    found: NDArray[np.float64], theirs: NDArray[np.float64], limits: Any
) -> NDArray[np.float64]:
    """Return the differences; none where both overflow, infinity where one does that is not near it."""
    finite = np.isfinite(found) & np.isfinite(theirs)
    near = np.minimum(np.nan_to_num(np.abs(found)), np.nan_to_num(np.abs(theirs)))
    over = ~np.isfinite(found) & ~np.isfinite(theirs) | (near > 0.01 * float(limits.max))
    return np.where(finite, np.abs(found - theirs), np.where(over, 0.0, np.inf))
