"""Trained networks from files and live models: one module for each format."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import WeightFileError
from ..network._network import Network
from . import _keras as keras
from . import _mat as mat
from . import _npz as npz
from . import _onnx as onnx
from . import _sklearn_estimator as estimator
from . import _state_dict as state_dict
from . import _torch_module as module
from ._build import Activations, refuse_activations

__all__ = ["load"]

_HDF5 = b"\x89HDF\r\n\x1a\n"
_MAT_HEADER = 128  # bytes; the last four are the version and the byte order
_ADVICE = "descrambler reads .npz, .mat, .onnx, .keras, .h5, .safetensors, .pt and .pth files"

Reader: TypeAlias = Callable[[Path, Activations], Network]


def load(source: str | os.PathLike[str] | Any, activations: Activations = None) -> Network:
    """Read a trained network. Nothing in a file is ever executed.

    The format of a file is told by its content, else by its suffix (docs/files.md has the keys
    and limits of each):

    - ``.npz`` as `Network.save` writes it;
    - ``.npz`` and ``.mat`` (MATLAB 5 to 7; 7.3 with the extra ``matlab``) with weights alone: ``W1``, ``W2``, ..., of shape
      (n_out, n_in), and optionally ``b1``, ``b2``, ..., of n_out entries;
    - ``.mat`` with a shallow network: the cells ``IW``, ``LW`` and ``b``, alone or as fields of
      a struct, as ``struct(net)`` has them;
    - ``.mat`` with a SeriesNetwork of the Deep Learning Toolbox (extra ``matlab``);
    - ``.onnx`` (extra ``onnx``);
    - ``.keras`` and ``.h5``, whole models as Keras saves them (extra ``keras``);
    - ``.safetensors`` (extra ``safetensors``) and ``.pt`` or ``.pth`` with a PyTorch state dict
      (extra ``torch``).

    Parameters
    ----------
    source : str, path-like, torch.nn.Module or scikit-learn estimator
        The file, or a live model: a module whose forward pass is one chain (as in evaluation),
        an MLPRegressor, an MLPClassifier, or a Pipeline of scalers and one of these.
    activations : sequence of str, or mapping, optional
        For files that hold weights alone: the activation after each linear layer, by the names
        that `Activation` knows. For state dicts also by the names of the layers, in the order of
        the signal.

    Returns
    -------
    Network

    Raises
    ------
    WeightFileError
        If the file is not one of these, is damaged, holds pickled objects, layers that are not
        known or numbers that make no network, or takes more time or memory to read than the
        limits of the child process that reads it (docs/files.md); the message has the file and
        the key or the layer.
    MissingExtraError
        If the extra is missing.
    ValueError
        If `activations` is given for a file that names its own.
    OSError
        If the file cannot be opened.
    """
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        return _reader(path)(path, activations)
    refuse_activations(type(source).__name__, activations)
    if module.is_module(source):
        return module.read(source)
    if estimator.is_estimator(source):
        return estimator.read(source)
    raise TypeError(
        "source must be a path, a torch.nn.Module or a scikit-learn estimator, "
        f"got {type(source).__name__}"
    )


def _reader(path: Path) -> Reader:
    """Return the reader of the format that the file has."""
    with path.open("rb") as file:
        head = file.read(520)
        size = file.seek(0, os.SEEK_END)
    if head.startswith(b"PK"):
        return _zip_reader(path)
    version = head[124:_MAT_HEADER]
    if version in (b"\x00\x01IM", b"\x01\x00MI") or (
        version == b"\x00\x02IM" and head[512:] == _HDF5
    ):
        return mat.read
    if head.startswith(_HDF5):
        return keras.read
    if head[8:9] == b"{" and 0 < int.from_bytes(head[:8], "little") < size:
        return state_dict.read_safetensors
    # The version of a model: protobuf has no magic bytes.
    if (head[:1] == b"\x08" and b"\x01" <= head[1:2] <= b"\x20") or path.suffix == ".onnx":
        return onnx.read
    raise WeightFileError(f"{path}: {_refusal(path, head)}; {_ADVICE}")


def _zip_reader(path: Path) -> Reader:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    # A damaged archive: the reader of .npz says so.
    except Exception:
        return npz.read
    if any(name.split("/")[-1] == "data.pkl" for name in names):
        return state_dict.read_torch
    if "config.json" in names and "model.weights.h5" in names:
        return keras.read
    return npz.read


def _refusal(path: Path, head: bytes) -> str:
    if head[:1] == b"\x80" and head[1:2] <= b"\x05":
        return "pickled data, which could run code when read, so it is refused"
    if not head:
        return "an empty file"
    if path.suffix.lower() in (".npz", ".mat"):
        return f"a damaged {path.suffix} file, or one of another format; begins with {head[:16]!r}"
    return f"not a known format; begins with {head[:16]!r}"
