"""Writing a plan into a model, and taking it back: on the model from a backup, on a copy without one."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..._util.validate import require_extra
from ._devices import cast, wide
from ._stream_plan import Plan, Step, Steps, transformed

if TYPE_CHECKING:
    import torch
else:
    torch = require_extra("torch", "torch", "descrambler.interop.torch")


@dataclass
class Change:
    """One parameter that was written: what it was, or what was done to it."""

    name: str
    steps: Steps
    means: dict[int, Any]
    """By axis, the means that were taken away."""
    parameter: Any
    """The parameter that was in this place before."""
    old: Any
    """What it held, where there is a backup."""
    lost: dict[int, Any]
    """By axis, what a gain of zero silenced: where, and what was there."""


@dataclass
class Record:
    """What one operation wrote, in the order in which it did."""

    turn: Any
    centered: bool
    backup: bool
    changes: list[Change] = field(default_factory=list)
    vectors: list[tuple[str, str, Any, Any]] = field(default_factory=list)
    """Module, attribute, parameter before (or None), and what it held."""
    norms: list[tuple[str, Any]] = field(default_factory=list)
    attributes: list[tuple[Any, str, Any]] = field(default_factory=list)
    """Object, attribute, and the value before (or `MISSING`)."""


class _Missing:
    pass


MISSING = _Missing()


def write(model: Any, plan: Plan, record: Record) -> None:
    """Write a plan; every layer is computed as a whole and then swapped."""
    with torch.no_grad(), torch.autocast("cpu", enabled=False):
        for job in plan.jobs:
            weight, parameter = job.weight, job.weight.parameter
            source = parameter.detach()
            new, means = transformed(source, job.steps), _means(source, job.steps)
            old = source if record.backup else None
            lost = _lost(source, job.steps)
            record.changes.append(Change(weight.name, job.steps, means, parameter, old, lost))
            _put(weight.module, weight.attribute, new, job.apart)
        for module, attribute, name, values in plan.vectors:
            _write_vector(module, attribute, name, values, record)
        for name, module in plan.norms:
            record.norms.append((name, model.get_submodule(name)))
            put_module(model, name, module)
        if plan.untied:
            _say_untied(model, plan.untied, record)


def _means(source: Any, steps: Steps) -> dict[int, Any]:
    """Return what centering takes away, by axis."""
    found = {}
    for axis, step in steps.items():
        if step.center:
            rows = wide(source.movedim(axis, -1))
            rows = rows if step.gain is None else rows * step.gain
            found[axis] = rows.mean(-1, keepdim=True)
    return found


def _lost(source: Any, steps: Steps) -> dict[int, Any]:
    found = {}
    for axis, step in steps.items():
        if step.gain is not None and bool((step.gain == 0).any()):
            places = torch.nonzero(step.gain == 0)[:, 0].to(source.device)
            found[axis] = places, source.index_select(axis, places).clone()
    return found


def put_module(model: Any, name: str, module: Any) -> None:
    """Put a module in the place that a name says."""
    owner, _, child = name.rpartition(".")
    setattr(model.get_submodule(owner), child, module)


def _put(module: Any, attribute: str, new: Any, apart: bool) -> None:
    parameter = module._parameters[attribute]
    if apart or parameter is None:
        grad = parameter is None or parameter.requires_grad
        module._parameters[attribute] = torch.nn.Parameter(new, requires_grad=grad)
    else:
        parameter.data = new


def _write_vector(module: Any, attribute: str, name: str, values: Any, record: Record) -> None:
    old = module._parameters[attribute]
    record.vectors.append((_owner(name), attribute, old, None if old is None else old.data))
    like = next(module.parameters()) if old is None else old
    new = cast(values, like)
    _put(module, attribute, new if old is None else new.reshape(old.shape), False)


def _owner(name: str) -> str:
    return name.rpartition(".")[0]


def _say_untied(model: Any, untied: Iterable[str], record: Record) -> None:
    """Tell a model of transformers what it ties no longer, so that it is saved and loaded so."""
    keys = getattr(model, "_tied_weights_keys", None)
    if not isinstance(keys, dict):
        return
    left = {k: v for k, v in keys.items() if not any(re.fullmatch(k, name) for name in untied)}
    if left == keys:
        return
    set_attribute(model, "_tied_weights_keys", left or None, record)
    if isinstance(known := getattr(model, "all_tied_weights_keys", None), dict):
        rest = {k: v for k, v in known.items() if k not in untied}
        set_attribute(model, "all_tied_weights_keys", rest, record)
    # T5 has another meaning for this entry, and always ties; it sees from the file what is not tied.
    if not left and not hasattr(model.config, "scale_decoder_outputs"):
        for module in model.modules():
            if getattr(getattr(module, "config", None), "tie_word_embeddings", False):
                set_attribute(module.config, "tie_word_embeddings", False, record)


def set_attribute(owner: Any, key: str, value: Any, record: Record) -> None:
    """Set an attribute and keep what it was."""
    record.attributes.append((owner, key, vars(owner).get(key, MISSING)))
    setattr(owner, key, value)


def restore(model: Any, record: Record) -> None:
    """Bring back, bit for bit, what an operation with a backup wrote, or began to write."""
    for owner, key, value in reversed(record.attributes):
        if value is MISSING:
            vars(owner).pop(key, None)
        else:
            setattr(owner, key, value)
    for name, module in reversed(record.norms):
        put_module(model, name, module)
    for owner, attribute, parameter, old in reversed(record.vectors):
        model.get_submodule(owner)._parameters[attribute] = parameter
        if parameter is not None:
            parameter.data = old
    for change in reversed(record.changes):
        owner, _, attribute = change.name.rpartition(".")
        model.get_submodule(owner)._parameters[attribute] = change.parameter
        change.parameter.data = change.old


def undo_on_copy(twin: Any, record: Record) -> None:
    """Take an operation back on a copy of the model.

    From the backup; without one by computing back, in float64 if the copy is in float64.
    """
    with torch.no_grad():
        for name, module in reversed(record.norms):
            like = _like(twin.get_submodule(name), twin)
            put_module(twin, name, copy.deepcopy(module).to(like.device).to(like.dtype))
        for owner, attribute, _, old in reversed(record.vectors):
            module = twin.get_submodule(owner)
            if old is None:
                module._parameters[attribute] = None
            else:
                module._parameters[attribute].data = cast(old, _like(module, twin)).clone()
        for change in reversed(record.changes):
            owner, _, attribute = change.name.rpartition(".")
            parameter = twin.get_submodule(owner)._parameters[attribute]
            value = change.old if change.old is not None else _back(parameter.data, change)
            parameter.data = cast(value, parameter.data).clone()


def _like(module: Any, model: Any) -> Any:
    found = next(module.parameters(), None)
    return next(model.parameters()) if found is None else found


def _back(value: Any, change: Change) -> Any:
    value = back(value, change.steps, change.means)
    for axis, (places, kept) in change.lost.items():
        value = value.index_copy(axis, places.to(value.device), cast(kept, value))
    return value


def back(value: Any, steps: Steps, means: Mapping[int, Any] | None = None) -> Any:
    """Take back the steps along the axes of a weight; what a gain of zero silenced stays zero."""
    for axis, step in reversed(steps.items()):
        if step.turn is not None:
            value = transformed(value, {axis: Step(turn=step.turn.T)})
        if means and axis in means:
            moved = value.movedim(axis, -1)
            value = (moved + cast(means[axis], moved)).movedim(-1, axis)
        if step.gain is not None:
            silent = step.gain == 0
            inverse = torch.where(silent, 0.0, 1 / torch.where(silent, 1.0, step.gain))
            value = transformed(value, {axis: Step(gain=inverse)})
    return value
