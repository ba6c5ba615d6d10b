"""All that a page shows, as text and numbers in one file, from which the page can be drawn at any time."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..._util.files import documented, read_arrays, write_arrays
from ..._util.tables import brief
from ...evidence._study import Study
from ...network._network import Network
from .._axes import resolved_end
from .._layout import MAGNITUDE_QUANTILE, SIGNED_QUANTILE
from ._describe import chain, claims, findings, layer_record, network_record
from ._gather import about, first_screen, occasion, units
from ._methods import methods
from ._packing import Packed, blocks, pack, picked
from ._views import Side, View, view

if TYPE_CHECKING:
    from ...evidence._interpretation import Interpretation

SCHEMA = "descrambler.report.v1"

CELLS = 2_000_000
"""What all pictures of a page may hold; of larger ones, every second, third, ... row is drawn."""


LEAST_VIEW = 16
"""Frequencies in the first view of a spectrum, where there are as many."""

TEXTS = {
    "title",
    "stride",
    "networks",
    "chain",
    "layers",
    "sides",
    "findings",
    "summary",
    "inputs",
    "methods",
    "first",
    "about",
    "units",
    "claims",
}


@brief
@dataclass(frozen=True, eq=False)
class Record:
    """What a page shows.

    Attributes
    ----------
    text : dict
        JSON values: findings, layers, networks, methods.
    pictures : dict of str to Packed
        By "network/layer/name", networks counted from 0 (the trained one), layers from 1.
    numbers : dict of str to ndarray
        Exact, for the reader to take away.
    """

    text: dict[str, Any]
    pictures: dict[str, Packed]
    numbers: dict[str, NDArray[Any]]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write to an .npz file, whole or not at all, without pickle."""
        scales = {key: picture.scale for key, picture in self.pictures.items()}
        arrays: dict[str, Any] = {
            "text": np.array(json.dumps(self.text)),
            "scales": np.array(json.dumps(scales)),
        }
        arrays |= {f"picture:{key}": picture.integers for key, picture in self.pictures.items()}
        arrays |= {f"number:{key}": value for key, value in self.numbers.items()}
        write_arrays(path, SCHEMA, arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Record:
        """Read what :meth:`save` wrote.

        Raises
        ------
        ValueError
            If the file is not such a file.
        """
        arrays = read_arrays(path, SCHEMA)
        with documented(path, "is not a whole report file"):
            text, scales = json.loads(str(arrays["text"])), json.loads(str(arrays["scales"]))
            pictures = {
                key: Packed(arrays[f"picture:{key}"], float(scale)) for key, scale in scales.items()
            }
        if not isinstance(text, dict) or not text.keys() >= TEXTS:
            raise ValueError(f"{path} is not a whole report file: its text lacks parts")
        start = "number:"
        numbers = {k[len(start) :]: v for k, v in arrays.items() if k.startswith(start)}
        return cls(text, pictures, numbers)


def record(interpretation: Interpretation, files: Sequence[str | os.PathLike[str]] = ()) -> Record:
    """Gather what a page shows of an interpretation.

    Parameters
    ----------
    interpretation : Interpretation
    files : sequence of paths
        Files of the network and the inputs; their SHA-256 is noted.
    """
    network = interpretation.study.network
    names = ["trained", *(kind.name for kind in interpretation.counterparts)]
    stride = _stride(network, len(names))
    pictures: dict[str, Packed] = {}
    numbers: dict[str, NDArray[Any]] = {}
    sides: dict[str, Any] = {}
    for place, study in enumerate(_studies(interpretation)):
        for layer in range(1, network.n_linear + 1):
            seen = view(study, layer)
            prefix = f"{place}/{layer}"
            for name, picture in _pictures(seen, stride, trained=place == 0):
                pictures[f"{prefix}/{name}"] = picture
            sides[prefix] = _sides(seen)
            if place == 0:
                numbers |= {f"layer{layer}.{k}": v for k, v in _numbers(seen)}
                sides[prefix] |= _limits(seen)
    first, first_pictures, first_numbers = first_screen(interpretation)
    inputs, examples = about(interpretation)
    by_unit, gradients = units(interpretation)
    pictures |= first_pictures
    numbers |= first_numbers | gradients | {"inputs.examples": examples}
    told = methods(interpretation, files)
    text = {
        "title": _title(interpretation, files),
        "first": first,
        "about": inputs,
        "units": by_unit,
        "claims": claims(interpretation),
        "stride": stride,
        "networks": [network_record(interpretation, k) for k in range(len(names))],
        "chain": chain(network),
        "layers": [layer_record(interpretation, k + 1) for k in range(network.n_linear)],
        "sides": sides,
        "findings": findings(interpretation),
        "summary": first["headline"],
        "inputs": [_count(interpretation.pictured), interpretation.n_null_inputs],
        "methods": told | {"rows": [*occasion(), *told["rows"]]},
    }
    return Record(text, pictures, numbers)


def _title(interpretation: Interpretation, files: Sequence[str | os.PathLike[str]]) -> str:
    """Return the name of the network: its file, or its widths."""
    if files:
        return f"Descrambled network {Path(files[0]).name}"
    network = interpretation.study.network
    widths = [network.n_in, *(linear.n_out for linear in network.linears)]
    return f"Descrambled network {'-'.join(map(str, widths))}"


def _count(study: Study) -> int:
    assert study.inputs is not None
    return len(study.inputs)


def _studies(interpretation: Interpretation) -> Iterator[Study]:
    yield interpretation.pictured
    for kind in interpretation.counterparts:
        yield interpretation.pictured_draw(kind)


def _stride(network: Network, n_networks: int) -> int:
    """Smallest stride with which the pictures of all networks keep to `CELLS`."""
    stride = 1
    while True:
        cells = 0
        for k in range(1, network.n_linear + 1):
            shape = network.linear(k).weight.shape
            raw = np.prod([-(-n // stride) for n in shape])
            spectrum = np.prod([-(-(n // 2 + 1) // stride) for n in shape])
            cells += int(raw + n_networks * (raw + spectrum))
        if cells <= CELLS:
            return stride
        stride += 1


def _pictures(seen: View, stride: int, trained: bool) -> Iterator[tuple[str, Packed]]:
    if trained:
        yield "raw", pack(picked(seen.raw, stride))
    yield "descrambled", pack(picked(seen.descrambled, stride))
    if seen.bias is not None:
        yield "bias", pack(picked(seen.bias, stride))
    yield "spectrum", pack(blocks(seen.spectrum, stride))
    yield "singular", pack(_decades(seen.singular), np.int16)
    yield "output_vectors", pack(seen.output_vectors, np.int16)
    yield "input_vectors", pack(seen.input_vectors, np.int16)
    for name, side in (("outputs", seen.outputs), ("inputs", seen.inputs)):
        if side is not None:
            yield f"{name}_gram", pack(_decades(side.eigenvalues), np.int16)


def _decades(values: NDArray[Any]) -> NDArray[Any]:
    """Decimal logarithm relative to the largest, from rounding error up."""
    return np.log10(np.maximum(values / (float(values.max()) or 1.0), 1e-17))


def _sides(seen: View) -> dict[str, Any]:
    resolved = {
        name: None if side is None else np.flatnonzero(side.resolved).tolist()
        for name, side in (("outputs", seen.outputs), ("inputs", seen.inputs))
    }
    return {"unit": seen.unit, "largest": float(seen.singular.max()), "resolved": resolved}


def _limits(seen: View) -> dict[str, Any]:
    """Tops of the color scales; the few entries beyond them saturate."""
    weights = [float(np.quantile(np.abs(v), SIGNED_QUANTILE)) for v in (seen.raw, seen.descrambled)]
    magnitude = float(np.quantile(seen.spectrum, MAGNITUDE_QUANTILE))
    home = [
        _home(seen.spectrum, axis, side) for axis, side in ((0, seen.outputs), (1, seen.inputs))
    ]
    return {"limit": max(weights) or 1.0, "magnitude": magnitude or 1.0, "home": home}


def _home(spectrum: NDArray[Any], axis: int, side: Side | None) -> int:
    """Last frequency of the first view: where the resolved modes end, or 90 % of the energy."""
    last: int = spectrum.shape[axis] - 1
    if side is None:
        energy = np.cumsum(np.square(spectrum).sum(axis=1 - axis))
        end = int(np.searchsorted(energy, 0.9 * energy[-1]))
    else:
        end = resolved_end(side.resolved)
    return min(last, max(end + end // 4, LEAST_VIEW))


def _numbers(seen: View) -> Iterator[tuple[str, NDArray[Any]]]:
    yield "singular_values", seen.singular
    yield "output_vectors", seen.output_vectors
    yield "input_vectors", seen.input_vectors
    for name, side in (("outputs", seen.outputs), ("inputs", seen.inputs)):
        if side is not None:
            yield f"{name}_gram_eigenvalues", side.eigenvalues
            yield f"{name}_resolved", side.resolved
    yield "raw", seen.raw
    yield "descrambled", seen.descrambled
