"""Rotating a checkpoint file by file, without the model in memory."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..._util.validate import require_extra
from ._stream_disk import INDEX, Held, opened, read, save, skeleton
from ._stream_group import lifted, orthogonal, random_from
from ._stream_known import known
from ._stream_parts import find
from ._stream_plan import Plan, Steps, plan, transformed
from ._stream_write import back

if TYPE_CHECKING:
    import torch
else:
    torch = require_extra("torch", "torch", "descrambler.interop.torch")

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


@dataclass(frozen=True, eq=False)
class _Turned:
    """A tensor of the new files: the old one that it is made of, and what happens to it."""

    source: str
    steps: Steps


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
    OSError
        If the folder is not there, or the new files cannot be written.
    """
    folder, output = Path(folder), Path(output)
    full = output.exists() and any(output.iterdir())
    if output.resolve() == folder.resolve():
        raise ValueError(
            f"output must be another folder than the checkpoint, got {output} for both"
        )
    if full and not overwrite:
        raise ValueError(f"output must be a new or an empty folder, got {output} with files in it")
    model, held = skeleton(folder)
    parts = find(model, known(model), numbers=False)
    if P is None:
        turn = random_from(parts.width, parts.centers, random_state)
    else:
        turn = lifted(orthogonal(P), parts.width, parts.centers)
    todo = plan(model, parts, True, True, turn)
    output.mkdir(parents=True, exist_ok=True)
    for path in (output / "config.json", output / INDEX, *output.glob("model*.safetensors")):
        path.unlink(missing_ok=True)
    turned = _turned(model, held, todo)
    written = _write(folder, output, held, turned, todo)
    _copy_rest(folder, output, held, written, todo)
    group = "O(d-1)" if parts.centers else "O(d)"
    files = tuple(sorted(set(written.values())))
    sampled = _check(folder, output, held, written, turned)
    return RotatedCheckpoint(output, group, files, len(todo.jobs), todo.untied, sampled)


def _turned(model: Any, held: dict[str, Held], todo: Plan) -> dict[str, _Turned]:
    """Return by name in the new files what is rotated, from which old tensor, and how."""
    places: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        places.setdefault(id(parameter), []).append(name)
    stored: dict[str, list[str]] = {}
    for name, place in held.items():
        stored.setdefault(place.weight, []).append(name)
    moving = {job.weight.name for job in todo.jobs}
    turned = {}
    for job in todo.jobs:
        own, tied = job.weight.name, places[id(job.weight.parameter)]
        # A tie that stays may be stored under any of its names, or under all of them.
        same = [own] if job.apart else [own, *(name for name in tied if name not in moving)]
        for name in (n for weight in same for n in stored.get(weight, ())):
            split = held[name].split
            turned[name] = _Turned(name, {axis - split: step for axis, step in job.steps.items()})
        if not any(weight in stored for weight in same):
            source = next(stored[name][0] for name in tied if name in stored)
            turned[own] = _Turned(source, job.steps)
    return turned


def _write(
    folder: Path,
    output: Path,
    held: dict[str, Held],
    turned: dict[str, _Turned],
    todo: Plan,
) -> dict[str, str]:
    """Write all files of weights; return the file of each tensor."""
    vectors = {name: values for _, _, name, values in todo.vectors}
    written: dict[str, str] = {}
    for file in sorted({place.file for place in held.values()}):
        with opened(folder / file) as old:
            metadata = old.metadata()
            new = dict(_rewritten(old, held, turned, vectors))
        part = output / f"{file}.part"
        save(new, part, metadata or {"format": "pt"})
        part.replace(output / file)
        written |= dict.fromkeys(new, file)
    return written


def _rewritten(
    old: Any, held: dict[str, Held], turned: dict[str, _Turned], vectors: dict[str, Any]
) -> Iterator[tuple[str, Any]]:
    here = set(old.keys())
    for name in here - turned.keys():
        value, vector = old.get_tensor(name), vectors.get(held[name].weight)
        yield name, value if vector is None else vector.to(value.dtype).reshape(value.shape)
    for name, work in turned.items():
        if work.source in here:
            yield name, transformed(old.get_tensor(work.source), work.steps)


def _copy_rest(
    folder: Path, output: Path, held: dict[str, Held], written: dict[str, str], todo: Plan
) -> None:
    """Copy tokenizer and configuration, which must say what is not tied any longer."""
    old = {place.file for place in held.values()}
    for path in folder.iterdir():
        if path.is_file() and path.name not in {*old, INDEX, "config.json"}:
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
    held: dict[str, Held],
    written: dict[str, str],
    turned: dict[str, _Turned],
) -> dict[str, float]:
    """Read some of the weights again, rotate them back, and compare them with the old ones."""
    names = list(turned)
    found = {}
    for name in names[:: max(1, len(names) // SAMPLES)][:SAMPLES]:
        source, steps = turned[name].source, turned[name].steps
        old = read(folder / held[source].file, source)
        new = read(output / written[name], name)
        wide = old.to(torch.float64)
        again = back(new.to(torch.float64), steps)
        for axis, step in steps.items():
            if step.gain is not None:  # what a gain of zero silenced is gone, and was not heard
                kept = torch.nonzero(step.gain != 0)[:, 0]
                wide, again = wide.index_select(axis, kept), again.index_select(axis, kept)
        # A weight of zeros stays one.
        largest = wide.abs().max().clamp_min(torch.finfo(torch.float64).tiny)
        found[name] = float((wide - again).abs().max() / largest)
        # Rounding of the dtype, enlarged where a small gain is divided out again.
        gains = [s.gain for s in steps.values() if s.gain is not None]
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
