"""One weight of a stream, and one norm: what it computes, and who reads through it."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..._util.validate import require_extra
from ._devices import wide
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
UNKNOWN = object()


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
        return wide(self.module._parameters[attribute])


def norm_of(name: str, module: Any, width: int, pattern: str, readers: tuple[Weight, ...]) -> Norm:
    """Return a norm of the stream, found out by running a copy of it on random rows.

    Raises
    ------
    TypeError, ValueError
        If it computes something else than a LayerNorm or an RMSNorm, or has another width.
    """
    own = {key: value for key, value in module._parameters.items() if value is not None}
    gain = next((key for key in GAINS if key in own), None)
    shift = next((key for key in SHIFTS if key in own), None)
    kind = type(module).__name__
    if set(own) - {gain, shift} or list(module.children()):
        raise TypeError(f"{name} must be a norm with a gain and a shift at most, got {kind}")
    if any(value.is_meta for value in own.values()):
        raise ValueError(f"{name} must hold numbers, got a tensor on the meta device")
    if any(value.shape != (width,) for value in own.values()):
        shapes = [tuple(value.shape) for value in own.values()]
        raise ValueError(f"{name} must have {width} entries, as the stream has, got {shapes}")
    what = _Probe(module, width, gain, shift).kind()
    if what is None:
        raise TypeError(
            f"{name} must compute a LayerNorm or an RMSNorm, with a gain g or 1 + g; {kind} does not"
        )
    return Norm(name, module, *what, gain, shift, readers, pattern)


class _Probe:
    """A copy of a norm in float64 with random gain and shift, run on rows of two sizes."""

    def __init__(self, module: Any, width: int, gain: str | None, shift: str | None) -> None:
        twin = copy.deepcopy(module).cpu().to(torch.float64).eval()
        generator = torch.Generator().manual_seed(0)
        rows = 1 + 2 * torch.randn(4, width, dtype=torch.float64, generator=generator)
        # Small rows show the eps.
        self.rows = torch.cat([rows, 1e-3 * rows])
        # Not the numbers that are there: a gain of zeros would hide what is computed.
        for key in (gain, shift):
            if key is not None:
                twin._parameters[key].data = 1 + rows.new_empty(width).uniform_(generator=generator)
        self.gain = None if gain is None else twin._parameters[gain].data
        self.shift = 0 if shift is None else twin._parameters[shift].data
        with torch.no_grad(), Casts(keep=True):
            self.given = twin(self.rows)
        self.eps = next((getattr(module, key) for key in EPSILONS if hasattr(module, key)), UNKNOWN)

    def kind(self) -> tuple[str, int, float | None] | None:
        """Return kind, gain convention and eps, or None."""
        if getattr(self.given, "shape", None) != self.rows.shape:
            return None
        for kind in ("rms", "layer"):
            x = self.rows
            if kind == "layer":
                x = x - x.mean(1, keepdim=True)
            power = x.square().mean(1, keepdim=True)
            for offset in (0, 1) if self.gain is not None else (0,):
                scaled = x if self.gain is None else x * (self.gain + offset)
                eps = self._eps(scaled, power)
                number = torch.finfo(torch.float64).eps if eps is None else eps
                if number < 0:
                    continue
                expected = scaled * torch.rsqrt(power + number) + self.shift
                if torch.allclose(self.given, expected, 1e-9, 1e-9):
                    return kind, offset, eps
        return None

    def _eps(self, scaled: Any, power: Any) -> Any:
        """Return the eps of the module; where it does not tell, from what it gives."""
        if self.eps is not UNKNOWN:
            return self.eps
        place = scaled.abs().argmax(1, keepdim=True)
        ratio = scaled.gather(1, place) / (self.given - self.shift).gather(1, place)
        return float(f"{float((ratio.square() - power)[-4:].mean()):.6g}")
