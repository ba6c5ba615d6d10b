"""Batches: random ones for tracing a model, and given ones on another device or in another dtype."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..._util.validate import require_extra
from ._devices import cast
from ._stream_parts import Parts

if TYPE_CHECKING:
    import torch
else:
    torch = require_extra("torch", "torch", "descrambler.interop.torch")

TOKENS = (2, 6)


def stand_in(model: Any, parts: Parts) -> Any:
    """Return a random batch that a model may take: tokens, or images; None if there is no telling."""
    generator = torch.Generator().manual_seed(0)
    like = parts.writers[0].parameter
    main = getattr(model, "main_input_name", None)
    if main == "pixel_values":
        size = model.config.image_size
        size = (size, size) if isinstance(size, int) else tuple(size)
        shape = (1, model.config.num_channels, *size)
        return {main: torch.randn(shape, generator=generator).to(like.dtype).to(like.device)}
    tables = [w for w in parts.writers if isinstance(w.module, torch.nn.Embedding)]
    if main == "input_ids":
        rows = model.get_input_embeddings().num_embeddings
    elif tables:
        rows = tables[0].module.num_embeddings
    else:
        return None
    ids = torch.randint(rows, TOKENS, generator=generator).to(like.device)
    if main != "input_ids":
        return ids
    encoder_decoder = getattr(model.config, "is_encoder_decoder", False)
    return {main: ids} | ({"decoder_input_ids": ids} if encoder_decoder else {})


def cast_batch(batch: Any, like: Any) -> Any:
    """Return a batch on the device of a tensor, its real numbers in the dtype of that tensor."""
    if isinstance(batch, torch.Tensor):
        return cast(batch, like) if batch.dtype.is_floating_point else batch.to(like.device)
    if isinstance(batch, Mapping):
        return {key: cast_batch(value, like) for key, value in batch.items()}
    if isinstance(batch, tuple | list):
        return [cast_batch(item, like) for item in batch]
    return batch
