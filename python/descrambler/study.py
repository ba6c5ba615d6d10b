"""Every link dimension of a network descrambled, and its weights seen through that."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from ._validate import Array
from .criteria import Smoothness
from .gram import joint_gram
from .layers import Linear
from .network import Network
from .result import Descrambling
from .solve import descramble, descramble_gram


@dataclass(frozen=True, eq=False)
class Link:
    """The dimension between linear layer k and the next, descrambled three ways.

    Attributes
    ----------
    layer : int
        k, counted from 1.
    before : Descrambling
        From the signals before the activation: for the outputs of ``W_k``.
    after : Descrambling
        From the signals after the activation: for the inputs of ``W_{k+1}``.
    joint : Descrambling
        From the signals after the activation and ``W_{k+1}`` together, as the paper does.
    """

    layer: int
    before: Descrambling
    after: Descrambling
    joint: Descrambling


@dataclass(frozen=True, eq=False)
class Study:
    """A network with its link dimensions descrambled, first to last."""

    network: Network
    links: tuple[Link, ...]

    def weights(self, layer: int) -> Array:
        """``P_k W_k P_{k-1}^T``, descrambled by the signals alone, before and after activations.

        Weights that had a part in their own descrambling, as the joint criterion gives it to them,
        would be smooth whatever they are. The network's own inputs and outputs are left as they are.
        """
        w = self.network.linear(layer).weight
        if layer > 1:
            w = self.links[layer - 2].after.rotation.right(w)
        if layer <= len(self.links):
            w = self.links[layer - 1].before.rotation.left(w)
        return w


# Like the built-in map.
Workers: TypeAlias = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]


def descramble_network(
    network: Network,
    inputs: ArrayLike,
    progress: Callable[[str], None] | None = None,
    *,
    workers: Workers = map,
) -> Study:
    """Descramble every link dimension of a network for smoothness.

    Parameters
    ----------
    network : Network
        With at least two linear layers.
    inputs : array_like, shape (m, n_in)
        What the network sees; the signals it makes of them decide.
    progress : callable, optional
        Told what has been done.
    workers : callable
        Applies a function to each link dimension, like the built-in `map`: ``executor.map`` of
        `concurrent.futures`, or ``ds.interop.dask.parallel_map``.

    Returns
    -------
    Study

    Raises
    ------
    TypeError, ValueError
        If there is no link dimension, or the inputs do not fit.
    """
    if network.n_linear < 2:
        raise ValueError("network must have at least two linear layers: it has no link dimension")
    links = []
    for link in workers(partial(_link, network, inputs), range(1, network.n_linear)):
        links.append(link)
        if progress is not None:
            progress(f"link {link.layer} of {network.n_linear - 1}")
    return Study(network, tuple(links))


def _link(network: Network, inputs: ArrayLike, layer: int) -> Link:
    after = descramble(network.signals(inputs, layer, "after"))
    assert after.gram is not None
    return Link(
        layer=layer,
        before=descramble(network.signals(inputs, layer, "before")),
        after=after,
        joint=descramble_gram(joint_gram(after.gram, network.linear(layer + 1).weight)),
    )


def random_counterpart(network: Network, random_state: int = 0) -> Network:
    """Return the network with normal weights of each layer's own spread, and without biases.

    What to compare with where the untrained network is not at hand.
    """
    generator = np.random.default_rng(random_state)

    def redrawn(linear: Linear) -> Linear:
        w = linear.weight
        spread = float(np.sqrt(np.mean(np.square(w, dtype=np.float64))))
        return Linear((spread * generator.standard_normal(w.shape)).astype(w.dtype))

    return Network([redrawn(x) if isinstance(x, Linear) else x for x in network.layers])


def resolved_part(result: Descrambling) -> Array:
    """P with the modes that the data do not determine left out, shape (n, n).

    ``V_r V_r^T P``: what of P W one may read.
    """
    if not isinstance(result.criterion, Smoothness):
        raise TypeError(f"only smoothness has link modes, not {result.criterion}")
    basis = result.criterion.basis(result.rotation.n)
    modes = basis.to_modes(result.rotation.matrix.astype(np.float64, copy=False))
    return basis.from_modes(modes * result.resolved[:, None])


__all__ = ["Link", "Study", "descramble_network", "random_counterpart", "resolved_part"]
