"""Saving a model whose LayerNorms have become RMSNorms, and loading it into one of its class."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ..._util.validate import require_extra
from ._stream_disk import opened
from ._stream_disk import save as save_file
from ._stream_parts import find
from ._stream_spec import Stream
from ._stream_write import put_module

if TYPE_CHECKING:
    import torch
else:
    torch = require_extra("torch", "torch", "descrambler.interop.torch")

SCHEMA = "descrambler.stream.v1"


def refuse_saving(*args: Any, **kwargs: Any) -> NoReturn:
    """Stand in for `save_pretrained` of a model that its class could not load."""
    raise RuntimeError(
        "save_pretrained would save LayerNorms that have become RMSNorms as LayerNorms: use stream.save(path) and "
        "descrambler.interop.torch.load_rotated, or fold(keep_architecture=True)"
    )


def save(model: Any, spec: Stream, as_rms: bool, path: Any) -> None:
    """Save all weights and which norms are RMSNorms now."""
    norms = {n.name: n.eps for n in find(model, spec).norms} if as_rms else {}
    kept: dict[str, Any] = {}
    same: dict[str, str] = {}
    first: dict[int, str] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        if id(tensor) in first:
            same[name] = first[id(tensor)]
            continue
        first[id(tensor)] = name
        kept[name] = tensor.detach().contiguous().clone()
    header = {"schema": SCHEMA, "norms": json.dumps(norms), "same": json.dumps(same)}
    save_file(kept, Path(path), header)


def load_rotated(model: torch.nn.Module, path: str | Path) -> torch.nn.Module:
    """Load what :meth:`ResidualStream.save` saved into a model of the same class, in place.

    Parameters
    ----------
    model : nn.Module
        Built as the saved one was (``Class(config)``), in any state; it is put into evaluation mode.
    path : str or Path

    Returns
    -------
    nn.Module
        The model.

    Raises
    ------
    ValueError
        If the file is of another kind, or does not fit the model; the model is then as it was.
    """
    if not isinstance(model, torch.nn.Module):
        raise TypeError(
            f"model must be a torch.nn.Module, got {type(model).__name__}: build it first"
        )
    with opened(Path(path)) as file:
        header = file.metadata() or {}
        if header.get("schema") != SCHEMA:
            raise ValueError(
                f"{path} must be a file that ResidualStream.save wrote, got another one"
            )
        values = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    norms, same = (json.loads(header[key]) for key in ("norms", "same"))
    _check_fits(model, values, same)
    for name, eps in norms.items():
        width = len(values[f"{name}.weight"])
        put_module(model, name, torch.nn.RMSNorm(width, eps=eps))
    places: dict[str, Any] = {}
    for name, value in values.items():
        owner, _, attribute = name.rpartition(".")
        module = model.get_submodule(owner)
        if attribute in module._buffers:
            module._buffers[attribute] = value
        else:
            places[name] = torch.nn.Parameter(value, requires_grad=value.dtype.is_floating_point)
            module._parameters[attribute] = places[name]
    for name, source in same.items():
        owner, _, attribute = name.rpartition(".")
        model.get_submodule(owner)._parameters[attribute] = places[source]
    if norms and hasattr(model, "save_pretrained"):
        model.save_pretrained = refuse_saving
    return model.eval()


def _check_fits(model: Any, values: dict[str, Any], same: dict[str, str]) -> None:
    have, given = model.state_dict(), {*values, *same}
    missing = [name for name in have if name not in given]
    modules = dict(model.named_modules())
    for name, value in values.items():
        owner, _, attribute = name.rpartition(".")
        known = name in have and have[name].shape == value.shape
        new_bias = owner in modules and attribute == "bias" and name not in have
        if not (known or new_bias):
            missing.append(name)
    # The shifts of norms that are RMSNorms now are gone.
    missing = [name for name in missing if not (name in have and name.endswith(".bias"))]
    if missing:
        raise ValueError(
            f"the file does not fit the model: {', '.join(missing[:5])} missing or of another shape"
        )
