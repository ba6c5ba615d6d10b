"""The tensors of one layer in a state dict: the layer that they make, or why they make none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from numpy.typing import NDArray

from ..errors import WeightFileError
from ..network._layers import BatchNorm, Linear
from ._build import Source, blame, linear, listing, lookup, refuse_integers, refuse_layer

_LINEAR = {"weight", "bias"}
_BATCH_NORM = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}

# Signs in the names of a part and its tensors, what they are signs of, and what to do.
_SIGNS = (
    (
        {"weight_g", "weight_v"},
        "weight_norm keeps its weight as length and direction; call "
        "torch.nn.utils.remove_weight_norm(layer) and save the state dict again",
    ),
    (
        {"weight_orig", "weight_mask"},
        "its weight is pruned; call torch.nn.utils.prune.remove(layer, 'weight') and save the "
        "state dict again",
    ),
    (
        {"weight_orig", "weight_u"},
        "spectral_norm computes its weight; call torch.nn.utils.remove_spectral_norm(layer) and "
        "save the state dict again",
    ),
    (
        {"parametrizations"},
        "a parametrization (such as weight_norm) computes its weight; call "
        "torch.nn.utils.parametrize.remove_parametrizations(layer, 'weight') and save the state "
        "dict again",
    ),
    (
        {"lora_A"},
        "a LoRA adapter adds to a layer; save model.merge_and_unload().state_dict()",
    ),
    (
        {"lora_B"},
        "a LoRA adapter adds to a layer; save model.merge_and_unload().state_dict()",
    ),
    (
        {"_packed_params"},
        "it is quantized; save the state dict of the model before quantization",
    ),
    (
        {"fake_quant_enabled"},
        "it is quantized in training; save the state dict of the model without quantization",
    ),
)


def parts(arrays: Iterable[str]) -> dict[str, set[str]]:
    """Return the names of the tensors of each layer, by the name of the layer."""
    fields: dict[str, set[str]] = {}
    for key in arrays:
        name, _, field = key.rpartition(".")
        fields.setdefault(name, set()).add(field)
    return fields


def layer(
    source: Source, arrays: Mapping[str, NDArray[Any]], name: str, fields: set[str]
) -> Linear | BatchNorm:
    """Return the layer of one name, or raise WeightFileError with what it is instead."""
    prefix = f"{name}." if name else ""

    def get(key: str) -> NDArray[Any]:
        return refuse_integers(source, key, lookup(source, arrays, key))

    if {"running_mean", "running_var"} <= fields <= _BATCH_NORM:
        keys = [f"{prefix}{field}" for field in ("running_mean", "running_var", "weight", "bias")]
        numbers = [get(key) if key in arrays else None for key in keys]
        with blame(source, name):
            return BatchNorm(*numbers)  # type: ignore[arg-type]
    if not {"weight"} <= fields <= _LINEAR:
        raise _refused(source, name, fields, arrays)
    rank = arrays[f"{prefix}weight"].ndim
    if rank != 2:
        raise _refused_rank(source, name, rank, has_bias="bias" in fields)
    return linear(source, get, f"{prefix}weight", f"{prefix}bias" if "bias" in fields else None)


def _refused(
    source: Source, name: str, fields: set[str], arrays: Mapping[str, NDArray[Any]]
) -> WeightFileError:
    """Return the error for tensors that are no layer that is read."""
    near = {part for key in arrays if key.startswith(name) for part in key.split(".")}
    for signs, what in _SIGNS:
        if signs <= fields | (near if len(signs) == 1 else set()) | set(name.split(".")):
            steps = name.split(".")
            owner = steps[: next((k for k, p in enumerate(steps) if p in signs), None)]
            return WeightFileError(f"{source}, {'.'.join(owner) or name}: {what}")
    if not name or not any("weight" in part for part in fields | near):
        keys = listing(f"{name}.{field}" if name else field for field in fields)
        return WeightFileError(
            f"{source}, {keys}: not a part of a dense layer. If it changes the signal, as a mean "
            "of the inputs does, pass the live model to ds.load, which folds it; else save the "
            "state dict without it, or read one part with prefix="
        )
    return refuse_layer(source, f"{name}: not a dense layer; it has {listing(fields)}")


def _refused_rank(source: Source, name: str, rank: int, *, has_bias: bool) -> WeightFileError:
    """Return the error for a weight that is no matrix."""
    shown = f"{name}: its weight has {rank} dimension(s), as"
    if rank > 2:
        what = (
            f"{shown} a convolution has; its stride and padding are not stored, so pass the live "
        )
        return refuse_layer(source, f"{what}model to ds.load if it is a Conv1d")
    if has_bias:
        return refuse_layer(source, f"{shown} a normalization of each sample has")
    return WeightFileError(
        f"{source}, {shown} the slopes of a PReLU, the class weights of a loss or the scales of an "
        "RMSNorm have. Pass the live model to ds.load if this changes the signal (a PReLU with one "
        "slope is read there); else save the state dict without it"
    )
