"""A network on its inputs: the signals inside it, and every link dimension descrambled."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from .._signals.joint import joint_gram
from .._solvers.descramble import descramble
from .._solvers.result import Descrambling
from .._util import lapack
from .._util.parallel import Executor, mapping
from .._util.progress import Progress, reporting
from .._util.tables import brief
from .._util.threads import computes
from .._util.validate import Array
from ..analysis import aggregate_response
from ..analysis._jacobian import mean_jacobian_from
from ..criteria import Smoothness, link_basis
from ..network._layers import Linear
from ..network._network import Network
from ._given import as_inputs, as_network

JACOBIAN_COST = 2_000_000_000
"""Multiplications that the mean Jacobian of a network with more than two layers may take."""


@brief
@dataclass(frozen=True, eq=False)
class Link:
    """The dimension between linear layer k and the next; each rotation is computed on first use.

    Attributes
    ----------
    layer : int
        k, counted from 1.
    signals : pair of ndarray, shape (m, n)
        Before and after the activation of layer k.
    next_weights : ndarray, shape (n_out, n)
        ``W_{k+1}``.
    """

    layer: int
    signals: tuple[Array, Array]
    next_weights: Array

    @cached_property
    def before(self) -> Descrambling:
        """From the signals before the activation: for the outputs of ``W_k``."""
        return descramble(self.signals[0])

    @cached_property
    def after(self) -> Descrambling:
        """From the signals after the activation: for the inputs of ``W_{k+1}``."""
        return descramble(self.signals[1])

    @cached_property
    def joint(self) -> Descrambling:
        """From the signals after the activation and ``W_{k+1}`` together, as the paper does."""
        assert self.after.gram is not None
        return descramble(joint_gram(self.after.gram, self.next_weights))


@brief
@dataclass(frozen=True, eq=False)
class Study:
    """A network with its link dimensions descrambled for smoothness; nothing is computed twice.

    Attributes
    ----------
    network : Network
        With at least two linear layers; or what `load` reads.
    inputs : ndarray, shape (m, n_in), or None
        Inputs of the network; their signals determine the rotations. None: the weights determine them.
        The columns of ``W_k`` then replace the signals before the activation, the rows of ``W_{k+1}`` those after.

    Raises
    ------
    TypeError, ValueError
        If there is no link dimension, or the inputs do not fit.
    """

    network: Network
    inputs: Array | None

    def __post_init__(self) -> None:
        object.__setattr__(self, "network", as_network("network", self.network))
        if self.network.n_linear < 2:
            raise ValueError(
                "network must have at least two linear layers: it has no link dimension"
            )
        if self.inputs is not None:
            object.__setattr__(self, "inputs", as_inputs("inputs", self.inputs, self.network.n_in))

    @cached_property
    def links(self) -> tuple[Link, ...]:
        """The link dimensions, first to last."""
        weights = [self.raw(k + 1) for k in range(self.network.n_linear)]
        if self.inputs is None:
            taps = [(w.T, after) for w, after in zip(weights[:-1], weights[1:], strict=True)]
        else:
            places = self._linear_places
            taps = [
                (self._signals[place], self._signals[after - 1])
                for place, after in pairwise(places)
            ]
        pairs = zip(taps, weights[1:], strict=True)
        return tuple(Link(k, signals, after) for k, (signals, after) in enumerate(pairs, 1))

    @cached_property
    def _linear_places(self) -> list[int]:
        """Positions of the linear layers in the network."""
        return [p for p, layer in enumerate(self.network.layers) if isinstance(layer, Linear)]

    @cached_property
    def _signals(self) -> dict[int, Array]:
        """Signals that leave each linear layer but the last, and that enter the next, by position."""
        assert self.inputs is not None
        places = self._linear_places
        kept = {*places[:-1], *(place - 1 for place in places[1:])}
        signal, signals = self.inputs, {}
        for position, layer in enumerate(self.network.layers[: places[-1]]):
            signal = layer(signal)
            if position in kept:
                signals[position] = signal
        return signals

    def links_of(self, layer: int) -> list[int]:
        """Numbers of the link dimensions on the sides of a layer."""
        return [k for k in (layer - 1, layer) if 1 <= k < self.network.n_linear]

    @cached_property
    def silent(self) -> frozenset[tuple[int, int]]:
        """Link dimensions and sides (0 before, 1 after the activation) whose signals do not vary."""
        return frozenset(
            (link.layer, side)
            for link in self.links
            for side, signals in enumerate(link.signals)
            # The last signal tells nearly all that vary from those that do not.
            if np.array_equal(signals[0], signals[-1])
            and np.array_equal(signals, np.broadcast_to(signals[:1], signals.shape))
        )

    def raw(self, layer: int) -> Array:
        """``W_k`` as the network has it."""
        return self.network.linear(layer).weight

    def weights(self, layer: int) -> Array:
        """``P_k W_k P_{k-1}^T``, descrambled by the signals alone, before and after activations.

        The joint criterion would smooth any weights, so it is not used here. The network's own inputs
        and outputs are not rotated.
        """
        if layer not in self._weights:
            w = self.raw(layer)
            if layer > 1:
                w = self.links[layer - 2].after.rotation.right(w)
            if layer <= len(self.links):
                w = self.links[layer - 1].before.rotation.left(w)
            self._weights[layer] = w
        return self._weights[layer]

    @cached_property
    def _weights(self) -> dict[int, Array]:
        return {}

    def bias(self, layer: int) -> Array | None:
        """``P_k b_k``, the extra input line of `weights`; None for a layer without a bias."""
        b = self.network.linear(layer).bias
        if b is None or layer > len(self.links):
            return b
        turned: Array = self.links[layer - 1].before.rotation.left(b[:, None])[:, 0]
        return turned

    @cached_property
    def _modes(self) -> dict[int, Array]:
        return {}

    def modes(self, layer: int) -> Array:
        """Return `weights` with link modes for link coordinates, in float64.

        Rows are modes where the layer has one after it, columns where it has one before it; modes
        2k-1 and 2k together are link frequency k.
        """
        if layer not in self._modes:
            w: Array = self.weights(layer).astype(np.float64, copy=False)
            if layer > 1:
                w = link_basis(w.shape[1]).to_modes(np.ascontiguousarray(w.T)).T
            if layer <= len(self.links):
                w = link_basis(len(w)).to_modes(w)
            self._modes[layer] = w
        return self._modes[layer]

    @cached_property
    def jacobian(self) -> Array:
        """Mean over inputs of the derivative of the outputs by the inputs, float64 (n_out, n_in).

        Deep networks use evenly spaced inputs, as many as `JACOBIAN_COST` allows.
        """
        assert self.inputs is not None
        widths = [self.raw(k + 1).shape[0] for k in range(self.network.n_linear)]
        products = sum(a * b for a, b in zip(widths[:-2], widths[1:-1], strict=True))
        most = JACOBIAN_COST // (self.network.n_out * products) if products else len(self.inputs)
        step = -(-len(self.inputs) // max(most, 1))
        known = {position: signals[::step] for position, signals in self._signals.items()}
        return mean_jacobian_from(self.network, self.inputs[::step], known)

    @cached_property
    def _responses(self) -> dict[int, Array]:
        return {}

    def response(self, layer: int) -> Array:
        """Return the response to each cosine of the input axis, r.m.s. over outputs, shape (n_in,).

        Layer 0 is the mean Jacobian, 1 the first weights. The transform is the DCT-II, not a periodic one:
        a one-sided signal need not end at the value where it began.
        """
        if layer not in self._responses:
            matrix = self.jacobian if layer == 0 else self.raw(layer)
            self._responses[layer] = aggregate_response(matrix)
        return self._responses[layer]

    @cached_property
    def _singular(self) -> dict[int, tuple[Array, Array, Array]]:
        return {}

    @computes
    def singular(self, layer: int) -> tuple[Array, Array, Array]:
        """Return the singular value decomposition of ``W_k``: U (n_out, r), values, V^T (r, n_in)."""
        if layer not in self._singular:
            w = self.raw(layer).astype(np.float64, copy=False)
            self._singular[layer] = lapack.svd(w, full_matrices=False)
        return self._singular[layer]


def descramble_network(
    network: Network,
    inputs: ArrayLike,
    *,
    threads: int | None = 1,
    executor: Executor | None = None,
    progress: Progress = False,
) -> Study:
    """Descramble every link dimension of a network at once.

    Parameters
    ----------
    network : Network
        With at least two linear layers.
    inputs : array_like, shape (m, n_in)
    threads : int or None
        Threads that share the link dimensions; None for one thread per processor.
    executor : Executor, optional
        Used instead of threads: any executor with the interface of `concurrent.futures`.
    progress : bool or callable
        True shows a bar. A function is called with a step (`done`, `total`, `label`) for each link.

    Returns
    -------
    Study

    Raises
    ------
    TypeError, ValueError
        As :class:`Study`.
    """
    given = as_network("network", network)
    study = Study(given, as_inputs("inputs", inputs, given.n_in))
    links = []
    with (
        mapping(threads, executor) as apply,
        reporting(progress, len(study.links), "link") as report,
    ):
        for link in apply(_descrambled, study.links):
            links.append(link)
            report(link.layer, f"link {link.layer} of {len(study.links)}")
    object.__setattr__(study, "links", tuple(links))
    return study


def _descrambled(link: Link) -> Link:
    _ = link.before, link.after, link.joint
    return link


def resolved_part(result: Descrambling) -> Array:
    """Return P without the modes that the data do not determine, shape (n, n).

    ``V_r V_r^T P``: only this part of P W can be read.
    """
    if not isinstance(result.criterion, Smoothness):
        raise TypeError(f"only smoothness has link modes, not {result.criterion}")
    basis = result.criterion.basis(result.rotation.n)
    modes = basis.to_modes(result.rotation.matrix.astype(np.float64, copy=False))
    return basis.from_modes(modes * result.resolved[:, None])
