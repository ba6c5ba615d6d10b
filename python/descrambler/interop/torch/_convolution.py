"""One-dimensional convolutions: their channels are a link dimension, at every place of the signal alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..._solvers.result import Descrambling
from ..._util.validate import require_extra
from ._descrambled import DescrambledConv1d
from ._devices import cast
from ._devices import wide as float64

if TYPE_CHECKING:
    import torch
else:
    torch = require_extra("torch", "torch", "descrambler.interop.torch")

PROBE = 3  # lengths of the kernel's reach that a convolution is checked on
ROUNDING = {torch.float64: 1e-10}  # else 1e-4, of the largest output


def settings(module: torch.nn.Conv1d) -> dict[str, Any]:
    """Return what a convolution does beside its weights."""
    return {name: getattr(module, name) for name in ("stride", "padding", "dilation")}


def check_convolution(tap: str, module: torch.nn.Conv1d) -> None:
    """Refuse a convolution that is not one matrix per point of its kernel."""
    if module.groups != 1:
        raise ValueError(
            f"{tap} must be a convolution with groups=1, got groups={module.groups}: a rotation would mix "
            "channels that the convolution keeps apart"
        )
    if module.padding_mode != "zeros":
        raise ValueError(
            f"{tap} must be padded with zeros or not at all, got padding_mode={module.padding_mode!r}"
        )
    reach = module.dilation[0] * (module.kernel_size[0] - 1) + 1
    like = module.weight.detach()
    probe = torch.linspace(-1, 1, PROBE * reach * module.in_channels).to(like).sin()
    probe = probe.reshape(1, module.in_channels, -1)
    with torch.no_grad():
        plain = torch.nn.functional.conv1d(probe, like, module.bias, **settings(module))
        difference = float((module(probe) - plain).abs().max())
    if not difference <= ROUNDING.get(like.dtype, 1e-4) * float(plain.abs().max()):
        raise ValueError(
            f"{tap}: {type(module).__qualname__} computes something else than its convolution, so that its "
            "rotated kernel is not the map to its outputs; remove hooks and adapters, or merge them"
        )


def descrambled(tap: str, module: torch.nn.Conv1d, result: Descrambling) -> DescrambledConv1d:
    """Return a convolution in the basis of a result."""
    p = result.rotation
    weight, bias = module.weight.detach(), module.bias
    wide = float64(weight)
    turned: Any
    if tap.endswith(":input"):
        last = wide.movedim(1, 2)
        turned = torch.reshape(p.right(last.reshape(-1, p.n)), last.shape).movedim(2, 1)
    else:
        turned = torch.reshape(p.left(wide.reshape(p.n, -1)), wide.shape)
        if bias is not None:
            column: Any = p.left(float64(bias)[:, None])
            bias = cast(column[:, 0], bias)
    kept = None if bias is None else bias.detach()
    return DescrambledConv1d(tap, result, cast(turned, weight), kept, settings(module))
