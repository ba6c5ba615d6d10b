"""The same link dimension of many networks, descrambled: how far do the pictures agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ._validate import Array, choice, matrix
from .basis import LinkBasis
from .compare import similarities
from .criteria import Smoothness
from .files import write_arrays
from .gauge import aligned
from .network import Network
from .solve import descramble
from .study import random_counterpart

__all__ = ["Agreement", "Consensus", "Ensemble", "Spread", "ensemble"]

SCHEMA = "descrambler.ensemble.v1"

OUTLIER_LIMIT = 3.5
# Networks that agree almost to rounding have no spread to judge an outlier by.
LEAST_SPREAD = 0.01


class Spread(NamedTuple):
    """Order statistics over pairs of networks; NaN where no pair can be compared."""

    minimum: float
    lower_quartile: float
    median: float
    upper_quartile: float
    maximum: float

    def __str__(self) -> str:
        return (
            f"{self.median:.3f}, quartiles {self.lower_quartile:.3f} to {self.upper_quartile:.3f}, "
            f"range {self.minimum:.3f} to {self.maximum:.3f}"
        )


@dataclass(frozen=True, eq=False)
class Consensus:
    """Mean picture of several networks.

    Attributes
    ----------
    mean, spread : ndarray, shape (n, n_other)
        Mean and standard deviation over the networks, entry by entry; link coordinate in rows.
    """

    mean: Array
    spread: Array


@dataclass(frozen=True, eq=False)
class Agreement:
    """Descrambled matrices of several networks, each compared with each.

    Attributes
    ----------
    modes : ndarray, shape (n_networks, n, n_other)
        The matrices in the canonical gauge, in mode coordinates: V^T P W, one link mode in a row.
    resolved : ndarray of bool, shape (n_networks, n)
        Which modes the inputs resolve.
    similarity, bound : ndarray, shape (n_networks, n_networks)
        Cosine over the modes that both resolve, in the canonical gauge and in the best: see
        `Comparison`. NaN for two networks that share no resolved mode.
    """

    modes: Array
    resolved: Array
    similarity: Array
    bound: Array

    @cached_property
    def invariant(self) -> Array:
        """Cosine between the Gram matrices W^T W of the whole matrices, shape (n_networks, n_networks).

        No rotation of the units changes it: agreement that needs no descrambling.
        """
        overlap = np.empty_like(self.similarity)
        for row, one in enumerate(self.modes):
            for column, other in enumerate(self.modes[: row + 1]):
                overlap[row, column] = overlap[column, row] = np.square(one @ other.T).sum()
        own = np.sqrt(np.diagonal(overlap))
        cosine: Array = overlap / np.outer(own, own)
        return cosine

    @cached_property
    def mode_cosines(self) -> Array:
        """Cosine between the same mode of two networks, shape (n, n_networks, n_networks).

        In the canonical gauge; NaN where one of the two does not resolve the mode.
        """
        unit = self.modes / np.linalg.norm(self.modes, axis=2, keepdims=True)
        unit = np.where(self.resolved[..., None], unit, np.nan).transpose(1, 0, 2)
        cosines: Array = unit @ unit.transpose(0, 2, 1)
        return cosines

    @property
    def resolved_share(self) -> Array:
        """Share of the squared weights that is in resolved modes, shape (n_networks,)."""
        power = np.square(self.modes).sum(axis=2)
        share: Array = (power * self.resolved).sum(axis=1) / power.sum(axis=1)
        return share

    @property
    def typical(self) -> Array:
        """Median bound of each network with the others, shape (n_networks,)."""
        others = np.isfinite(self.bound) & ~np.eye(len(self.bound), dtype=bool)
        rows = zip(self.bound, others, strict=True)
        return np.array([np.median(b[o]) if o.any() else np.nan for b, o in rows])

    @property
    def medoid(self) -> int:
        """The network that the others are most like: the largest of `typical`."""
        return int(np.nanargmax(self.typical))

    @property
    def threshold(self) -> float:
        """Least `typical` value of a network that is no outlier.

        The median of `typical` less 3.5 times its scaled median absolute deviation (Iglewicz and
        Hoaglin 1993), which is taken as at least 0.01.
        """
        typical = self.typical
        median = np.nanmedian(typical)
        deviation = 1.4826 * np.nanmedian(np.abs(typical - median))
        return float(median - OUTLIER_LIMIT * max(deviation, LEAST_SPREAD))

    @property
    def outliers(self) -> tuple[int, ...]:
        """Networks, counted from 0, that no gauge brings as near to the others as `threshold`.

        A network that shares no resolved mode with most others is one too.
        """
        ordinary = self.typical >= self.threshold
        return tuple(int(index) for index in np.flatnonzero(~ordinary))

    @property
    def majority(self) -> Array:
        """Modes that more than half of the networks resolve, shape (n,)."""
        majority: Array = self.resolved.mean(axis=0) > 0.5
        return majority

    def picture(self, network: int) -> Array:
        """One network's descrambled weights in the canonical gauge, shape (n, n_other).

        Link coordinate in rows, made of the modes of `majority`.
        """
        return _basis(len(self.majority)).from_modes(self.modes[network] * self.majority[:, None])

    def consensus(self, *, align: bool = False) -> Consensus:
        """Mean and spread of the pictures, in the canonical gauge or each aligned to the medoid's.

        Pictures are made of the modes of `majority`.

        Parameters
        ----------
        align : bool
            Whether each is turned, within the gauge group, to its best fit with the medoid. Of
            random matrices, too, that makes a mean that looks somewhat like the medoid.

        Returns
        -------
        Consensus
        """
        pictures = self.modes * self.majority[:, None]
        basis = _basis(len(self.majority))
        if align:
            reference = pictures[self.medoid]
            pictures = np.stack([aligned(picture, reference, basis) for picture in pictures])
        links = np.stack([basis.from_modes(picture) for picture in pictures])
        return Consensus(links.mean(axis=0), links.std(axis=0))


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Networks descrambled on the same inputs, and what their agreement must beat.

    Attributes
    ----------
    layer : int
    tap : {"before", "after"}
    n_inputs : int
        Number of inputs, the same for every network.
    n_initial : int
        Networks that brought their untrained weights; for the others random weights stand in.
    trained, untrained : Agreement
        Of the networks, and of the same before training: agreement that the inputs make alone.
    random : Agreement
        Of the trained pictures with each mode in a random direction: what the free signs of the
        gauge make of nothing.
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
                spreads[f"{kind}, {name}"] = _spread(getattr(agreement, kind))
        for name in ("trained", "untrained"):
            spreads[f"invariant, {name}"] = _spread(sets[name].invariant)
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

    def __str__(self) -> str:
        rows = self.table()
        width = max(len(name) for name, _ in rows)
        return "\n".join(["Ensemble", *(f"  {name:<{width}}  {value}" for name, value in rows)])

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
    networks: Sequence[Network],
    inputs: ArrayLike,
    layer: int = 1,
    tap: str = "before",
    *,
    random_state: int = 0,
    progress: Callable[[str], None] | None = None,
) -> Ensemble:
    """Descramble one link dimension of many networks on the same inputs and compare the pictures.

    Each is descrambled for smoothness, exactly, in the canonical gauge; two are compared over the
    modes that both resolve. Biases are left out.

    Parameters
    ----------
    networks : sequence of Network
        At least two, alike in the number of inputs and in the shape of the weights that are
        compared: units of layers of different width have no counterparts.
    inputs : array_like, shape (m, n_in)
        What every network sees.
    layer : int
        Linear layer, counted from 1.
    tap : {"before", "after"}
        "before" compares ``P W_1``, rotated by the signals before the activation of layer 1;
        "after" compares ``W_n P^T``, by the signals after the activation of layer n - 1, n the
        last. The other sides of the other weights are link dimensions themselves.
    random_state : int
        Seed of the random directions, and with the network's number that of the weights which
        stand in for untrained ones.
    progress : callable, optional
        Told what has been done, twice for each network.

    Returns
    -------
    Ensemble

    Raises
    ------
    TypeError, ValueError
        If the networks, the inputs, the layer and the tap do not fit together, or no two networks
        share a resolved mode.
    """
    given = list(networks)
    _check(given, layer, tap)
    x = matrix("inputs", inputs)
    untrained = [
        network.initial or random_counterpart(network, random_state + index)
        for index, network in enumerate(given)
    ]

    def agreement(name: str, members: list[Network]) -> Agreement:
        parts = []
        for index, network in enumerate(members, 1):
            parts.append(_descrambled(network, x, layer, tap))
            if progress is not None:
                progress(f"{name} {index} of {len(members)}")
        modes, resolved = zip(*parts, strict=True)
        return _agreement(np.stack(modes), np.stack(resolved))

    trained = agreement("trained", given)
    if not np.isfinite(trained.typical).any():
        raise ValueError("inputs resolve no mode in two of the networks: more inputs are needed")
    return Ensemble(
        layer=layer,
        tap=tap,
        n_inputs=len(x),
        n_initial=sum(network.initial is not None for network in given),
        trained=trained,
        untrained=agreement("untrained", untrained),
        random=_agreement(_random_directions(trained.modes, random_state), trained.resolved),
    )


def _check(networks: list[Network], layer: int, tap: str) -> None:
    choice("tap", tap, ("before", "after"))
    for network in networks:
        if not isinstance(network, Network):
            raise TypeError(f"networks must hold networks, got {type(network).__name__}")
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


def _basis(n: int) -> LinkBasis:
    return Smoothness().basis(n)


def _descrambled(network: Network, x: Array, layer: int, tap: str) -> tuple[Array, Array]:
    """One matrix in mode coordinates, and which modes are resolved."""
    result = descramble(network.signals(x, layer, tap))
    weights = _weights(network, layer, tap).astype(np.float64)
    return _basis(len(weights)).to_modes(result.rotation.left(weights)), result.resolved


def _agreement(modes: Array, resolved: Array) -> Agreement:
    return Agreement(modes, resolved, *similarities(modes, resolved, _basis(modes.shape[1])))


def _random_directions(modes: Array, random_state: int) -> Array:
    directions = np.random.default_rng(random_state).standard_normal(modes.shape)
    norms = np.linalg.norm(modes, axis=2) / np.linalg.norm(directions, axis=2)
    turned: Array = directions * norms[..., None]
    return turned


def _spread(values: Array) -> Spread:
    pairs = values[np.triu_indices(len(values), 1)]
    pairs = pairs[np.isfinite(pairs)]
    if not pairs.size:
        return Spread(*[np.nan] * 5)
    return Spread(*(float(q) for q in np.quantile(pairs, [0, 0.25, 0.5, 0.75, 1])))


def _resolved(agreement: Agreement) -> str:
    counts, share = agreement.resolved.sum(axis=1), agreement.resolved_share
    return (
        f"{np.median(counts):g} ({counts.min()} to {counts.max()}) of {agreement.resolved.shape[1]} modes, "
        f"{np.median(share):.3f} ({share.min():.3f} to {share.max():.3f}) of the squared weights"
    )
