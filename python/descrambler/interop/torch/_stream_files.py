"""Rotating a checkpoint file by file, without the model in memory."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..._util.validate import require_extra
from ._stream_group import lifted, orthogonal, random_from
from ._stream_known import known
from ._stream_parts import find
from ._stream_plan import Plan, Steps, plan, transformed
from ._stream_write import back

if TYPE_CHECKING:
    import torch
else:
    torch = require_extra("torch", "torch", "descrambler.interop.torch")

ONE, INDEX = "model.safetensors", "model.safetensors.index.json"
# Weights that are read again from the new files and rotated back.
SAMPLES = 5


@dataclass(frozen=True)
class RotatedCheckpoint:
    """What :func:`rotate_checkpoint` wrote.

    Attributes
    ----------
    path : Path
        The new folder.
    group : str
        Group of the rotation: "O(d)", or "O(d-1)" where LayerNorms stay.
    files : tuple of str
        Files with weights.
    rotated : int
        Number of weights that were rotated.
    untied : tuple of str
        Weights that got a matrix of their own.
    sampled : dict of float
        By name of a sampled weight that was read again: its largest difference from the original after rotating it back,
        relative to its largest number.
    """

    path: Path
    group: str
    files: tuple[str, ...]
    rotated: int
    untied: tuple[str, ...]
    sampled: dict[str, float]


def rotate_checkpoint(
    folder: str | Path,
    output: str | Path,
    P: Any = None,
    *,
    random_state: Any = None,
    overwrite: bool = False,
) -> RotatedCheckpoint:
    """Fold and rotate a checkpoint of transformers, one file of weights after another.

    The model is not built. The new folder loads with ``from_pretrained``, as the old one does.

    Parameters
    ----------
    folder : str or Path
        With ``config.json`` and safetensors files, as ``save_pretrained`` writes them.
    output : str or Path
        New folder.
    P : array_like or Rotation, optional
        As in :meth:`ResidualStream.rotate`. None: a random rotation from the group of the stream.
    random_state : int or Generator, optional
        Seed of the random rotation.
    overwrite : bool
        Whether `output` may hold another checkpoint, whose weights are then deleted.

    Returns
    -------
    RotatedCheckpoint

    Raises
    ------
    ValueError, TypeError
        If the class of the model is unknown or a rotation is no symmetry of it, or the files do not
        have the weights of the model under its names; nothing is written then.
    """
    folder, output = Path(folder), Path(output)
    full = output.exists() and any(output.iterdir())
    if output.resolve() == folder.resolve() or (full and not overwrite):
        raise ValueError(f"output must be a new or an empty folder, got {output} with files in it")
    places = _places(folder)
    model = _skeleton(folder, places)
    parts = find(model, known(model), numbers=False)
    if P is None:
        turn = random_from(parts.width, parts.centers, random_state)
    else:
        turn = lifted(orthogonal(P), parts.width, parts.centers)
    todo = plan(model, parts, True, True, turn)
    output.mkdir(parents=True, exist_ok=True)
    for path in (output / "config.json", output / INDEX, *output.glob("model*.safetensors")):
        path.unlink(missing_ok=True)
    written = _write(folder, output, places, _sources(model, places, todo), todo)
    _copy_rest(folder, output, places, written, todo)
    group = "O(d-1)" if parts.centers else "O(d)"
    files = tuple(sorted(set(written.values())))
    steps = {job.weight.name: job.steps for job in todo.jobs}
    sampled = _check(folder, output, places, written, _sources(model, places, todo), steps)
    return RotatedCheckpoint(output, group, files, len(todo.jobs), todo.untied, sampled)


def _safetensors() -> Any:
    return require_extra("safetensors", "safetensors", "rotating a checkpoint")


def _places(folder: Path) -> dict[str, str]:
    """Return the file of each weight."""
    if (folder / INDEX).exists():
        return dict(json.loads((folder / INDEX).read_text("utf-8"))["weight_map"])
    if not (folder / ONE).exists():
        raise ValueError(f"{folder} must hold {ONE} or {INDEX}, as save_pretrained writes them")
    with _safetensors().safe_open(str(folder / ONE), "pt") as file:
        return dict.fromkeys(file.keys(), ONE)


def _skeleton(folder: Path, places: dict[str, str]) -> Any:
    """Return the model without numbers, but for its vectors: gains, shifts and biases."""
    transformers = require_extra("transformers", "transformers", "rotating a checkpoint")
    config = transformers.AutoConfig.from_pretrained(folder)
    kind = (config.architectures or ["none"])[0]
    if not hasattr(transformers, kind):
        raise ValueError(
            f"{folder} must name a class of transformers in its config.json, got {kind}"
        )
    if getattr(config, "quantization_config", None) is not None:
        raise ValueError(f"{folder} must hold the model before quantization, got a quantized one")
    with torch.device("meta"):
        model = getattr(transformers, kind)(config).eval()
    names = dict(model.named_parameters(remove_duplicate=False))
    held = {id(names[name]) for name in places if name in names}
    lost = [name for name, p in names.items() if id(p) not in held]
    unknown = [name for name in places if name not in names]
    if lost or unknown:
        raise ValueError(
            f"the files must have the weights of {kind} under its names, got {', '.join((unknown or lost)[:3])} "
            f"{'beside them' if unknown else 'missing'}: "
            "rotate the model in memory (residual_stream) and save it; some classes are saved under other names"
        )
    for name, file in places.items():
        if names[name].ndim == 1:
            owner, _, attribute = name.rpartition(".")
            value = _read(folder / file, name)
            model.get_submodule(owner)._parameters[attribute] = torch.nn.Parameter(value)
    return model


def _read(path: Path, name: str) -> Any:
    with _safetensors().safe_open(str(path), "pt") as file:
        return file.get_tensor(name)


def _sources(model: Any, places: dict[str, str], todo: Plan) -> dict[str, str]:
    """Return for each weight that is rotated the name under which it is in the old files."""
    by_parameter: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        by_parameter.setdefault(id(parameter), []).append(name)
    found = {}
    for job in todo.jobs:
        names = by_parameter[id(job.weight.parameter)]
        own = job.weight.name
        found[own] = own if own in places else next(name for name in names if name in places)
    return found


def _write(
    folder: Path, output: Path, places: dict[str, str], sources: dict[str, str], todo: Plan
) -> dict[str, str]:
    """Write all files of weights; return the file of each weight."""
    save_file = require_extra("safetensors.torch", "safetensors", "saving").save_file
    written: dict[str, str] = {}
    for file in sorted(set(places.values())):
        with _safetensors().safe_open(str(folder / file), "pt") as old:
            metadata = old.metadata()
            new = dict(_rewritten(old, sources, todo))
        part = output / f"{file}.part"
        save_file(new, part, metadata=metadata or {"format": "pt"})
        part.replace(output / file)
        written |= dict.fromkeys(new, file)
    return written


def _rewritten(old: Any, sources: dict[str, str], todo: Plan) -> Iterator[tuple[str, Any]]:
    vectors = {name: values for _, _, name, values in todo.vectors}
    steps = {job.weight.name: job.steps for job in todo.jobs}
    shared = {
        id(job.weight.parameter): steps[job.weight.name] for job in todo.jobs if not job.apart
    }
    places = {job.weight.name: id(job.weight.parameter) for job in todo.jobs}
    here = set(old.keys())
    for name in here:
        value = old.get_tensor(name)
        if name in vectors:
            value = vectors[name].to(value.dtype).reshape(value.shape)
        elif name in steps:
            value = transformed(value, steps[name])
        else:
            # A tie that stays may be stored under the name of its other place.
            mine = [p for n, p in places.items() if sources[n] == name and p in shared]
            value = transformed(value, shared[mine[0]]) if mine else value
        yield name, value.contiguous()
    for name, source in sources.items():
        apart = places[name] not in shared or name in todo.untied
        if source != name and source in here and apart:
            yield name, transformed(old.get_tensor(source), steps[name])


def _copy_rest(
    folder: Path, output: Path, places: dict[str, str], written: dict[str, str], todo: Plan
) -> None:
    """Copy tokenizer and configuration, which must say what is not tied any longer."""
    for path in folder.iterdir():
        if path.is_file() and path.name not in {*places.values(), INDEX, "config.json"}:
            shutil.copy2(path, output / path.name)
    if (folder / INDEX).exists():
        size = sum((output / file).stat().st_size for file in set(written.values()))
        index = {"metadata": {"total_size": size}, "weight_map": dict(sorted(written.items()))}
        (output / INDEX).write_text(json.dumps(index, indent=2) + "\n", "utf-8")
    # Last: without it nothing loads from a folder that is not whole.
    config = json.loads((folder / "config.json").read_text("utf-8"))
    # T5 has another meaning for this entry, and sees from the files what is not tied.
    if todo.untied and config.get("model_type") not in ("t5", "mt5", "umt5"):
        config["tie_word_embeddings"] = False
    (output / "config.json").write_text(json.dumps(config, indent=2) + "\n", "utf-8")


def _check(
    folder: Path,
    output: Path,
    places: dict[str, str],
    written: dict[str, str],
    sources: dict[str, str],
    steps: dict[str, Steps],
) -> dict[str, float]:
    """Read some of the weights again, rotate them back, and compare them with the old ones."""
    names = [name for name in steps if name in written]
    chosen = names[:: max(1, len(names) // SAMPLES)][:SAMPLES]
    found = {}
    for name in chosen:
        old = _read(folder / places[sources[name]], sources[name])
        new = _read(output / written[name], name)
        wide = old.to(torch.float64)
        again = back(new.to(torch.float64), steps[name])
        for axis, step in steps[name].items():
            if step.gain is not None:  # what a gain of zero silenced is gone, and was not heard
                kept = torch.nonzero(step.gain != 0)[:, 0]
                wide, again = wide.index_select(axis, kept), again.index_select(axis, kept)
        found[name] = float((wide - again).abs().max() / wide.abs().max())
        # Rounding of the dtype, enlarged where a small gain is divided out again.
        gains = [s.gain for s in steps[name].values() if s.gain is not None]
        small = min(
            (float(g[g != 0].abs().min()) for g in gains if bool((g != 0).any())), default=1.0
        )
        most = 100 * torch.finfo(old.dtype).eps / min(1.0, small)
        if not found[name] <= most:
            raise ValueError(
                f"{name} in {output} is not the rotated weight (difference {found[name]:.1e} after rotating it back): "
                "do not use this folder"
            )
    return found
