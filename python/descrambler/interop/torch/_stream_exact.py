"""Running a model without the casts to float32 that libraries have in norms, routers and softmax."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..._util.validate import require_extra

if TYPE_CHECKING:
    import torch
else:
    torch = require_extra("torch", "torch", "descrambler.interop.torch")

from torch.overrides import TorchFunctionMode

NARROW = (torch.float32, torch.float16, torch.bfloat16)
CASTS = (torch.Tensor.float, torch.Tensor.half, torch.Tensor.bfloat16)


class Casts(TorchFunctionMode):  # type: ignore[misc]  # torch is not there when types are checked
    """Counts the casts of float64 tensors to less; keeps these tensors in float64 if asked to.

    Nothing is patched: the mode ends with its context. Casts of buffers do not count: they are
    constants, such as the frequencies of a rotary embedding.
    """

    def __init__(self, keep: bool, buffers: Iterable[Any] = ()) -> None:
        super().__init__()
        self.keep = keep
        self.count = 0
        self._constants = {buffer.untyped_storage().data_ptr() for buffer in buffers}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call a function of torch, with float64 in place of less where a float64 tensor is cast."""
        kwargs = kwargs or {}
        first = args[0] if args else None
        if isinstance(first, torch.Tensor) and first.dtype == torch.float64:
            counts = first.untyped_storage().data_ptr() not in self._constants
            if func in CASTS:
                self.count += counts
                return first if self.keep else func(*args, **kwargs)
            narrowed = kwargs.get("dtype") in NARROW or any(
                isinstance(a, torch.dtype) and a in NARROW for a in args[1:]
            )
            if narrowed:
                self.count += counts
                if self.keep:
                    args = tuple(_widened(a) for a in args)
                    kwargs = {key: _widened(value) for key, value in kwargs.items()}
        return func(*args, **kwargs)


def _widened(value: Any) -> Any:
    return torch.float64 if isinstance(value, torch.dtype) and value in NARROW else value
