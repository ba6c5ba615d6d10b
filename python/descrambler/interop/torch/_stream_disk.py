"""The weights of a checkpoint on disk: in which file, under which name, and which weight of the model they hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..._util.validate import require_extra

if TYPE_CHECKING:
    import torch
else:
    torch = require_extra("torch", "torch", "descrambler.interop.torch")

ONE, INDEX = "model.safetensors", "model.safetensors.index.json"
NUMBERS = ("F64", "F32", "F16", "BF16")
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Held:
    """What a tensor in the files holds."""

    file: str
    weight: str
    """Name in the model."""
    split: int
    """Leading axes of this weight that the files split into tensors of their own, such as that of the experts."""


def opened(path: Path) -> Any:
    """Open a safetensors file.

    Raises
    ------
    ValueError
        If it is cut short, or of another format.
    FileNotFoundError
        If there is no such file.
    """
    safetensors = require_extra("safetensors", "safetensors", "rotating a model")
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} must be a safetensors file, got {'a folder' if path.is_dir() else 'no file'}"
        )
    try:
        return safetensors.safe_open(str(path), "pt")
    except safetensors.SafetensorError as error:
        raise ValueError(
            f"{path} must be a whole safetensors file, got one that is cut short or of another format ({error}): "
            "copy it again"
        ) from error


def save(tensors: dict[str, Any], path: Path, metadata: dict[str, str]) -> None:
    """Write a safetensors file.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    safetensors = require_extra("safetensors.torch", "safetensors", "saving a rotated model")
    error_class = require_extra("safetensors", "safetensors", "saving").SafetensorError
    try:
        safetensors.save_file(tensors, path, metadata=metadata)
    except error_class as error:
        raise OSError(f"{path} cannot be written: {error}") from error


def read(path: Path, name: str) -> Any:
    """Read one tensor."""
    with opened(path) as file:
        return file.get_tensor(name)


def files_of(folder: Path) -> dict[str, str]:
    """Return by name of each tensor the file that holds it."""
    if folder.is_file():
        raise NotADirectoryError(f"{folder} is a file: give the folder of the checkpoint")
    if not folder.is_dir():
        raise FileNotFoundError(f"No such folder: {folder}")
    if (folder / INDEX).exists():
        return _weight_map(folder / INDEX)
    if not (folder / ONE).exists():
        raise ValueError(f"{folder} must hold {ONE} or {INDEX}, as save_pretrained writes them")
    with opened(folder / ONE) as file:
        return dict.fromkeys(file.keys(), ONE)


def _weight_map(path: Path) -> dict[str, str]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(
            f"{path} must be JSON, got something else ({error}): copy it again"
        ) from error
    files = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(files, dict) or not all(isinstance(file, str) for file in files.values()):
        raise ValueError(f"{path} must have the file of each weight in its weight_map, got none")
    # The new files get the same names, and must not land outside of the new folder.
    away = next((file for file in files.values() if Path(file).name != file), None)
    if away is not None:
        raise ValueError(f"{path} must name files in its own folder, got {away!r}")
    if missing := sorted(f for f in set(files.values()) if not (path.parent / f).is_file()):
        raise ValueError(
            f"{path.parent} must hold all files that {INDEX} names, got {', '.join(missing[:3])} missing"
        )
    return files


def skeleton(folder: Path) -> tuple[Any, dict[str, Held]]:
    """Return the model without numbers but for its vectors (gains, shifts, biases), and what the files hold.

    Raises
    ------
    ValueError
        If the files do not hold the weights of the model.
    """
    files = files_of(folder)
    model, kind = _empty(folder)
    weights = dict(model.named_parameters(remove_duplicate=False))
    held = _held(kind, weights, files)
    _check_shapes(folder, kind, weights, held)
    for name, place in held.items():
        if weights[place.weight].ndim == 1:
            owner, _, attribute = place.weight.rpartition(".")
            value = torch.nn.Parameter(read(folder / place.file, name))
            model.get_submodule(owner)._parameters[attribute] = value
    return model, held


def _empty(folder: Path) -> tuple[Any, str]:
    transformers = require_extra("transformers", "transformers", "rotating a checkpoint")
    if not (folder / "config.json").is_file():
        raise ValueError(f"{folder} must hold config.json, as save_pretrained writes it, got none")
    config = transformers.AutoConfig.from_pretrained(folder)
    kind = (config.architectures or ["none"])[0]
    if not hasattr(transformers, kind):
        raise ValueError(
            f"{folder} must name a class of transformers in its config.json, got {kind}"
        )
    if getattr(config, "quantization_config", None) is not None:
        raise ValueError(f"{folder} must hold the model before quantization, got a quantized one")
    with torch.device("meta"):
        return getattr(transformers, kind)(config).eval(), kind


