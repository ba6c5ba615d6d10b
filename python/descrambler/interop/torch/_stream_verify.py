"""How far a model lies from itself after a fold and a rotation."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from ..._util.tables import brief
from ..._util.validate import require_extra
from ._devices import cast, wide
from ._stream_batches import cast_batch
from ._stream_exact import Casts
from ._stream_parts import find
from ._stream_spec import Stream
from ._stream_trace import apply, hook_input, outputs, unfused
from ._taps import Forward, call, evaluating

if TYPE_CHECKING:
    import torch
else:
    torch = require_extra("torch", "torch", "descrambler.interop.torch")

# Largest relative differences in float64, and where the classes of the model cast to float32 inside.
EXACT, CAST = 1e-12, 2e-6


@brief
@dataclass(frozen=True)
class StreamVerification:
    """How far the outputs and the stream of a model lie from those before the fold and the rotation.

    Differences are the largest ones over all batches, relative to the largest number there.

    Attributes
    ----------
    exact : float
        Deviation of the outputs, with weights and all arithmetic in float64.
    points : dict of float
        Deviation of the stream at each norm from the rotated stream of the original, in float64.
    forward : float
        Deviation of the outputs, with weights in float64 and the model's own forward.
    tolerance : float
        What `forward` must not exceed: 2e-6 where the model casts to float32 inside, else 1e-12. Infinite
        if a router in float32 chose other experts.
    own : float
        Deviation of the outputs in the model's own dtype: the drift by rounding.
    dtype : str
        That dtype.
    experts_changed : float or None
        Share of the tokens for which a router of the model, in its own dtype, chose other experts; None
        without routers.
    reference : str
        What the model was compared with in its own dtype: "the original" (from the backup, or before
        anything was written), or "the original, computed back".
    stored : dict of float
        By name, how far each stored weight lies from the rotated one, relative; for models in less than
        float64 that were folded or rotated.
    rounding : float
        What the numbers in `stored` must not exceed: a few roundings of the dtype.
    """

    exact: float
    points: dict[str, float]
    forward: float
    tolerance: float
    own: float
    dtype: str
    experts_changed: float | None
    reference: str
    stored: dict[str, float] = field(default_factory=dict)
    rounding: float = float("inf")

    @property
    def passed(self) -> bool:
        """Whether all differences are within the tolerances."""
        return not self.failures()

    def failures(self) -> list[str]:
        """Return, in words, what exceeds its tolerance."""
        worst = max(self.points, key=self.points.__getitem__)
        checks = [
            ("the outputs in float64", self.exact, EXACT),
            (f"the stream at {worst} in float64", self.points[worst], EXACT),
            ("the outputs of the model's own forward in float64", self.forward, self.tolerance),
        ]
        if self.stored:
            off = max(self.stored, key=self.stored.__getitem__)
            checks.append((f"the stored weights at {off}", self.stored[off], self.rounding))
        # Written so that NaN fails.
        return [
            f"{what} differ by {value:.1e} (at most {most:.0e})"
            for what, value, most in checks
            if not value <= most
        ]

    def __str__(self) -> str:
        lines = [
            f"outputs, all arithmetic in float64: {self.exact:.1e}",
            f"stream, all arithmetic in float64:  {max(self.points.values()):.1e}",
            f"outputs, the model's own forward:   {self.forward:.1e} (at most {self.tolerance:.0e})",
            f"outputs in {self.dtype}, against {self.reference}: {self.own:.1e}",
        ]
        if self.stored:
            most = max(self.stored.values())
            lines.append(
                f"stored weights, from the exact ones: {most:.1e} (at most {self.rounding:.0e})"
            )
        if self.experts_changed is not None:
            lines.append(f"tokens with other experts: {self.experts_changed:.2%}")
        return "largest relative differences\n  " + "\n  ".join(lines)


@dataclass
class _Seen:
    """Outputs, stream and experts of one run over all batches."""

    results: list[Any] = field(default_factory=list)
    points: dict[str, list[Any]] = field(default_factory=dict)
    experts: list[Any] = field(default_factory=list)
    casts: int = 0


@dataclass(frozen=True)
class Pair:
    """Two models, the map from the stream of the first to that of the second, and how to run them."""

    before: Any
    after: Any
    spec: Stream
    turn: Any
    centered: bool
    forward: Forward | None

    def compare(
        self, batches: Sequence[Any], keep: bool
    ) -> tuple[float, dict[str, float], float | None, int]:
        """Return differences of outputs and stream, the share of changed experts, the casts."""
        a, b = (self._run(model, batches, keep) for model in (self.before, self.after))
        result = max(map(_difference, a.results, b.results), default=float("inf"))
        points = {}
        for name, rows in a.points.items():
            pairs = zip(rows, b.points[name], strict=True)
            points[name] = max(_difference(self._mapped(x), y) for x, y in pairs)
        return result, points, _changed(a.experts, b.experts), a.casts

    def _mapped(self, rows: Any) -> Any:
        rows = wide(rows)
        if self.centered:
            rows = rows - rows.mean(-1, keepdim=True)
        return rows if self.turn is None else apply(self.turn, rows)

    def _run(self, model: Any, batches: Sequence[Any], keep: bool) -> _Seen:
        seen, parts = _Seen(), find(model, self.spec)
        modules, parameter = parts.points(), parts.writers[0].parameter
        with ExitStack() as stack:
            for name, module in modules.items():
                rows = seen.points.setdefault(name, [])
                stack.callback(hook_input(module, partial(_keep, rows)).remove)
            for module in parts.routers.values():
                hook = partial(_keep_experts, seen.experts)
                stack.callback(module.register_forward_hook(hook).remove)
            stack.enter_context(evaluating(model))
            stack.enter_context(unfused())
            stack.enter_context(torch.autocast(parameter.device.type, enabled=False))
            casts = stack.enter_context(Casts(keep, model.buffers()))
            for batch in batches:
                batch = cast_batch(batch, parameter)
                result = (self.forward or call)(model, batch)
                seen.results += [wide(x) for x in outputs(result)]
        seen.casts = casts.count
        if not seen.results:
            raise ValueError("batches must hold at least one, and the model must return tensors")
        return seen


def _keep(rows: list[Any], tensor: Any) -> None:
    rows.append(tensor.detach().clone())


def _keep_experts(kept: list[Any], module: Any, args: Any, output: Any) -> None:
    for tensor in output if isinstance(output, tuple | list) else (output,):
        if isinstance(tensor, torch.Tensor) and not tensor.dtype.is_floating_point:
            kept.append(tensor.detach().reshape(-1, tensor.shape[-1]).sort(-1)[0].cpu())


def _difference(a: Any, b: Any) -> float:
    a, b = wide(a), wide(b)
    if a.shape != b.shape or a.numel() == 0:
        return float("inf") if a.shape != b.shape else 0.0
    same = (a == b) | (torch.isnan(a) & torch.isnan(b))  # also where both are infinite
    difference = torch.where(same, 0.0, (a - b).abs()).max()
    scale = a[torch.isfinite(a)].abs().max() if bool(torch.isfinite(a).any()) else a.new_ones(())
    value = float(difference / scale) if float(scale) else float(difference)
    return value if value == value else float("inf")


def _changed(a: list[Any], b: list[Any]) -> float | None:
    if not a:
        return None
    changed = [(x != y).any(-1) for x, y in zip(a, b, strict=True)]
    return float(torch.cat(changed).to(torch.float64).mean())


def as_float64(model: Any) -> Any:
    """Return a copy of a model in float64, on the CPU where its device has none."""
    twin = copy.deepcopy(model)
    _set_experts(twin, lambda name: "eager")  # the others have no float64
    devices = {parameter.device.type for parameter in twin.parameters()}
    return twin.cpu().to(torch.float64) if "mps" in devices else twin.to(torch.float64)


def as_stored(twin: Any, model: Any) -> Any:
    """Cast a copy, in place, to the dtypes and devices of the parameters of a model."""
    like = dict(_tensors(model))
    _set_experts(twin, lambda name: _experts(model.get_submodule(name)))
    for name, tensor in _tensors(twin):
        if name in like:
            tensor.data = cast(tensor.data, like[name])
        else:
            tensor.data = cast(tensor.data, next(model.parameters()))
    return twin


def _set_experts(model: Any, kind: Callable[[str], str]) -> None:
    for name, module in model.named_modules():
        if _experts(module) is not None:
            module.config._experts_implementation = kind(name)


def _experts(module: Any) -> Any:
    """Return how transformers runs the experts of a module; None where there are none."""
    return getattr(getattr(module, "config", None), "_experts_implementation", None)


def _tensors(model: Any) -> Iterator[tuple[str, Any]]:
    yield from model.named_parameters()
    yield from model.named_buffers()
