"""Layers in a descrambled basis, which compute what the original layers compute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ..._geometry.rotation import Rotation
from ..._solvers.result import Descrambling
from ..._util.tables import brief
from ..._util.validate import require_extra

if TYPE_CHECKING:
    import torch
else:
    torch = require_extra("torch", "torch", "descrambler.interop.torch")


@brief
@dataclass(frozen=True, eq=False)
class DescrambledLinear:
    """A linear layer seen in the descrambled basis of its outputs or inputs.

    Attributes
    ----------
    tap : str
    result : Descrambling
    weight : Tensor, shape (n_out, n_in)
        ``P W`` at an output, ``W P^T`` at an input; on the device and in the dtype of W.
    bias : Tensor, shape (n_out,), or None
        ``P b`` at an output, ``b`` at an input.
    """

    tap: str
    result: Descrambling
    weight: torch.Tensor
    bias: torch.Tensor | None

    @property
    def side(self) -> str:
        """Side of the layer that P acts on: "input" or "output"."""
        return self.tap.rpartition(":")[2]

    def __call__(self, inputs: torch.Tensor) -> torch.Tensor:
        """Compute the original layer's outputs through this one, P^T P inserted."""
        p = self.result.rotation
        linear = torch.nn.functional.linear
        if self.side == "input":
            return linear(_rotated(p, inputs), self.weight, self.bias)
        return _rotated(p.inverse(), linear(inputs, self.weight, self.bias))


def _rotated(p: Rotation, signals: torch.Tensor) -> torch.Tensor:
    rows: Any = p.right(signals.reshape(-1, p.n))
    return torch.reshape(rows, signals.shape)


@brief
@dataclass(frozen=True, eq=False)
class DescrambledConv1d(DescrambledLinear):
    """A convolution seen in the descrambled basis of its output or input channels.

    Attributes
    ----------
    tap : str
    result : Descrambling
    weight : Tensor, shape (n_out, n_in, width)
        P over the output channels, or P^T over the input channels, at every point of the kernel.
    bias : Tensor, shape (n_out,), or None
    settings : mapping
        Stride, padding and dilation of the convolution.
    """

    settings: Mapping[str, Any]

    def __call__(self, inputs: torch.Tensor) -> torch.Tensor:
        """Compute the original layer's outputs through this one, P^T P inserted."""
        p = self.result.rotation
        convolve = partial(torch.nn.functional.conv1d, **self.settings)
        if self.side == "input":
            return convolve(_turned(p, inputs), self.weight, self.bias)
        return _turned(p.inverse(), convolve(inputs, self.weight, self.bias))


def _turned(p: Rotation, signals: torch.Tensor) -> torch.Tensor:
    rows = signals.movedim(-2, -1)
    turned: Any = p.right(rows.reshape(-1, p.n))
    return torch.reshape(turned, rows.shape).movedim(-1, -2)
