"""Where the heads of a known attention layer have their queries, keys, values and outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, eq=False)
class Rows:
    """Some of the outputs of a linear layer, or inputs of one."""

    module: Any
    axis: int
    """Axis of the weight that counts them."""
    index: tuple[int, ...]

    def of(self, weight: Any) -> Any:
        """Return the rows of a weight, with what they map from or to last."""
        return weight.movedim(self.axis, 0)[list(self.index)]

    def part(self, index: slice) -> Rows:
        """Return some of these."""
        return Rows(self.module, self.axis, self.index[index])


@dataclass(frozen=True, eq=False)
class Layout:
    """The heads that share one key-value head."""

    layer: str
    head: int
    """Number of the key-value head."""
    queries: tuple[Rows, ...]
    key: Rows
    value: Rows
    outputs: tuple[Rows, ...]
    rotary: int
    """Dimensions with a rotary embedding; the first ones."""
    barred: str = ""
    """Why queries and keys have no such symmetry."""


def layouts(model: Any) -> Iterator[Layout]:
    """Give the layouts of all attention layers of known classes."""
    for name, module in model.named_modules():
        if not type(module).__module__.startswith("transformers.models."):
            continue
        for kind, reader in KNOWN.items():
            if type(module).__name__ in kind:
                yield from reader(name, module)


def _range(module: Any, axis: int, start: int, size: int) -> Rows:
    return Rows(module, axis, tuple(range(start, start + size)))


def _separate(
    name: str, layers: tuple[Any, Any, Any, Any], size: int, rotary: int, barred: str = ""
) -> Iterator[Layout]:
    """Give heads of separate layers for queries, keys, values and outputs, grouped or not."""
    q, k, v, o = layers
    groups = k.weight.shape[0] // size
    per = q.weight.shape[0] // size // groups
    for head in range(groups):
        mine = range(head * per, (head + 1) * per)
        yield Layout(
            name,
            head,
            tuple(_range(q, 0, i * size, size) for i in mine),
            _range(k, 0, head * size, size),
            _range(v, 0, head * size, size),
            tuple(_range(o, 1, i * size, size) for i in mine),
            rotary,
            barred,
        )


def _rotated(name: str, m: Any) -> Iterator[Layout]:
    normed = hasattr(m, "q_norm") or getattr(m, "qk_layernorm", False)
    barred = "norms of queries and keys" if normed else ""
    out = m.dense if hasattr(m, "dense") else m.o_proj
    rotary = getattr(m, "rotary_ndims", m.head_dim)
    yield from _separate(name, (m.q_proj, m.k_proj, m.v_proj, out), m.head_dim, rotary, barred)


def _plain(name: str, m: Any) -> Iterator[Layout]:
    out = m.out_proj if hasattr(m, "out_proj") else m.o_proj
    yield from _separate(name, (m.q_proj, m.k_proj, m.v_proj, out), m.head_dim, 0)


def _t5(name: str, m: Any) -> Iterator[Layout]:
    yield from _separate(name, (m.q, m.k, m.v, m.o), m.key_value_proj_dim, 0)


def _bert(name: str, m: Any) -> Iterator[Layout]:
    own = m.self
    layers = (own.query, own.key, own.value, m.output.dense)
    yield from _separate(name, layers, own.attention_head_size, 0)


def _gpt2(name: str, m: Any) -> Iterator[Layout]:
    if m.is_cross_attention:
        return
    size, d = m.head_dim, m.embed_dim
    for head in range(m.num_heads):
        q, k, v = (_range(m.c_attn, 1, i * d + head * size, size) for i in range(3))
        yield Layout(name, head, (q,), k, v, (_range(m.c_proj, 0, head * size, size),), 0)


def _neox(name: str, m: Any) -> Iterator[Layout]:
    size = m.head_size
    for head in range(m.config.num_attention_heads):
        q, k, v = (_range(m.query_key_value, 0, (3 * head + i) * size, size) for i in range(3))
        out = _range(m.dense, 1, head * size, size)
        yield Layout(name, head, (q,), k, v, (out,), m.rotary_ndims)


KNOWN: dict[tuple[str, ...], Callable[[str, Any], Iterator[Layout]]] = {
    (
        "LlamaAttention",
        "MistralAttention",
        "Qwen2Attention",
        "Qwen3Attention",
        "MixtralAttention",
        "GemmaAttention",
        "PhiAttention",
    ): _rotated,
    ("OPTAttention", "ViTAttention"): _plain,
    ("T5Attention",): _t5,
    ("BertAttention",): _bert,
    ("GPT2Attention",): _gpt2,
    ("GPTNeoXAttention",): _neox,
}
