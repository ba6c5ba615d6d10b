"""Checks of inputs and controls: what cannot support a verdict is refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._util.validate import Array
from ..analysis._jacobian import directions_matrix
from ..network._layers import Unrolled
from ..network._network import Network
from ..readers import is_source
from ._given import are_several, as_network
from ._verdicts import REQUIRED, TRUE
from .detectors import Detector

NOT_RECIPE = {"kind", "minutes", "number", "random_state", "seed", "seeds", "shuffle"}
REFITTED = "refit_controls"
"""Name of the recipe of `refit_controls` in the provenance of its networks."""
LEAST_DISTINCT = 30
"""Distinct inputs below which nothing is judged."""


def distinct_rows(inputs: Array) -> int:
    """Return the number of different rows."""
    return len(np.unique(np.ascontiguousarray(inputs), axis=0))


def check_inputs(inputs: Array) -> int:
    """Return the number of distinct rows.

    Raises
    ------
    ValueError
        If all rows are the same, or fewer than 30 are distinct.
    """
    distinct = distinct_rows(inputs)
    if distinct == 1 and len(inputs) > 1:
        raise ValueError("inputs must vary, but all rows are the same: give real data")
    if distinct < LEAST_DISTINCT:
        raise ValueError(
            f"inputs must have at least {LEAST_DISTINCT} distinct rows, got {distinct}: too few to judge a network by"
        )
    return distinct


def check_controls(
    network: Network, controls: Mapping[str, Sequence[Network]] | None
) -> dict[str, tuple[Network, ...]]:
    """Return the controls by kind.

    Raises
    ------
    TypeError, ValueError
        If they are not networks of the shape of the one that is judged, are that network, or one
        of them is given twice.
    """
    if controls is None:
        return {}
    if not isinstance(controls, Mapping):
        raise TypeError(
            'controls must be a mapping such as {"once": [...], "anew": [...]}, got '
            f"{type(controls).__name__}"
        )
    seen = {_weights(network): "the network that is judged"}
    checked: dict[str, tuple[Network, ...]] = {}
    for kind, networks in controls.items():
        if not are_several(networks):
            raise TypeError(
                f"controls[{kind!r}] must be a list of networks, got {type(networks).__name__}"
            )
        checked[str(kind)] = tuple(
            as_network(f"controls[{kind!r}][{number}]", control)
            for number, control in enumerate(networks)
        )
        for number, control in enumerate(checked[str(kind)]):
            name = f"controls[{kind!r}][{number}]"
            _check_shape(name, control, network)
            weights = _weights(control)
            if weights in seen:
                raise ValueError(
                    f"{name} has the weights of {seen[weights]}: each control needs a start of its own"
                )
            seen[weights] = name
    return {kind: networks for kind, networks in checked.items() if networks}


def checked_directions(
    nuisance: ArrayLike | None, wanted: ArrayLike | None, n_in: int
) -> tuple[Array | None, Array | None]:
    """Return both kinds of directions as matrices; either both are given or none."""
    if (nuisance is None) != (wanted is None):
        given, other = ("wanted", "nuisance") if nuisance is None else ("nuisance", "wanted")
        raise ValueError(f"{given} needs {other}: the response to both is compared")
    if nuisance is None or wanted is None:
        return None, None
    return (
        directions_matrix("nuisance", nuisance, n_in),
        directions_matrix("wanted", wanted, n_in),
    )


def checked_detectors(detectors: Any) -> tuple[Detector, ...]:
    """Return the detectors, if they are a sequence of these."""
    given = (
        tuple(detectors)
        if isinstance(detectors, Iterable) and not isinstance(detectors, str)
        else (detectors,)
    )
    for member in given:
        if not isinstance(member, Detector):
            raise TypeError(
                "detectors must be a list of detectors, as in [d for d in ds.evidence.detectors.DETECTORS if "
                f'd.name == "low rank"], got {member!r}'
            )
    return given


def checked_initial(network: Network, initial: Any) -> Any:
    """Return the untrained network, or the function that makes one.

    Raises
    ------
    TypeError, ValueError
        If they are of other shapes than the network, a function makes the same network twice, or the
        network has convolutions and `initial` does not make networks of a fresh initialization.
    """
    _check_convolutions(network, initial)
    if initial is None:
        return None
    if callable(initial) and not isinstance(initial, Network) and not is_source(initial):
        first, second = initial(0), initial(1)
        _check_shape("initial", first, network)
        _check_shape("initial", second, network)
        if _weights(first) == _weights(second):
            raise ValueError(
                "initial must return another network for each seed, got the same weights for the seeds 0 "
                "and 1: seed its random numbers with its argument, or pass one network in its place"
            )
        return initial
    untrained = as_network("initial", initial)
    _check_shape("initial", untrained, network)
    return untrained


def _check_convolutions(network: Network, initial: Any) -> None:
    if not has_convolutions(network):
        return
    if callable(initial) and not isinstance(initial, Network) and not is_source(initial):
        return
    raise ValueError(
        "initial must be a function from a seed to a network of a fresh initialization, as in "
        "initial=lambda seed: ds.load(build(seed)), since this network has convolutions: their matrices are "
        "banded before any training, and all other nulls are without this. To judge their channels, see "
        "ds.interop.torch.capture and ds.interpret_layers"
    )


def has_convolutions(network: Network) -> bool:
    """Tell whether linear layers of a network are convolutions, by the layers or by its provenance."""
    unrolled = any(isinstance(layer, Unrolled) for layer in network.linears)
    return unrolled or bool(network.provenance.get("convolutions"))


def other_recipe(network: Network, controls: Mapping[str, Sequence[Network]]) -> str:
    """Return a difference between the recorded recipes of the controls and of the network; empty if none.

    Compared are the settings of the training that both record in their provenance, except seeds. The recipe
    of `refit_controls` is another one than that of any network it did not make. With networks trained on the
    true targets by the controls' recipe the comparison is not needed.
    """
    if TRUE in controls:
        return ""
    own = _recipe(network)
    for kind in REQUIRED:
        for control in controls.get(kind, ()):
            theirs = _recipe(control)
            if theirs.get("recipe") == REFITTED != own.get("recipe"):
                return (
                    f"the controls were trained by {REFITTED}, the network was not, and those of the kind {TRUE} "
                    "are missing"
                )
            for name in sorted(own.keys() & theirs.keys() - NOT_RECIPE):
                if own[name] != theirs[name]:
                    return f"the controls have {name} {theirs[name]}, the network {own[name]}"
    return ""


def _recipe(network: Network) -> Mapping[str, Any]:
    """Return what a network records of its training; that of a refitted one stands beside its kind."""
    record = network.provenance
    settings = record if record.get("recipe") == REFITTED else record.get("settings", {})
    return settings if isinstance(settings, Mapping) else {}


def _check_shape(name: str, control: object, network: Network) -> None:
    if not isinstance(control, Network):
        raise TypeError(
            f"{name} must be a Network (ds.load reads files), got {type(control).__name__}"
        )
    shapes = [
        [net.linear(k).weight.shape for k in range(1, net.n_linear + 1)]
        for net in (control, network)
    ]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"{name} must have the layers of the network, weights of shapes {shapes[1]}, got {shapes[0]}"
        )


def _weights(network: Network) -> bytes:
    return b"".join(
        network.linear(k).weight.astype(np.float64).tobytes()
        for k in range(1, network.n_linear + 1)
    )
