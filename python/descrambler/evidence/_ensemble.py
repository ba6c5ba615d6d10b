"""One link dimension of many networks, descrambled and compared, beside untrained and random ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._solvers.descramble import descramble
from .._util.files import write_arrays
from .._util.parallel import Executor, mapping
from .._util.progress import Progress, reporting
from .._util.tables import Tabulated, brief
from .._util.validate import Array, choice
from ..analysis._agreement import Agreement, Spread
from ..criteria import link_basis
from ..network._network import Network
from ._checks import has_convolutions
from ._given import are_several, as_inputs, as_network
from .nulls import random_counterpart

__all__ = ["Ensemble", "ensemble"]

SCHEMA = "descrambler.ensemble.v1"


@brief
@dataclass(frozen=True, eq=False)
class Ensemble(Tabulated):
    """Agreement of networks descrambled on the same inputs, and the agreement it must exceed.

    Attributes
    ----------
    layer : int
    tap : {"before", "after"}
    n_inputs : int
        Number of inputs, the same for every network.
    n_initial : int
        Number of networks given with their untrained weights; random weights replace those of the others.
    trained, untrained : Agreement
        Agreement of the networks after and before training. The inputs alone produce the second.
    random : Agreement
        Agreement of the trained pictures with each mode in a random direction, which the free signs
        alone produce.
    """

    layer: int
    tap: str
    n_inputs: int
    n_initial: int
    trained: Agreement
    untrained: Agreement
    random: Agreement

    def summary(self) -> dict[str, Spread]:
        """Order statistics over the pairs of networks, by name, as printed."""
        sets = {"trained": self.trained, "untrained": self.untrained, "random": self.random}
        spreads = {}
        for kind in ("similarity", "bound"):
            for name, agreement in sets.items():
                spreads[f"{kind}, {name}"] = Spread.of(getattr(agreement, kind))
        for name in ("trained", "untrained"):
            spreads[f"invariant, {name}"] = Spread.of(sets[name].invariant)
        return spreads

    def table(self) -> list[tuple[str, str]]:
        """Return the status table: names and values, as printed."""
        number, n, n_other = self.trained.modes.shape
        name = "P W_1" if self.tap == "before" else f"W_{self.layer + 1} P^T"
        outliers = ", ".join(map(str, self.trained.outliers)) or "none"
        return [
            ("weights", f"{name}, {n} units, {n_other} {_other(self.tap)}"),
            ("networks", f"{number}, of which {self.n_initial} with their untrained weights"),
            ("inputs", str(self.n_inputs)),
            ("resolved, trained", _resolved(self.trained)),
            ("resolved, untrained", _resolved(self.untrained)),
            *((name, str(spread)) for name, spread in self.summary().items()),
            ("outliers", f"{outliers} (median bound below {self.trained.threshold:.3f})"),
        ]

    def save(self, path: str | Path) -> None:
        """Write matrices, masks and consensus pictures to an .npz file, without pickle."""
        arrays: dict[str, ArrayLike] = {
            name: getattr(self, name) for name in ("layer", "tap", "n_inputs", "n_initial")
        }
        for name in ("trained", "untrained", "random"):
            agreement: Agreement = getattr(self, name)
            for key in ("resolved", "similarity", "bound", "invariant"):
                arrays[f"{name}.{key}"] = getattr(agreement, key)
            for kind, align in (("consensus", False), ("aligned", True)):
                consensus = agreement.consensus(align=align)
                arrays[f"{name}.{kind}.mean"] = consensus.mean
                arrays[f"{name}.{kind}.spread"] = consensus.spread
        arrays["outliers"] = np.array(self.trained.outliers, dtype=int)
        write_arrays(path, SCHEMA, arrays)


def ensemble(
    networks: Sequence[Any],
    inputs: ArrayLike,
    layer: int | None = None,
    tap: str = "before",
    *,
    random_state: int = 0,
    threads: int | None = 1,
    executor: Executor | None = None,
    progress: Progress = False,
) -> Ensemble:
    """Descramble one link dimension of many networks on the same inputs and compare the pictures.

    Each network is descrambled for smoothness, exactly, in the canonical gauge. Two networks are
    compared over the modes that both resolve. Biases are ignored.

    Parameters
    ----------
    networks : sequence of Network, or of what `load` reads
        At least two, with the same number of inputs and the same shape of the compared weights.
    inputs : array_like, shape (m, n_in)
        The inputs of every network.
    layer : int, optional
        Linear layer, counted from 1; by default the one that the tap asks for.
    tap : {"before", "after"}
        "before" compares ``P W_1``, rotated by the signals before the activation of layer 1;
        "after" compares ``W_n P^T``, rotated by the signals after the activation of layer n - 1, n
        the last. Other weights have link dimensions on both sides and cannot be compared.
    random_state : int
        Seed of the random directions. Seed plus number of the network: the random weights that
        replace untrained ones.
    threads : int or None
        Threads that share the networks; None for one thread per processor.
    executor : Executor, optional
        Used instead of threads: any executor with the interface of `concurrent.futures`, such as
        ``client.get_executor()`` of a Dask client.
    progress : bool or callable
        True shows a bar. A function is called with a step (`done`, `total`, `label`) for each network,
        trained and then untrained.

    Returns
    -------
    Ensemble

    Raises
    ------
    TypeError, ValueError
        If the networks, the inputs, the layer and the tap do not fit together, or no two networks
        share a resolved mode.
    """
    if not are_several(networks):
        raise TypeError(
            f"networks must be a list of at least two networks, got {type(networks).__name__}"
        )
    given = [as_network(f"networks[{index}]", member) for index, member in enumerate(networks)]
    if layer is None:
        layer = 1 if tap == "before" or not given else given[0].n_linear - 1
    _check(given, layer, tap)
    if any(has_convolutions(network) and network.initial is None for network in given):
        raise ValueError(
            "networks with convolutions must bring their untrained weights, as ds.Network(net.layers, initial=untrained): "
            "random matrices, which stand in for them, are not banded"
        )
    x = as_inputs("inputs", inputs, given[0].n_in)
    untrained = [
        network.initial or random_counterpart(network, random_state + index)
        for index, network in enumerate(given)
    ]

    one = partial(_descrambled, x=x, layer=layer, tap=tap)
    with (
        mapping(threads, executor) as apply,
        reporting(progress, 2 * len(given), "network") as report,
    ):

        def agreement(name: str, members: list[Network], done: int) -> Agreement:
            parts = []
            for index, part in enumerate(apply(one, members), 1):
                parts.append(part)
                report(done + index, f"{name} {index} of {len(members)}")
            modes, resolved = zip(*parts, strict=True)
            return Agreement.of(np.stack(modes), np.stack(resolved))

        trained = agreement("trained", given, 0)
        if not np.isfinite(trained.typical).any():
            raise ValueError(
                "inputs resolve no mode in two of the networks: more inputs are needed"
            )
        before = agreement("untrained", untrained, len(given))
        random = Agreement.of(_random_directions(trained.modes, random_state), trained.resolved)
    return Ensemble(
        layer=layer,
        tap=tap,
        n_inputs=len(x),
        n_initial=sum(network.initial is not None for network in given),
        trained=trained,
        untrained=before,
        random=random,
    )


def _check(networks: list[Network], layer: int, tap: str) -> None:
    choice("tap", tap, ("before", "after"))
    if len(networks) < 2:
        raise ValueError(f"networks must hold at least two networks, got {len(networks)}")
    for index, network in enumerate(networks):
        fits = layer == (1 if tap == "before" else network.n_linear - 1)
        if network.n_linear < 2 or not fits:
            raise ValueError(
                "layer must be 1 for tap='before', the last but one for tap='after', got "
                f"layer={layer}, tap={tap!r} and {network.n_linear} linear layers in networks[{index}]"
            )
        sizes = (network.n_in, *_weights(network, layer, tap).shape)
        first = (networks[0].n_in, *_weights(networks[0], layer, tap).shape)
        if sizes != first:
            raise ValueError(
                f"networks must be alike, but networks[{index}] has (inputs, units, {_other(tap)}) = "
                f"{sizes}, networks[0] has {first}"
            )


def _other(tap: str) -> str:
    return "inputs" if tap == "before" else "outputs"


def _weights(network: Network, layer: int, tap: str) -> Array:
    """Weights that are descrambled, the link dimension in rows."""
    if tap == "before":
        return network.linear(layer).weight
    return network.linear(layer + 1).weight.T


def _descrambled(network: Network, x: Array, layer: int, tap: str) -> tuple[Array, Array]:
    """One matrix in mode coordinates, and which modes are resolved."""
    result = descramble(network.signals(x, layer, tap))
    weights = _weights(network, layer, tap).astype(np.float64)
    to_modes = link_basis(len(weights)).to_modes
    modes = to_modes(result.rotation.left(weights))
    assert result.gram is not None and result.gram.mean is not None
    # In P this sign pays for the determinant, which another order of the units would change.
    if to_modes(result.rotation.left(result.gram.mean[:, None]))[-1] < 0:
        modes[-1] *= -1
    return modes, result.resolved


def _random_directions(modes: Array, random_state: int) -> Array:
    directions = np.random.default_rng(random_state).standard_normal(modes.shape)
    norms = np.linalg.norm(modes, axis=2) / np.linalg.norm(directions, axis=2)
    turned: Array = directions * norms[..., None]
    return turned


def _resolved(agreement: Agreement) -> str:
    counts, share = agreement.resolved.sum(axis=1), agreement.resolved_share
    return (
        f"{np.median(counts):g} ({counts.min()} to {counts.max()}) of {agreement.resolved.shape[1]} modes, "
        f"{np.median(share):.3f} ({share.min():.3f} to {share.max():.3f}) of the squared weights"
    )
