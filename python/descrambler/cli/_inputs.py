"""Inputs of networks from files of numbers."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._util import limits
from .._util.files import documented, open_arrays, open_regular, read_stream
from .._util.validate import Array, shape_advice
from ..errors import WeightFileError
from ..network._network import Network
from ..readers import read_matlab
from ._tables import read_table

Controls: TypeAlias = dict[str, list[Network]]

SUFFIXES = (".npz", ".mat", ".pt", ".pth", ".onnx", ".keras", ".h5", ".hdf5", ".safetensors")
"""Suffixes of the files that are read as networks in a folder of controls."""

KINDS = ".npy, .npz or .mat with one matrix, or .csv; one sample per row"

NAMES = ("inputs", "traces", "x")
"""What inputs are called in files that hold more, such as those of ``descrambler simulate``."""


def read_inputs(path: Path, network: Network) -> Array:
    """Read samples in rows from an .npy, .npz, .mat or .csv file.

    Raises
    ------
    ValueError
        If the file does not hold exactly one matrix with as many columns as the network has inputs.
    """
    x = read_matrix(path)
    if x.shape[1] != network.n_in:
        raise ValueError(
            f"{path} must hold an array of shape (m, {network.n_in}), found {x.shape}"
            f"{shape_advice(x.shape, network.n_in)}"
        )
    if not np.isfinite(x).all():
        row, column = np.argwhere(~np.isfinite(x))[0]
        raise ValueError(
            f"{path} must be finite, found {x[row, column]} in row {row + 1}, column {column + 1} "
            "(counted from 1): fill it, or drop the row"
        )
    return x


def read_networks(
    paths: Sequence[Path], read: Callable[[Path], Network], inputs: Path
) -> list[Network]:
    """Read networks; if one is a table and the inputs are a network, say that they are swapped.

    Raises
    ------
    WeightFileError
        If one cannot be read.
    """
    networks = []
    for path in paths:
        try:
            networks.append(read(path))
        except WeightFileError as error:
            if _is_table(path) and not _is_table(inputs):
                raise WeightFileError(
                    f"{path} holds a table of numbers and no network: are NET and --inputs ({inputs}) swapped?"
                ) from error
            raise
    return networks


def _is_table(path: Path) -> bool:
    try:
        return read_matrix(path).ndim == 2
    except (OSError, TypeError, ValueError):
        return False


def in_precision(x: Array, networks: Sequence[Network], dtype: str | None) -> Array:
    """Return inputs whose signals in these networks have this precision."""
    if dtype is None:
        return x
    for layer in (layer for network in networks for layer in network.linears):
        if np.result_type(layer.weight, dtype) != dtype:
            raise ValueError(
                f"--dtype {dtype}: the network's weights are {layer.weight.dtype}, in which its signals are"
            )
    return x.astype(dtype)


def read_controls(folders: Sequence[Path], read: Callable[[Path], Network]) -> Controls:
    """Read the networks in folders; a folder's name is the kind of its controls.

    A folder without networks of its own stands for its subfolders.

    Raises
    ------
    ValueError
        If there is no such folder, no network in it, or a kind is given twice.
    """
    controls: Controls = {}
    for folder in folders:
        if not folder.is_dir():
            raise ValueError(f"--controls {folder}: there is no such folder")
        parts = [folder] if _networks(folder) else sorted(filter(Path.is_dir, folder.iterdir()))
        for part in parts:
            paths = _networks(part)
            if not paths:
                raise ValueError(f"--controls {part}: there is no network file in this folder")
            if part.name in controls:
                raise ValueError(
                    f"--controls: two folders are named {part.name}, which is the kind of their controls"
                )
            controls[part.name] = [read(path) for path in paths]
        if not parts:
            raise ValueError(f"--controls {folder}: there is no network file in this folder")
    return controls


def _networks(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.iterdir() if path.is_file() and path.suffix.lower() in SUFFIXES
    )


def read_matrix(path: Path) -> Array:
    """Read the one matrix of an .npy, .npz, .mat or .csv file.

    Raises
    ------
    ValueError
        If the file does not hold exactly one matrix.
    """
    with open_regular(path) as stream:
        head = stream.read(128)
        stream.seek(0)
        if head[126:] in (b"IM", b"MI"):
            arrays = {key: value for key, value in read_matlab(path).items() if value.size > 1}
        elif head.startswith((b"\x93NUMPY", b"PK")):
            arrays = _numpy(path, stream)
        elif path.suffix.lower() == ".csv":
            content = read_stream(path, stream)
            with documented(path, "is not a table of numbers between commas"):
                arrays = {"table": read_table(content)}
        else:
            raise ValueError(f"{path} must be an {KINDS}")
    numeric = {key: value for key, value in arrays.items() if value.dtype.kind in "fiub"}
    numeric = {key: numeric[key] for key in NAMES if key in numeric} or numeric
    if len(numeric) != 1:
        raise ValueError(
            f"{path} must hold one array of numbers, or one called {' or '.join(NAMES)}; "
            f"found {len(numeric)}{_content(arrays)}"
        )
    (x,) = numeric.values()
    if x.ndim != 2:
        raise ValueError(f"{path} must hold a matrix, found an array of shape {x.shape}")
    return x


def _content(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Say what a file holds instead of one array of numbers."""
    if "W1" in arrays or any(name.endswith("weight") for name in arrays):
        return ", which are weights: it is a network, and --inputs takes one sample per row"
    others = {str(a.dtype) for a in arrays.values() if a.dtype.kind not in "fiub"}
    if others:
        return f"; entries of type {', '.join(sorted(others))} are no real numbers"
    return ""


def _numpy(path: Path, stream: BinaryIO) -> dict[str, NDArray[Any]]:
    with documented(path, "is not a readable .npy or .npz file"):
        if stream.peek(2)[:2] == b"PK":  # type: ignore[attr-defined]
            with open_arrays(stream) as archive:
                return dict(archive)
        limits.check_bytes(os.fstat(stream.fileno()).st_size)
        return {"array": np.load(stream, allow_pickle=False)}
