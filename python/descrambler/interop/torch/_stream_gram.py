"""Gram matrices and signals of a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import numpy as np

from ..._util.arrays import as_numpy
from ._grams import PlainGram
from ._stream_spec import matching
from ._stream_trace import hook_input, unfused
from ._taps import Forward, call, evaluating, named, several


def grams(
    model: Any,
    modules: Mapping[str, Any],
    wanted: Sequence[str | None],
    batches: Iterable[Any],
    mask: Any,
    forward: Forward | None,
) -> dict[str | None, Any]:
    """Return a Gram matrix per wanted name or pattern (None: all), of the inputs of the modules that fit."""
    keepers: dict[str | None, PlainGram] = {pattern: PlainGram("input") for pattern in wanted}
    looks = [
        (name, partial(_add, keeper))
        for pattern, keeper in keepers.items()
        for name in _fitting(pattern, modules)
    ]
    _run(model, modules, looks, batches, mask, forward)
    for pattern, keeper in keepers.items():
        if not keeper.seen():
            raise ValueError(
                f"no signals reached {pattern or 'the stream'}: batches must hold some"
            )
    return {p: named(p or "the stream", keeper.finish) for p, keeper in keepers.items()}


def rows(
    model: Any,
    modules: Mapping[str, Any],
    at: str | None,
    batches: Iterable[Any],
    mask: Any,
    forward: Forward | None,
) -> dict[str, Any]:
    """Return by name the inputs of the modules that fit, as NumPy arrays."""
    kept: dict[str, list[Any]] = {name: [] for name in _fitting(at, modules)}
    looks = [(name, partial(_keep, found)) for name, found in kept.items()]
    _run(model, modules, looks, batches, mask, forward)
    for name, found in kept.items():
        if not found:
            raise ValueError(f"no signals reached {name}: batches must hold some")
    return {name: np.concatenate(found) for name, found in kept.items()}


def _fitting(pattern: str | None, modules: Mapping[str, Any]) -> tuple[str, ...]:
    names = tuple(modules) if pattern is None else tuple(matching(pattern, modules))
    if not names:
        raise ValueError(
            f"at must name points of the stream ({', '.join(modules)}), got {pattern!r}"
        )
    return names


def _run(
    model: Any,
    modules: Mapping[str, Any],
    looks: Sequence[tuple[str, Callable[[Any], None]]],
    batches: Iterable[Any],
    mask: Any,
    forward: Forward | None,
) -> None:
    """Run the model with what looks at the inputs of its modules, padding left out."""
    find = (lambda batch: batch[mask]) if isinstance(mask, str) else mask
    masks: list[Any] = [None]
    with ExitStack() as stack:
        for name, look in looks:
            take = partial(_take, look, masks, name)
            stack.callback(hook_input(modules[name], take).remove)
        stack.enter_context(evaluating(model))
        stack.enter_context(unfused())
        for batch in several(batches):
            masks[0] = None if find is None else find(batch)
            (forward or call)(model, batch)


def _add(keeper: PlainGram, signals: Any) -> None:
    keeper.add(signals, signals)


def _keep(kept: list[Any], signals: Any) -> None:
    kept.append(np.array(as_numpy(signals)))


def _take(look: Callable[[Any], None], masks: list[Any], name: str, values: Any) -> None:
    signals, mask = values.detach().reshape(-1, values.shape[-1]), masks[0]
    if mask is not None:
        if mask.numel() != len(signals):
            raise ValueError(
                f"mask must have one entry per signal at {name}, {len(signals)}, got shape {tuple(mask.shape)}"
            )
        signals = signals[mask.to(signals.device).reshape(-1) != 0]
    look(signals)
