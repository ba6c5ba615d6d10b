"""The spaces inside of attention heads, where any basis does as well as another."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._util.tables import brief
from ..._util.threads import computing
from ..._util.validate import require_extra
from ._devices import cast, wide
from ._heads_known import KNOWN, Layout, Rows, layouts
from ._stream_state import BROKEN, check_whole, whole_module

if TYPE_CHECKING:
    import torch
else:
    torch = require_extra("torch", "torch", "descrambler.interop.torch")

VALUE, QUERY, PAIR = "value-output", "query-key", "rotary pair"


@brief
@dataclass(frozen=True, eq=False)
class HeadSpace:
    """One space inside of the heads that share a key-value head.

    Signals enter it through one matrix and leave it through others, so any invertible change of basis
    between them does not change the model.

    Attributes
    ----------
    layer : str
        Name of the attention layer.
    head : int
        Number of the key-value head.
    kind : {"value-output", "query-key", "rotary pair"}
        A rotary pair is two dimensions of queries and keys that a rotary embedding turns together: only a
        rotation and a scale are free in it.
    size : int
        Number of dimensions.
    heads : int
        Number of query heads that share the space.
    """

    layer: str
    head: int
    kind: str
    size: int
    heads: int
    inside: Rows = field(repr=False)
    """The layer that writes the space: values, or keys."""
    others: tuple[Rows, ...] = field(repr=False)
    """The layers that read it: outputs, or queries."""

    def singular_values(self) -> Any:
        """Return the singular values of the map through the space, largest first: no basis changes them."""
        inside, others = self._inside(), self._others()
        with computing(max(inside.shape)):
            return np.linalg.svd(others @ inside, compute_uv=False)[: self.size]

    def _inside(self) -> Any:
        return _with_bias(self.inside)

    def _others(self) -> Any:
        """Return what reads the space, (rows, size)."""
        biased = self.kind != VALUE
        return np.concatenate([(_with_bias(r) if biased else _rows(r)).T for r in self.others])

    def canonical(self) -> tuple[Any, Any]:
        """Return the two matrices of the space, (size, n) and (m, size), in the canonical basis.

        Singular vectors, each side times the root of the singular value, and the entry of largest magnitude of each
        singular vector on the writing side positive. For a rotary pair: rows orthogonal, the longer
        one first, queries and keys equally long.
        """
        inside, others = self._inside(), self._others()
        if self.kind == PAIR:
            return _canonical_pair(inside, others)
        with computing(self.size):
            # QR first: the product would be as wide as the stream on both sides.
            q, r = np.linalg.qr(others)
            u, s, vt = np.linalg.svd(r @ inside, full_matrices=False)
            signs = _signs(vt[: self.size])
            root = np.sqrt(s[: self.size])
            left = q @ u[:, : self.size] * (root * signs)
        return (root * signs)[:, None] * vt[: self.size], left


def _signs(rows: Any) -> Any:
    largest = np.abs(rows).argmax(1)
    return np.where(np.take_along_axis(rows, largest[:, None], 1)[:, 0] < 0, -1.0, 1.0)


def _canonical_pair(inside: Any, others: Any) -> tuple[Any, Any]:
    gram = inside @ inside.T
    angle = 0.5 * np.arctan2(2 * gram[0, 1], gram[0, 0] - gram[1, 1])
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, s], [-s, c]])
    turn = turn * _signs((turn @ inside)[:1])[0]
    norms = np.linalg.norm(inside), np.linalg.norm(others)
    scale = np.sqrt(norms[1] / norms[0]) if all(norms) else 1.0
    return scale * turn @ inside, others @ turn.T / scale


def _rows(rows: Rows) -> Any:
    weight = rows.of(wide(rows.module.weight))
    return weight.numpy()


def _with_bias(rows: Rows) -> Any:
    """Return rows with the bias as one more column, so that a change of basis takes it along."""
    bias = rows.module.bias
    if bias is None:
        return _rows(rows)
    column = wide(bias)[list(rows.index)].numpy()
    return np.concatenate([_rows(rows), column[:, None]], axis=1)


@dataclass(frozen=True, eq=False, repr=False)
class Heads:
    """The spaces inside of a model's attention heads.

    Attributes
    ----------
    spaces : tuple of HeadSpace
    barred : dict of str
        By attention layer, why its queries and keys have no such spaces.
    """

    model: Any
    spaces: tuple[HeadSpace, ...]
    barred: dict[str, str]

    def __repr__(self) -> str:
        return (
            f"Heads({type(self.model).__name__}, {len(self.spaces)} spaces, barred={self.barred})"
        )

    def __str__(self) -> str:
        lines = [f"Attention heads of {type(self.model).__name__}"]
        rows = [("layer", "head", "space", "size", "query heads")]
        rows += [(s.layer, str(s.head), s.kind, str(s.size), str(s.heads)) for s in self.spaces]
        widths = [max(len(row[i]) for row in rows) for i in range(5)]
        lines += [
            "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows
        ]
        lines += [f"{layer}: no query-key space ({why})" for layer, why in self.barred.items()]
        return "\n".join(lines)

    def canonicalize(self) -> None:
        """Bring every space into its canonical basis, in place; the model's function does not change.

        In float64, rounded once to the dtype of the weights; see :meth:`HeadSpace.canonical`.

        Raises
        ------
        TypeError, RuntimeError
            If a weight is quantized, or an operation on the model was interrupted; nothing is written then.
        """
        check_whole(self.model)
        layers: dict[str, list[HeadSpace]] = {}
        for space in self.spaces:
            layers.setdefault(space.layer, []).append(space)
        BROKEN.add(self.model)
        for spaces in layers.values():
            changed: dict[int, tuple[Any, Any]] = {}
            for space in spaces:
                _rewrite(space, changed)
            for parameter, new in changed.values():
                parameter.data = cast(new, parameter)
        BROKEN.discard(self.model)


def _rewrite(space: HeadSpace, changed: dict[int, tuple[Any, Any]]) -> None:
    """Put the canonical matrices of a space into the copies that are to be written."""
    inside, others = space.canonical()
    _place(changed, space.inside, inside, True)
    biased = space.kind != VALUE
    start = 0
    for rows in space.others:
        width = (_with_bias(rows) if biased else _rows(rows)).shape[1]
        _place(changed, rows, others[start : start + width].T, biased)
        start += width


def _place(changed: dict[int, tuple[Any, Any]], rows: Rows, values: Any, biased: bool) -> None:
    """Put rows, and the bias in their last column, into the copies that are to be written."""
    numbers = torch.from_numpy(np.ascontiguousarray(values))
    index = list(rows.index)
    if biased and rows.module.bias is not None:
        _copy(changed, rows.module.bias)[index] = numbers[:, -1]
        numbers = numbers[:, :-1]
    _copy(changed, rows.module.weight).movedim(rows.axis, 0)[index] = numbers


def _copy(changed: dict[int, tuple[Any, Any]], parameter: Any) -> Any:
    if id(parameter) not in changed:
        changed[id(parameter)] = parameter, wide(parameter).clone()
    return changed[id(parameter)][1]


def heads(model: torch.nn.Module) -> Heads:
    """Return the spaces inside of a model's attention heads, in which the basis is free.

    Parameters
    ----------
    model : nn.Module
        With attention layers of ``transformers``: Llama, Mistral, Qwen2, Qwen3, Mixtral, Gemma, Phi, GPT-2,
        GPT-NeoX, OPT, ViT, T5, BERT. Is not changed.

    Returns
    -------
    Heads
        Value-output spaces, one per key-value head (with grouped queries all heads of a group share
        it); query-key spaces of the dimensions without rotary embedding; rotary pairs.

    Raises
    ------
    ValueError, TypeError
        If the model has no such layers, or their weights are not plain numbers.
    """
    inner = whole_module(model)
    spaces: list[HeadSpace] = []
    barred: dict[str, str] = {}
    for layout in layouts(inner):
        _check(layout)
        spaces += _spaces(layout)
        if layout.barred:
            barred[layout.layer] = layout.barred
    if not spaces:
        names = ", ".join(name for kinds in KNOWN for name in kinds)
        raise ValueError(f"model must have attention layers of known classes ({names}), got none")
    return Heads(inner, tuple(spaces), barred)


def _spaces(layout: Layout) -> list[HeadSpace]:
    size, heads = len(layout.value.index), len(layout.queries)
    place = layout.layer, layout.head
    found = [HeadSpace(*place, VALUE, size, heads, layout.value, layout.outputs)]
    if layout.barred:
        return found
    half, free = layout.rotary // 2, len(layout.key.index) - layout.rotary
    for i in range(half):
        pair = slice(i, i + half + 1, half)
        queries = tuple(q.part(pair) for q in layout.queries)
        found.append(HeadSpace(*place, PAIR, 2, heads, layout.key.part(pair), queries))
    if free:
        rest = slice(layout.rotary, None)
        queries = tuple(q.part(rest) for q in layout.queries)
        found.append(HeadSpace(*place, QUERY, free, heads, layout.key.part(rest), queries))
    return found


def _check(layout: Layout) -> None:
    for rows in (*layout.queries, layout.key, layout.value, *layout.outputs):
        weight = rows.module._parameters.get("weight")
        if (
            weight is None
            or not weight.dtype.is_floating_point
            or type(weight.data) is not torch.Tensor
        ):
            raise TypeError(
                f"{layout.layer} must have plain weights, got {type(rows.module).__name__}: take the model before "
                "quantization, and merge its adapters"
            )
