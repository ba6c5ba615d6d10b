"""Trained networks from files and live models: one module for each format."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..network._network import Network
from . import _format
from . import _keras as keras
from . import _mat as mat
from . import _npz as npz
from . import _onnx as onnx
from . import _sklearn_estimator as estimator
from . import _state_dict as state_dict
from . import _torch_module as module
from ._build import Activations, refuse_activations
from ._mat import read_matlab
from ._verify import NotVerified

__all__ = ["NotVerified", "load", "read_matlab"]

_READERS: dict[str, Callable[[Path, Activations], Network]] = {
    "npz": npz.read,
    "mat": mat.read,
    "keras": keras.read,
    "onnx": onnx.read,
}
_STATE_DICTS = {"safetensors": state_dict.read_safetensors, "torch": state_dict.read_torch}
_LIVE = (module.is_module, estimator.is_estimator)


_VERIFIED = {"keras": keras.read_verified, "onnx": onnx.read_verified}
"""Readers of the formats that have a runtime, which compare the network with it."""


def load(
    source: str | os.PathLike[str] | Any,
    activations: Activations = None,
    *,
    prefix: str | None = None,
    verify: bool = False,
    input_shape: Sequence[int] | None = None,
) -> Network:
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
    source : str, path-like, torch.nn.Module, scikit-learn estimator or state dict
        The file, or a live model: a module whose forward pass is one chain (as in evaluation),
        an MLPRegressor, an MLPClassifier, or a Pipeline of scalers and one of these. A copy of a
        live model is run, and what was read must compute the same. Or a mapping from names to
        tensors of PyTorch.
    activations : sequence of str, or mapping, optional
        For files that hold weights alone: the activation after each linear layer, by the names
        that `Activation` knows. For state dicts also by the names of the layers, in the order of
        the signal.
    prefix : str, optional
        For state dicts: read the tensors whose names begin with this and a dot, such as
        ``"actor"``; the names of the layers are then what follows. Keys of a checkpoint that
        holds the state dict count as parts of the names.
    verify : bool
        For files of ONNX and Keras: also run the file in ONNX Runtime or Keras, which must be
        installed, and compare the outputs for 192 random inputs. The runtime runs in the same
        limited process that reads the file. Live models are always compared with themselves.
    input_shape : sequence of int, optional
        For PyTorch modules: the shape of one sample, such as ``(channels, places)`` where the first layer is a
        ``Conv1d``. Needed only where several lengths fit the layers; the error says so.

    Returns
    -------
    Network
        Its `notes` say what was read in another way, what was not used, and whether it was
        verified.

    Raises
    ------
    WeightFileError
        If the file is not one of these, is damaged, holds pickled objects, layers that are not
        known or numbers that make no network, or takes more time or memory to read than the
        limits of the child process that reads it (docs/files.md); the message has the file and
        the key or the layer. With `verify`, also if the outputs of the network and the runtime
        differ, or cannot be compared.
    ReaderProcessError
        If that process cannot do its work here, whatever the file is; the message has the
        environment variable to set.
    MissingExtraError
        If the extra is missing.
    ValueError
        If `activations` is given for a file that names its own, `prefix` for what is no
        state dict, or `input_shape` for what is no PyTorch module.
    TypeError
        If the source is none of these, such as an open file.
    OSError
        If the file cannot be opened.
    """
    live = not _is_keras(source) and module.is_module(source)
    if input_shape is not None and not live:
        raise ValueError(
            f"input_shape must be None: it is for PyTorch modules, not for {type(source).__name__}"
        )
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        kind = _format.told(path)
        if verify:
            _check_verifiable(kind, path)
        if kind in _STATE_DICTS:
            return _STATE_DICTS[kind](path, activations, prefix)
        _refuse_prefix(f"a {kind} file", prefix)
        return (_VERIFIED if verify else _READERS)[kind](path, activations)
    if state_dict.is_mapping(source):
        if verify:
            _check_verifiable("state dict", "the state dict")
        return state_dict.read_mapping(source, activations, prefix)
    # With the backend torch, a model of Keras is a module too, which cannot be traced.
    if not live and (_is_keras(source) or not estimator.is_estimator(source)):
        raise TypeError(
            "source must be a path, a torch.nn.Module, a scikit-learn estimator or a mapping of "
            f"tensors, got {type(source).__name__}" + _advice(source)
        )
    _refuse_prefix(type(source).__name__, prefix)
    refuse_activations(type(source).__name__, activations)
    return module.read(source, input_shape) if live else estimator.read(source)


def is_source(value: Any) -> bool:
    """Whether `load` would try to read a value: a path, a live model or a state dict."""
    live = any(told(value) for told in _LIVE)
    return isinstance(value, str | os.PathLike) or live or state_dict.is_mapping(value)


def _is_keras(source: Any) -> bool:
    return any(base.__module__.startswith("keras.") for base in type(source).__mro__)


def _advice(source: Any) -> str:
    """Say what to do with what is not read."""
    if _is_keras(source):
        return ", a model of Keras; save it with model.save('net.keras') and give this path"
    if isinstance(source, Mapping):
        return " of other values; from arrays make ds.Network([ds.Linear(W, b), ...])"
    if isinstance(source, bytes) or hasattr(source, "read"):
        return "; write its content to a file and give the path"
    return ""


def _refuse_prefix(what: str, prefix: str | None) -> None:
    if prefix is not None:
        raise ValueError(f"prefix must be None: it is for state dicts, not for {what}")


def _check_verifiable(kind: str, source: Path | str) -> None:
    if kind not in _VERIFIED:
        raise NotVerified(
            f"{source}: not verified, since {kind} files hold weights and no model to run; load it without "
            "verify=True and compare network(x) with the outputs of the model"
        )
