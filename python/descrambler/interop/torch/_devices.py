"""Numbers in float64 wherever a model is: Apple's GPUs have none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..._util.validate import require_extra

if TYPE_CHECKING:
    import torch
else:
    torch = require_extra("torch", "torch", "descrambler.interop.torch")


def home(device: Any) -> Any:
    """Return the device itself, or the CPU where it has no float64."""
    return torch.device("cpu") if device.type == "mps" else device


def wide(tensor: Any) -> Any:
    """Return a tensor in float64 on the CPU, without gradients; moved first, since its device may have none."""
    return tensor.detach().cpu().to(torch.float64)


def wide_at_home(tensor: Any) -> Any:
    """Return a tensor in float64, on its device if that has it, else on the CPU."""
    return tensor.to(home(tensor.device)).to(torch.float64)


def cast(tensor: Any, like: Any) -> Any:
    """Return a tensor on the device and in the dtype of another, in the order that never asks a GPU for float64."""
    if like.dtype == torch.float64:
        return tensor.to(like.device).to(like.dtype)
    return tensor.to(like.dtype).to(like.device)
