"""What a fold or a rotation writes: planned and checked as a whole before the first write."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..._util.validate import require_extra
from ._devices import cast, home
from ._devices import wide as float64
from ._stream_norms import Norm, Weight
from ._stream_parts import Parts

if TYPE_CHECKING:
    import torch
else:
    torch = require_extra("torch", "torch", "descrambler.interop.torch")

nn = torch.nn
# Numbers in float64 at a time, beside the weight that is in work.
BLOCK = 2**22
# Largest b / g (root mean square) that may stay in a norm: its rounding stays below 1e-13 of the signals.
STEEP = 1e3


@dataclass(frozen=True, eq=False)
class Step:
    """What happens along one axis of a weight: times `gain`, minus the mean, then P."""

    gain: Any = None
    center: bool = False
    turn: Any = None

    def same(self, other: Step) -> bool:
        """Whether this does to a weight what the other does."""
        if self.center != other.center or self.turn is not other.turn:
            return False
        if self.gain is None or other.gain is None:
            return self.gain is other.gain
        return bool(torch.equal(self.gain, other.gain))


Steps = dict[int, Step]


@dataclass(frozen=True, eq=False)
class Job:
    """One weight to be written anew: its place and what happens to it."""

    weight: Weight
    steps: Steps
    apart: bool
    """Whether it becomes a parameter of its own, because others share it and change otherwise."""


@dataclass(frozen=True, eq=False)
class Plan:
    """All that one operation writes."""

    jobs: tuple[Job, ...]
    vectors: tuple[tuple[Any, str, str, Any], ...]
    """Module, attribute, name and new values (or None) of gains, shifts and biases of readers."""
    norms: tuple[tuple[str, Any], ...]
    """Norms to be replaced."""
    untied: tuple[str, ...]


def transformed(source: Any, steps: Steps) -> Any:
    """Return a weight after the steps along its axes; float64 between, rounded once."""
    result = source.detach().to(home(source.device))
    for count, (axis, step) in enumerate(steps.items(), 1):
        last = count == len(steps)
        result = _along(result, axis, step, source.dtype if last else torch.float64)
    return result.contiguous().to(source.device)


def _along(source: Any, axis: int, step: Step, dtype: Any) -> Any:
    moved = source.movedim(axis, -1)
    rows = moved.reshape(-1, moved.shape[-1])
    gain, turn = (None if x is None else x.to(rows.device) for x in (step.gain, step.turn))
    result = torch.empty(rows.shape, dtype=dtype, device=rows.device)
    size = max(1, BLOCK // rows.shape[1])
    for start in range(0, len(rows), size):
        wide = rows[start : start + size].to(torch.float64)
        if gain is not None:
            wide = wide * gain
        if step.center:
            wide = wide - wide.mean(1, keepdim=True)
        if turn is not None:
            wide = wide @ turn.T
        result[start : start + size] = wide.to(dtype)
    return result.reshape(moved.shape).movedim(-1, axis)


def plan(model: Any, parts: Parts, fold: bool, keep: bool, turn: Any) -> Plan:
    """Plan a fold, a rotation, or both at once.

    Raises
    ------
    ValueError
        If the fold cannot be exact.
    """
    rms = fold and not keep and any(norm.kind == "layer" for norm in parts.norms)
    if fold:
        _check_fold(parts, rms)
    if rms:
        _check_replaceable(model, parts)
    steps, weights = _steps(parts, fold, rms, turn)
    jobs, untied = _jobs(model, steps, weights)
    vectors: list[tuple[Any, str, str, Any]] = []
    for norm in parts.norms:
        vectors += _norm_vectors(norm, fold, rms, turn)
    if rms:
        vectors += _bias_vectors(parts)
    if fold:
        vectors += [
            (scale.module, scale.attribute, scale.name, torch.ones_like(scale.parameter))
            for scale in parts.scales.values()
        ]
    norms = tuple((n.name, _as_rms(n, parts.width)) for n in parts.norms) if rms else ()
    return Plan(jobs, tuple(vectors), norms, untied)


def _steps(
    parts: Parts, fold: bool, rms: bool, turn: Any
) -> tuple[dict[tuple[int, str], Steps], dict[tuple[int, str], Weight]]:
    steps: dict[tuple[int, str], Steps] = {}
    weights: dict[tuple[int, str], Weight] = {}

    def add(weight: Weight, step: Step) -> None:
        known = steps.setdefault(weight.key, {})
        weights.setdefault(weight.key, weight)
        if weight.axis in known and not known[weight.axis].same(step):
            raise ValueError(
                f"{weight.name} is used in two places of the stream that must change differently: give each "
                "place a weight of its own first"
            )
        known[weight.axis] = step

    for writer in parts.writers:
        scale = parts.scales.get(writer.key) if fold else None
        gain = None if scale is None else _flat(scale.parameter)
        add(writer, Step(gain, rms, turn))
    for norm in parts.norms:
        gain = norm.gain() if fold else None
        if gain is not None and bool((gain == 1).all()):
            gain = None
        for reader in norm.readers:
            add(reader, Step(gain, False, turn))
    for reader in parts.readers:
        add(reader, Step(None, False, turn))
    return steps, weights


def _flat(parameter: Any) -> Any:
    return float64(parameter).reshape(-1)


def _jobs(
    model: Any, steps: dict[tuple[int, str], Steps], weights: dict[tuple[int, str], Weight]
) -> tuple[tuple[Job, ...], tuple[str, ...]]:
    """Plan the weights; those that share a parameter with others that change otherwise get their own."""
    places: dict[int, list[tuple[int, str]]] = {}
    for module in model.modules():
        for attribute, value in module._parameters.items():
            if value is not None:
                places.setdefault(id(value), []).append((id(module), attribute))
    jobs, untied = [], []
    for key, weight in weights.items():
        idle = all(s.gain is None and not s.center and s.turn is None for s in steps[key].values())
        sharing = places[id(weight.parameter)]
        others = [k for k in sharing if k != key]
        apart = any(k not in steps or not _alike(steps[k], steps[key]) for k in others)
        # The first of the places keeps the parameter if all of them are of this stream.
        first = next(k for k in weights if k in sharing)
        if all(k in steps for k in sharing) and _alike(steps[first], steps[key]):
            apart = False
        if idle:
            continue
        if others and not apart and key != first:
            continue  # written at its first place
        if apart:
            untied.append(weight.name)
        jobs.append(Job(weight, steps[key], apart))
    # First those that leave a shared parameter, while it still holds what it did.
    return tuple(sorted(jobs, key=lambda job: not job.apart)), tuple(untied)


def _alike(a: Steps, b: Steps) -> bool:
    return a.keys() == b.keys() and all(a[axis].same(b[axis]) for axis in a)


def _check_fold(parts: Parts, rms: bool) -> None:
    if rms and parts.readers:
        names = ", ".join(weight.name for weight in parts.readers)
        raise ValueError(f"keep_architecture must be True: {names} read the stream without a norm")
    if rms and any(norm.kind == "rms" for norm in parts.norms):
        raise ValueError(
            "keep_architecture must be True: some norms of this stream do not center, and would see the mean "
            "that the fold removes"
        )
    for norm in parts.norms:
        gain, shift = norm.gain(), norm.shift()
        if rms and shift is not None and bool(shift.any()):
            _check_biases(norm)
        if not rms and gain is not None and shift is not None:
            lost = (gain == 0) & (shift != 0)
            ratio = _over(shift, gain)
            if bool(lost.any()) or float(ratio.square().mean().sqrt()) > STEEP:
                raise ValueError(
                    f"{norm.name} has a gain of (nearly) zero where its shift is not zero, so that the shift cannot "
                    "stay in the norm: use fold(keep_architecture=False), which moves it into the biases"
                )
    for scale in parts.scales.values():
        shared = [w for w in parts.weights() if w.parameter is scale.parameter]
        if shared:
            raise ValueError(f"{scale.name} must not be a weight of the stream as well")


def _check_replaceable(model: Any, parts: Parts) -> None:
    fused = (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)
    for norm in parts.norms:
        if isinstance(model.get_submodule(norm.name.rpartition(".")[0]), fused):
            raise ValueError(
                f"keep_architecture must be True: PyTorch's fused kernel takes {norm.name} for a LayerNorm"
            )


def _check_biases(norm: Norm) -> None:
    for reader in norm.readers:
        if reader.bias is None:
            raise ValueError(
                f"{reader.name} can have no bias to take the shift of {norm.name}: "
                "use keep_architecture=True"
            )


def _over(shift: Any, gain: Any) -> Any:
    """Return b / g, 0 where both are."""
    return torch.where(gain == 0, 0.0, shift / torch.where(gain == 0, 1.0, gain))


def _norm_vectors(norm: Norm, fold: bool, rms: bool, turn: Any) -> Iterator[Any]:
    gain, shift = norm.gain(), norm.shift()
    if fold and gain is not None and not rms:
        neutral = torch.full_like(gain, 1 - norm.offset)
        yield norm.module, norm.gain_name, f"{norm.name}.{norm.gain_name}", neutral
    if shift is not None and not rms and (fold or turn is not None):
        if fold and gain is not None:
            shift = _over(shift, gain)
        if turn is not None:
            shift = turn.to("cpu") @ shift
        yield norm.module, norm.shift_name, f"{norm.name}.{norm.shift_name}", shift


def _bias_vectors(parts: Parts) -> Iterator[Any]:
    """Give the biases of readers with the shifts of their norms."""
    for norm in parts.norms:
        shift = norm.shift()
        if shift is None or not bool(shift.any()):
            continue
        for reader in norm.readers:
            assert reader.bias is not None
            wide = float64(reader.parameter).movedim(reader.axis, -1)
            added = wide @ shift
            if (
                added.ndim > 1
            ):  # a convolution: its window has one place, or it reads several tokens
                added = added.flatten(1).sum(1)
            old = reader.module._parameters[reader.bias]
            if old is not None:
                added = added + float64(old)
            yield reader.module, reader.bias, f"{_stem(reader.name)}{reader.bias}", added


def _stem(name: str) -> str:
    return name[: name.rfind(".") + 1]


def _as_rms(norm: Norm, width: int) -> Any:
    """Return the RMSNorm in place of a LayerNorm whose gain and shift went elsewhere."""
    like = next(iter(norm.module.parameters()), None)
    new = nn.RMSNorm(width, eps=norm.eps).train(norm.module.training)
    return new if like is None else cast(new, like)
