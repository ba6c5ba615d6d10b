"""The way to a residual stream: by the class of a model, or by a description."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..._util.validate import require_extra
from ._stream import ResidualStream
from ._stream_known import known
from ._stream_spec import Stream
from ._stream_state import whole_module

if TYPE_CHECKING:
    import torch
else:
    torch = require_extra("torch", "torch", "descrambler.interop.torch")


def residual_stream(
    model: torch.nn.Module, spec: Stream | str | None = None, batch: Any = None
) -> ResidualStream:
    """Return the residual stream of a model, to be folded, rotated and verified.

    Parameters
    ----------
    model : nn.Module
        Is not changed until :meth:`ResidualStream.fold` or :meth:`ResidualStream.rotate`.
    spec : Stream or str, optional
        The description. None: known by the class, for models of ``transformers`` with their heads: Llama, Mistral,
        Qwen2, Qwen3, Gemma (1), Mixtral, GPT-2, GPT-NeoX, OPT, Phi, T5, ViT. T5 has two streams: None
        rotates both alike, "encoder" or "decoder" means one.
    batch
        A real batch of the model, on which the description is traced at once. None: it is traced before
        the first write, on random tokens or images.

    Returns
    -------
    ResidualStream

    Raises
    ------
    ValueError, TypeError
        If the class is unknown or a rotation is no symmetry of it, a weight is quantized, or
        something that is not described touches the stream.

    Examples
    --------
    >>> import transformers, descrambler as ds
    >>> config = transformers.LlamaConfig(vocab_size=50, hidden_size=16, intermediate_size=24,
    ...     num_hidden_layers=1, num_attention_heads=2)
    >>> model = transformers.LlamaForCausalLM(config).eval()
    >>> stream = ds.interop.torch.residual_stream(model)
    >>> stream.group
    'O(d)'
    """
    inner = whole_module(model)
    if spec is None or isinstance(spec, str):
        spec = known(inner, spec)
    stream = ResidualStream(inner, spec)
    if batch is not None:
        stream.trace(batch)
    return stream
