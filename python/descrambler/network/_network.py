"""A trained network as a chain of layers, and the signals inside it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._geometry.checks import excess
from .._signals.gram import Gram
from .._signals.sums import gram
from .._util import validate as _validate
from .._util.progress import Progress
from .._util.threads import computes
from .._util.validate import Array
from ..errors import printable
from ._activations import Activation, Renormalize
from ._forward import collect, rows_of, run
from ._fused_gram import ELEMENTWISE, layer_gram
from ._layers import BatchNorm, Folded, Layer, Linear, check_chain, fold, table
from ._saving import json_copy, write_network

__all__ = ["Activation", "BatchNorm", "Linear", "Network", "Renormalize"]


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Network:
    """A chain of linear layers, activation functions and renormalizations.

    Parameters
    ----------
    layers : iterable of Linear, BatchNorm, Activation or Renormalize
        In the order of the signal. Batch norms are folded into the linear layer before them,
        or else after them, so `layers` (a tuple) holds none.
    initial : Network, optional
        The same network before training, for null tests.
    provenance : mapping, optional
        Where the network comes from: any JSON values.
    notes : iterable of str, optional
        What a reader left out of a file, or read in another way. `save` does not write them.

    Raises
    ------
    TypeError, ValueError
        If sizes do not fit (the message has the layer's number), a batch norm has no linear
        layer next to it, `initial` has other shapes or `provenance` is not JSON.
    """

    layers: tuple[Folded, ...]
    initial: Network | None
    provenance: dict[str, Any]
    notes: tuple[str, ...]

    def __init__(
        self,
        layers: Iterable[Layer],
        initial: Network | None = None,
        provenance: Mapping[str, Any] | None = None,
        notes: Iterable[str] = (),
    ) -> None:
        given = tuple(layers)
        check_chain(given)
        object.__setattr__(self, "layers", fold(given))
        object.__setattr__(self, "initial", initial)
        object.__setattr__(self, "provenance", json_copy(provenance or {}))
        object.__setattr__(self, "notes", tuple(printable(note) for note in notes))
        if initial is not None:
            self._check_initial(initial)

    def _check_initial(self, initial: Network) -> None:
        if initial.initial is not None:
            raise ValueError("initial must not have an initial network of its own")
        shapes = [layer.weight.shape for layer in self.linears]
        theirs = [layer.weight.shape for layer in initial.linears]
        if shapes != theirs:
            raise ValueError(f"initial must have weights of shapes {shapes}, got {theirs}")

    def _index(self, k: int) -> int:
        if not 1 <= _validate.as_integer("layer", k) <= self.n_linear:
            raise ValueError(f"layer must be between 1 and {self.n_linear}, got {k}")
        return k - 1

    def _place(self, k: int) -> int:
        """Return where in `layers` linear layer `k` stands."""
        places = [i for i, layer in enumerate(self.layers) if isinstance(layer, Linear)]
        return places[self._index(k)]

    @cached_property
    def linears(self) -> tuple[Linear, ...]:
        """The linear layers, first to last."""
        return tuple(layer for layer in self.layers if isinstance(layer, Linear))

    @property
    def n_linear(self) -> int:
        """Number of linear layers."""
        return len(self.linears)

    @property
    def n_in(self) -> int:
        """Number of inputs of the network."""
        return self.linears[0].n_in

    @property
    def n_out(self) -> int:
        """Number of outputs of the network."""
        return self.linears[-1].n_out

    def linear(self, k: int) -> Linear:
        """Return the linear layer number `k`, counted from 1; ValueError if it does not exist."""
        return self.linears[self._index(k)]

    def __call__(self, x: ArrayLike, batch_size: int = 4096) -> Array:
        """Return the outputs for the rows of `x`.

        Parameters
        ----------
        x : array_like of shape (m, n_in)
            Samples in rows. float32 through float32 weights stays float32. Tensors of PyTorch
            are taken without their gradients, bfloat16 as float32.
        batch_size : int
            Rows that are in work at a time.

        Returns
        -------
        ndarray of shape (m, n_out)

        Raises
        ------
        TypeError, ValueError
            If `x` is not a finite real matrix with `n_in` columns and at least one row.
        """
        rows = rows_of(x, self.n_in)
        return collect(run(rows, self.layers, self.n_in, batch_size), len(rows))

    @computes
    def signals(
        self, x: ArrayLike, layer: int = 1, tap: str = "before", batch_size: int = 4096
    ) -> Array:
        """Return the signals at one place inside the network.

        Parameters
        ----------
        x : array_like of shape (m, n_in)
            Samples in rows.
        layer : int
            Linear layer, counted from 1.
        tap : {"before", "after"}
            Input or output of the activations (and renormalizations) that follow it, up to the
            next linear layer. The same where none follows.
        batch_size : int
            Rows that are in work at a time.

        Returns
        -------
        ndarray of shape (m, n), n the width of that layer

        Raises
        ------
        TypeError, ValueError
            If an argument has the wrong type or shape or is out of range.
        """
        rows = rows_of(x, self.n_in)
        return collect(self.batches(rows, layer, tap, batch_size), len(rows))

    def batches(
        self,
        x: ArrayLike | Iterator[ArrayLike],
        layer: int = 1,
        tap: str = "before",
        batch_size: int = 4096,
    ) -> Iterator[Array]:
        """Yield the signals of `signals` in batches of at most `batch_size` rows.

        Here `x` may also be an iterator of arrays of shape (any, n_in), which are never held
        together. Arguments are checked at once, `x` batch by batch.
        """
        end = self._place(layer) + 1 + len(self._tapped(layer, tap))
        return run(x, self.layers[:end], self.n_in, batch_size)

    def _tapped(self, layer: int, tap: str) -> list[Folded]:
        """Return what stands between a linear layer and the tap."""
        if _validate.choice("tap", tap, ("before", "after")) == "before":
            return []
        following = self.layers[self._place(layer) + 1 :]
        return list(takewhile(lambda stage: not isinstance(stage, Linear), following))

    def gram(
        self,
        x: ArrayLike | Iterator[ArrayLike],
        layer: int = 1,
        tap: str = "before",
        batch_size: int = 4096,
        *,
        threads: int | None = None,
        progress: Progress = False,
    ) -> Gram:
        """Return the Gram matrix of `signals`, of which only a block exists at a time.

        Parameters and errors are those of `batches`, and of :func:`descrambler.gram`.
        """
        stages = self._tapped(layer, tap)
        names = [stage.name if isinstance(stage, Activation) else None for stage in stages]
        fused = len(stages) <= 1 and all(name in ELEMENTWISE for name in names)
        # Wide layers are left to BLAS and its threads.
        if not fused or self.linear(layer).n_out >= 512:
            signals = self.batches(x, layer, tap, batch_size)
            return gram(signals, threads=threads, progress=progress)
        inputs = x if layer == 1 else self.batches(x, layer - 1, "after", batch_size)
        linear = self.linear(layer)
        activation = stages[0] if stages else None
        assert activation is None or isinstance(activation, Activation)
        return layer_gram(
            inputs, linear.weight, linear.bias, activation, threads=threads, progress=progress
        )

    @computes
    def with_rotation(self, matrix: ArrayLike, layer: int) -> Network:
        """Return the network with a rotation inserted after an activation, and undone.

        The signals after linear layer `layer` and its activations are multiplied by P, by an
        extra `Linear`, and the next weights W become ``W P^T``: the function stays the same to
        rounding. The new network has no `initial`.

        Parameters
        ----------
        matrix : array_like of shape (n, n)
            The orthogonal matrix P, n the width of the layer.
        layer : int
            Linear layer, counted from 1; not the last.

        Raises
        ------
        TypeError, ValueError
            If the matrix is not square, not orthogonal or of the wrong size, or there is no
            linear layer after `layer`.
        """
        width = self.linear(layer).n_out
        if layer == self.n_linear:
            raise ValueError(f"layer {layer} is the last: there are no next weights to rotate")
        rotation = _validate.square("matrix", matrix)
        if len(rotation) != width:
            raise ValueError(f"matrix must have shape {(width, width)}, got {rotation.shape}")
        error = excess(rotation)
        if error > np.sqrt(np.finfo(rotation.dtype).eps):
            raise ValueError(f"matrix must be orthogonal, but P P^T - 1 reaches {error:.2g}")
        following = self.linear(layer + 1)
        dtype = following.weight.dtype
        replaced = [
            Linear(rotation.astype(dtype)),
            type(following)((following.weight @ rotation.T).astype(dtype), following.bias),
        ]
        place = self._place(layer + 1)
        layers = (*self.layers[:place], *replaced, *self.layers[place + 1 :])
        return Network(layers, provenance=self.provenance)

    def reduce(self, rank: int, layer: int | None = None) -> Network:
        """Return the network with only the `rank` largest singular values of its weights.

        Parameters
        ----------
        rank : int
            Singular values to keep, at least 1. Layers that have no more stay as they are.
        layer : int, optional
            Linear layer, counted from 1; by default all.

        Raises
        ------
        ValueError
            If there is no such layer, or the rank is below 1.
        """
        chosen = self.linears if layer is None else (self.linear(layer),)
        reduced = {id(linear): linear.reduce(rank) for linear in chosen}
        layers = [reduced.get(id(stage), stage) for stage in self.layers]
        return Network(layers, provenance=self.provenance)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to `path`, whole or not at all and without pickle, for `load`.

        As .npz, or, if `path` ends in .mat, as MATLAB 5, with the weights as ``W1``, ``b1``, ``W2``, ...
        """
        write_network(self, path)

    def __str__(self) -> str:
        return table(self.layers)

    def __repr__(self) -> str:
        widths = [self.n_in, *(linear.n_out for linear in self.linears)]
        sizes = (
            " -> ".join(map(str, widths)) if len(widths) < 9 else f"{len(widths) - 1} linear layers"
        )
        return f"{type(self).__name__}({sizes})"