def _held(kind: str, weights: dict[str, Any], files: dict[str, str]) -> dict[str, Held]:
    held: dict[str, Held] = {}
    missing: dict[int, str] = {}
    expected = set(weights)
    for name, parameter in weights.items():
        stored = _stored(kind, name, tuple(parameter.shape))
        names = [name] if name in files else list(stored)
        expected |= stored.keys()
        if lost := [n for n in names if n not in files]:
            missing.setdefault(id(parameter), lost[0])
        else:
            split = 0 if names == [name] else parameter.ndim - len(stored[names[0]])
            held |= {n: Held(files[n], name, split) for n in names}
    # A tied weight is in the files under one of its names.
    there = {id(weights[place.weight]) for place in held.values()}
    lost = [name for key, name in missing.items() if key not in there]
    unknown = [name for name in files if name not in expected]
    if lost or unknown:
        raise ValueError(
            f"the files must have the weights of {kind} under its names, got {', '.join((unknown or lost)[:3])} "
            f"{'beside them' if unknown else 'missing'}: rotate the model in memory (residual_stream) and save it"
        )
    return held


def _check_shapes(folder: Path, kind: str, weights: dict[str, Any], held: dict[str, Held]) -> None:
    for file in sorted({place.file for place in held.values()}):
        with opened(folder / file) as tensors:
            there, said = set(tensors.keys()), {n for n, p in held.items() if p.file == file}
            if there != said:
                raise ValueError(
                    f"{folder / file} must hold what {INDEX} says, got {min(there ^ said)} "
                    f"{'missing' if min(there ^ said) in said else 'beside it'}"
                )
            for name in sorted(said):
                part = tensors.get_slice(name)
                shape, dtype = tuple(part.get_shape()), part.get_dtype()
                weight = held[name].weight
                whole = tuple(weights[weight].shape)
                wanted = whole if name == weight else _stored(kind, weight, whole)[name]
                if shape != wanted or dtype not in NUMBERS:
                    raise ValueError(
                        f"{name} in {folder / file} must have shape {wanted}, as config.json says, and one of the "
                        f"types {', '.join(NUMBERS)}; got shape {shape} of {dtype}"
                    )


def _stored(kind: str, name: str, shape: Shape) -> dict[str, Shape]:
    """Return the names and shapes of the tensors that ``save_pretrained`` makes of a weight."""
    return STORED.get(kind, _alike)(name, shape)


def _alike(name: str, shape: Shape) -> dict[str, Shape]:
    return {name: shape}


def _mixtral(name: str, shape: Shape) -> dict[str, Shape]:
    """Experts are batched in memory and lie one by one on disk; gate and up are one weight in memory."""
    name = name.replace(".mlp.", ".block_sparse_moe.")
    owner, _, last = name.rpartition(".")
    if last == "down_proj":
        return {f"{owner}.{expert}.w2.weight": shape[1:] for expert in range(shape[0])}
    if last == "gate_up_proj":
        half = (shape[1] // 2, shape[2])
        return {f"{owner}.{e}.{w}.weight": half for e in range(shape[0]) for w in ("w1", "w3")}
    return {name: shape}


VIT = {
    "attention.q_proj": "attention.attention.query",
    "attention.k_proj": "attention.attention.key",
    "attention.v_proj": "attention.attention.value",
    "attention.o_proj": "attention.output.dense",
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
}


def _vit(name: str, shape: Shape) -> dict[str, Shape]:
    if not name.startswith("vit.layers."):
        return {name: shape}
    layer, _, rest = name.removeprefix("vit.layers.").partition(".")
    module, _, attribute = rest.rpartition(".")
    return {f"vit.encoder.layer.{layer}.{VIT.get(module, module)}.{attribute}": shape}


def _neox(name: str, shape: Shape) -> dict[str, Shape]:
    return {"embed_out.weight" if name == "lm_head.weight" else name: shape}


STORED: dict[str, Callable[[str, Shape], dict[str, Shape]]] = {
    "MixtralForCausalLM": _mixtral,
    "ViTForImageClassification": _vit,
    "GPTNeoXForCausalLM": _neox,
}
