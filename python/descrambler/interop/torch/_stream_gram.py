"""Gram matrices of a stream."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from ._grams import PlainGram
from ._stream_spec import matching
from ._stream_trace import hook_input
from ._taps import Forward, call, evaluating, named


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
    find = (lambda batch: batch[mask]) if isinstance(mask, str) else mask
    masks: list[Any] = [None]
    with ExitStack() as stack:
        for pattern, keeper in keepers.items():
            names = tuple(modules) if pattern is None else tuple(matching(pattern, modules))
            if not names:
                raise ValueError(
                    f"at must name points of the stream ({', '.join(modules)}), got {pattern!r}"
                )
            for name in names:
                look = partial(_take, keeper, masks, name)
                stack.callback(hook_input(modules[name], look).remove)
        stack.enter_context(evaluating(model))
        for batch in batches:
            masks[0] = None if find is None else find(batch)
            (forward or call)(model, batch)
    for pattern, keeper in keepers.items():
        if not keeper.seen():
            raise ValueError(
                f"no signals reached {pattern or 'the stream'}: batches must hold some"
            )
    return {p: named(p or "the stream", keeper.finish) for p, keeper in keepers.items()}


def _take(keeper: PlainGram, masks: list[Any], name: str, values: Any) -> None:
    rows, mask = values.detach().reshape(-1, values.shape[-1]), masks[0]
    if mask is not None:
        if mask.numel() != len(rows):
            raise ValueError(
                f"mask must have one entry per signal at {name}, {len(rows)}, got shape {tuple(mask.shape)}"
            )
        rows = rows[mask.to(rows.device).reshape(-1) != 0]
    keeper.add(rows, rows)
