"""A stream as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from ._stream_norms import Weight
from ._stream_parts import Parts
from ._stream_spec import Stream


def table(spec: Stream, parts: Parts, group: str, untied: Iterable[str], kind: str) -> str:
    """Return what is written, read, folded and untied, a line per pattern of the description."""
    fixed = "; fixes the vector of ones" if group == "O(d-1)" else ""
    lines = [
        f'Residual stream "{spec.name}" of {kind}, d = {parts.width}; exact for {group}{fixed}'
    ]
    rows: list[tuple[str, ...]] = [("", "weight", "stored", "times", "norm, gain")]
    rows += _rows("writes", parts.writers, "")
    norms = {norm.pattern: norm for norm in parts.norms}
    for pattern, norm in norms.items():
        gain = norm.gain()
        folded = gain is None or bool((gain == 1).all())
        convention = "1 + g" if norm.offset else "g"
        state = "folded" if folded else f"{convention} to fold"
        shift = ", shift" if norm.shift_name else ""
        label = f"{pattern} ({'LayerNorm' if norm.kind == 'layer' else 'RMSNorm'}, {state}{shift})"
        weights = [r for n in parts.norms if n.pattern == pattern for r in n.readers]
        rows += _rows("reads", weights, label)
    rows += _rows("reads", parts.readers, "none")
    rows += _rows("scales", {w.name: w for w in parts.scales.values()}.values(), "")
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    lines += [
        "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    tied = tuple(untied)
    lines.append(f"untied: {', '.join(tied) if tied else 'nothing'}")
    if shared := _shared(parts):
        lines.append(f"tied: {', '.join(' = '.join(names) for names in shared)}")
    return "\n".join(lines)


def _rows(role: str, weights: Iterable[Weight], norm: str) -> list[tuple[str, ...]]:
    count: Counter[tuple[str, str]] = Counter()
    for weight in weights:
        own = weight.name.rpartition(".")[2]
        name = f"{weight.pattern}.{own}" if not weight.pattern.endswith(own) else weight.pattern
        count[name, weight.storage] += 1
    return [(role, name, storage, str(n), norm) for (name, storage), n in count.items()]


def _shared(parts: Parts) -> list[list[str]]:
    places: dict[int, list[str]] = {}
    for weight in parts.weights():
        names = places.setdefault(id(weight.parameter), [])
        if weight.name not in names:
            names.append(weight.name)
    return [names for names in places.values() if len(names) > 1]
