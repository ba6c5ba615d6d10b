"""Whether the stream of a model may be used: no operation was interrupted, nothing drops signals."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from ..._util.validate import require_extra
from ...readers._torch_live import unwrapped

if TYPE_CHECKING:
    import torch
else:
    torch = require_extra("torch", "torch", "descrambler.interop.torch")

# Models in which an operation was interrupted: no stream of theirs may be used.
BROKEN: weakref.WeakSet[Any] = weakref.WeakSet()


def whole_module(model: Any) -> Any:
    """Return the module that is to be changed, without what parallel and compiled runs put around it.

    Raises
    ------
    TypeError
        If it is not a module.
    RuntimeError
        If an operation on it was interrupted.
    """
    if not isinstance(model, torch.nn.Module):
        raise TypeError(
            f"model must be a torch.nn.Module, got {type(model).__name__}: build it first, for example with "
            "from_pretrained"
        )
    inner = unwrapped(model)
    check_whole(inner)
    return inner


def check_whole(model: Any) -> None:
    """Refuse a model in which an operation was interrupted."""
    if model in BROKEN:
        raise RuntimeError(
            "the stream is half rotated: an operation on this model was interrupted; call restore() on the stream "
            "that began it if it had backup=True, else load the model again"
        )


def check_no_dropout(model: Any) -> None:
    """Refuse a model that drops signals at random."""
    for name, module in model.named_modules():
        if not module.training:
            continue
        is_dropout = isinstance(module, torch.nn.modules.dropout._DropoutNd)
        rates = [module.p] if is_dropout else []
        rates += [v for k, v in vars(module).items() if "drop" in k and isinstance(v, float)]
        if any(rates):
            raise RuntimeError(
                f"the model must be in evaluation mode, and {name or 'it'} drops signals at random: dropout on the "
                "stream is no symmetry; call model.eval() first"
            )
