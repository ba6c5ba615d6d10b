"""One weight of a stream, and one norm: what it computes, and who reads through it."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..._util.validate import require_extra
from ._stream_exact import Casts

if TYPE_CHECKING:
    import torch
else:
    torch = require_extra("torch", "torch", "descrambler.interop.torch")

GAINS, SHIFTS, EPSILONS = (
    ("weight", "gamma", "scale", "gain"),
    ("bias", "beta", "shift"),
    ("eps", "variance_epsilon", "epsilon"),
)


@dataclass(frozen=True, eq=False)
class Weight:
    """One parameter and the axis of it that runs along the stream."""

    module: Any
    attribute: str
    name: str
    axis: int
    pattern: str
    bias: str | None = None
    """Attribute of the bias beside a reader; None: this layer can have none."""

    @property
    def key(self) -> tuple[int, str]:
        """What tells the parameter's place from others."""
        return id(self.module), self.attribute

    @property
    def parameter(self) -> Any:
        """The parameter itself."""
        return self.module._parameters[self.attribute]

    @property
    def storage(self) -> str:
        """How the weight is stored, in words."""
        if self.parameter.ndim == 1:
            return "(d,)"
        shape = ["."] * self.parameter.ndim
        shape[self.axis] = "d"
        return f"({', '.join(shape)})"


@dataclass(frozen=True, eq=False)
class Norm:
    """A norm of the stream, what it computes, and the weights that read through it."""

    name: str
    module: Any
    kind: str
    """"layer" or "rms"."""
    offset: int
    """1 where the module multiplies by 1 + weight."""
    eps: float | None
    gain_name: str | None
    shift_name: str | None
    readers: tuple[Weight, ...]
    pattern: str

    def gain(self) -> Any:
        """Return the gain in float64, or None."""
        return None if self.gain_name is None else self._wide(self.gain_name) + self.offset

    def shift(self) -> Any:
        """Return the shift in float64, or None."""
        return None if self.shift_name is None else self._wide(self.shift_name)

    def _wide(self, attribute: str) -> Any:
        return self.module._parameters[attribute].detach().to("cpu", torch.float64)


def norm_of(name: str, module: Any, width: int, pattern: str, readers: tuple[Weight, ...]) -> Norm:
    own = {key: value for key, value in module._parameters.items() if value is not None}
    gain = next((key for key in GAINS if key in own), None)
    shift = next((key for key in SHIFTS if key in own), None)
    eps = next((getattr(module, key) for key in EPSILONS if hasattr(module, key)), None)
    kind = type(module).__name__
    if set(own) - {gain, shift} or list(module.children()):
        raise TypeError(f"{name} must be a norm with a gain and a shift at most, got {kind}")
    if any(value.shape != (width,) for value in own.values()):
        shapes = [tuple(value.shape) for value in own.values()]
        raise ValueError(f"{name} must have {width} entries, as the stream has, got {shapes}")
    what = _computes(module, width, gain, shift, eps)
    if what is None:
        raise TypeError(
            f"{name} must compute a LayerNorm or an RMSNorm, with a gain g or 1 + g; {kind} does not"
        )
    return Norm(name, module, *what, eps, gain, shift, readers, pattern)


def _computes(
    module: Any, width: int, gain: str | None, shift: str | None, eps: float | None
) -> tuple[str, int] | None:
    """Return kind and gain convention of a norm, found by running a copy of it on random rows."""
    twin = copy.deepcopy(module).to("cpu", torch.float64).eval()
    generator = torch.Generator().manual_seed(0)
    rows = 1 + 2 * torch.randn(4, width, dtype=torch.float64, generator=generator)
    with torch.no_grad():
        for key in (gain, shift):
            if key is not None:
                # Not the numbers that are there: a gain of zeros would hide what is computed.
                random = torch.randn(width, dtype=torch.float64, generator=generator)
                twin._parameters[key].data = random
        with Casts(keep=True):
            given = twin(rows)
        if eps is None:
            eps = torch.finfo(torch.float64).eps
        for kind in ("rms", "layer"):
            x = rows - rows.mean(1, keepdim=True) if kind == "layer" else rows
            x = x * torch.rsqrt(x.square().mean(1, keepdim=True) + eps)
            b = 0 if shift is None else twin._parameters[shift]
            for offset in (0, 1) if gain else (0,):
                g = twin._parameters[gain] + offset if gain else 1
                if given.shape == x.shape and torch.allclose(given, x * g + b, 1e-10, 1e-10):
                    return kind, offset
    return None
