"""What a model is compared with: itself before all folds and rotations, in float64 and as it is stored."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..._util.validate import require_extra
from ._devices import wide as float64
from ._stream_group import random_from
from ._stream_parts import find
from ._stream_plan import plan
from ._stream_spec import Stream
from ._stream_verify import CAST, EXACT, Pair, StreamVerification, as_float64, as_stored
from ._stream_write import Record, undo_on_copy, write
from ._taps import Forward

if TYPE_CHECKING:
    import torch
else:
    torch = require_extra("torch", "torch", "descrambler.interop.torch")

# How many roundings of its dtype, per operation, may lie between a stored weight and the exact one.
ROUNDINGS = 4


def compare(
    model: Any,
    spec: Stream,
    records: Sequence[Record],
    batches: Sequence[Any],
    forward: Forward | None,
) -> StreamVerification:
    """Compare a model with itself before what the records say; without any, a copy is rotated."""
    dtypes = {weight.parameter.dtype for weight in find(model, spec).weights()}
    wide = dtypes == {torch.float64}
    before = as_float64(model)
    for record in reversed(records):
        undo_on_copy(before, record)
    turn, centered = _total(before, spec, records)
    # What is stored in less is rounded: whether the description is right shows in float64.
    after = model if records and wide else _changed(before, spec, turn, centered)
    pair = Pair(before, after, spec, turn, centered, forward)
    exact, points, _, _ = pair.compare(batches, keep=True)
    plain, _, experts, casts = pair.compare(batches, keep=False)
    tolerance = CAST if casts else EXACT
    if experts:
        tolerance = float("inf")
    own = plain
    stored: dict[str, float] = {}
    if not wide:
        stored = _far_from(after, model) if records else {}
        before = as_stored(before, model)
        after = model if records else _changed(model, spec, turn, centered)
        pair = Pair(before, after, spec, turn, centered, forward)
        own, _, experts, _ = pair.compare(batches, keep=False)
    original = all(record.backup for record in records)
    return StreamVerification(
        exact,
        points,
        plain,
        tolerance,
        own,
        " and ".join(sorted(str(dtype).removeprefix("torch.") for dtype in dtypes)),
        experts,
        "the original" if original else "the original, computed back",
        stored,
        ROUNDINGS * (len(records) + 1) * max(torch.finfo(dtype).eps for dtype in dtypes),
    )


def _far_from(exact: Any, model: Any) -> dict[str, float]:
    """Return by name how far the weights of a model lie from those of its copy in float64, relative to each norm."""
    have = dict(model.named_parameters(remove_duplicate=False))
    found = {}
    for name, value in exact.named_parameters(remove_duplicate=False):
        there = have.get(name)
        if there is None or there.shape != value.shape:
            found[name] = float("inf")
            continue
        expected, norm = float64(value), float(float64(value).norm())
        apart = float((float64(there) - expected).norm())
        found[name] = (apart / norm if norm else apart) if apart == apart else float("inf")
    return found


def _total(before: Any, spec: Stream, records: Sequence[Record]) -> tuple[Any, bool]:
    """Return the rotation by all records (a random one without any), and whether they centered."""
    if not records:
        parts = find(before, spec)
        return random_from(parts.width, parts.centers, 0), False
    turn = None
    for record in records:
        if record.turn is not None:
            turn = record.turn if turn is None else record.turn @ turn
    return turn, any(record.centered for record in records)


def _changed(model: Any, spec: Stream, turn: Any, centered: bool) -> Any:
    """Return a copy of a model, folded and rotated."""
    twin = copy.deepcopy(model)
    todo = plan(twin, find(twin, spec), True, not centered, turn)
    write(twin, todo, Record(turn, centered, False))
    return twin
