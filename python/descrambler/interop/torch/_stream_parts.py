"""The weights and norms of a residual stream, found in a model by the names in its description."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..._util.validate import require_extra
from ._stream_norms import Norm, Weight, norm_of
from ._stream_spec import Stream, filled, matching

if TYPE_CHECKING:
    import torch
else:
    torch = require_extra("torch", "torch", "descrambler.interop.torch")

nn = torch.nn


@dataclass(frozen=True, eq=False)
class Parts:
    """All that touches a stream of one model."""

    width: int
    writers: tuple[Weight, ...]
    norms: tuple[Norm, ...]
    readers: tuple[Weight, ...]
    scales: dict[tuple[int, str], Weight]
    """By place of a writer, the scale that multiplies it."""
    routers: dict[str, Any]

    @property
    def centers(self) -> bool:
        """Whether some norm is a LayerNorm, which only rotations that fix the ones leave as it is."""
        return any(norm.kind == "layer" for norm in self.norms)

    def points(self) -> dict[str, Any]:
        """Return by name the modules whose input is the stream: norms, and readers without one."""
        points = {norm.name: norm.module for norm in self.norms}
        return points | {reader.name: reader.module for reader in self.readers}

    def weights(self) -> Iterator[Weight]:
        """Give all weights: writers, then readers."""
        yield from self.writers
        for norm in self.norms:
            yield from norm.readers
        yield from self.readers


def find(model: Any, spec: Stream, *, numbers: bool = True) -> Parts:
    """Find the parts of a stream in a model; its matrices may be without numbers if so said.

    Raises
    ------
    ValueError, TypeError
        If a name is not in the model, a layer is of an unknown class or quantized, a norm is of an unknown kind, or
        the widths disagree.
    """
    finder = _Finder(model, spec)
    writers = finder.all(spec.writers, writes=True)
    width = writers[0].parameter.shape[writers[0].axis]
    norms = tuple(
        norm_of(name, finder.modules[name], width, pattern, finder.readers(stars, readers))
        for pattern, readers in spec.norms.items()
        for name, stars in finder.modules_like(pattern).items()
    )
    scales: dict[tuple[int, str], Weight] = {}
    for pattern, scaled in spec.scales.items():
        for name, stars in finder.parameters_like(pattern).items():
            scale = finder.parameter(name, pattern, writes=True)
            for writer in finder.all(scaled, writes=True, stars=stars):
                scales[writer.key] = scale
    routers = {n: finder.modules[n] for p in spec.routers for n in finder.modules_like(p)}
    bare = finder.all(spec.readers, writes=False)
    parts = Parts(width, writers, norms, bare, scales, routers)
    _check(parts, numbers)
    return parts


class _Finder:
    def __init__(self, model: Any, spec: Stream) -> None:
        self.modules = dict(model.named_modules())
        self.parameters = dict(model.named_parameters(remove_duplicate=False))
        self.storage = spec.storage

    def modules_like(self, pattern: str) -> dict[str, tuple[str, ...]]:
        found = matching(pattern, self.modules)
        if not found:
            raise ValueError(f"the model has no module named {pattern!r}")
        return found

    def parameters_like(self, pattern: str) -> dict[str, tuple[str, ...]]:
        found = matching(pattern, self.parameters)
        if not found:
            raise ValueError(f"the model has no module or parameter named {pattern!r}")
        return found

    def readers(self, stars: Sequence[str], patterns: Sequence[str]) -> tuple[Weight, ...]:
        return self.all(patterns, writes=False, stars=stars)

    def all(
        self, patterns: Sequence[str], writes: bool, stars: Sequence[str] = ()
    ) -> tuple[Weight, ...]:
        found: list[Weight] = []
        for pattern in patterns:
            full = filled(pattern, stars)
            modules = matching(full, self.modules)
            for name in modules:
                found += self.layer(name, pattern, writes)
            if not modules:
                found += [self.parameter(n, pattern, writes) for n in self.parameters_like(full)]
        return tuple({weight.key + (weight.axis,): weight for weight in found}.values())

    def _stored(self, name: str) -> str | None:
        return next((s for pattern, s in self.storage.items() if matching(pattern, [name])), None)

    def layer(self, name: str, pattern: str, writes: bool) -> list[Weight]:
        module = self.modules[name]
        axis = self._axis_in(module, name, writes)
        bias = "bias" if "bias" in module._parameters else None
        weights = [Weight(module, "weight", f"{name}.weight", axis, pattern, bias)]
        if writes and bias and module.bias is not None:
            weights.append(Weight(module, "bias", f"{name}.bias", 0, pattern))
        return weights

    def _axis_in(self, module: Any, name: str, writes: bool) -> int:
        kind = type(module).__name__
        if module._parameters.get("weight") is None:
            raise TypeError(
                f"{name} must be a layer with a weight of its own, got {kind}: its weight is computed, packed "
                "or elsewhere (merge adapters, remove parametrizations, use the model before quantization)"
            )
        if storage := self._stored(name):
            return _axis(storage, writes, module.weight.ndim)
        if isinstance(module, nn.Embedding):  # as a reader: the head that multiplies by its rows
            if module.max_norm is not None:
                raise ValueError(f"{name} must not have max_norm: it changes its weight as it runs")
            return 1
        if type(module) in (nn.Linear, nn.modules.linear.NonDynamicallyQuantizableLinear):
            return 0 if writes else 1
        if type(module) in (nn.Conv1d, nn.Conv2d, nn.Conv3d) and module.groups == 1:
            return 0 if writes else 1
        if type(module).__module__ == "transformers.pytorch_utils" and kind == "Conv1D":
            return 1 if writes else 0
        raise TypeError(
            f'{name} must be of a known class, got {kind}: say how its weight is stored with storage={{"{name}": '
            '"(out, in)"} if it computes W x + b; merge adapters; take the model before quantization'
        )

    def parameter(self, name: str, pattern: str, writes: bool) -> Weight:
        owner, _, attribute = name.rpartition(".")
        module, value = self.modules[owner], self.parameters[name]
        storage = self._stored(name)
        if storage is None and not writes:
            raise ValueError(f'storage[{pattern!r}] must be "(out, in)" or "(in, out)", got none')
        # A table or a vector that is added to the stream lies along it with its last axis.
        axis = value.ndim - 1 if storage is None else _axis(storage, writes, value.ndim)
        partner = attribute[: -len("weight")] + "bias" if attribute.endswith("weight") else ""
        bias = partner if partner in module._parameters else None
        return Weight(module, attribute, name, axis, pattern, None if writes else bias)


def _axis(storage: str, writes: bool, ndim: int) -> int:
    """Return the axis along the stream of a weight whose last two axes are those of `storage`."""
    if ndim == 1:
        return 0
    return ndim - 2 if writes == (storage == "(out, in)") else ndim - 1


def _check(parts: Parts, numbers: bool) -> None:
    axes: dict[tuple[int, str], set[int]] = {}
    for weight in (*parts.weights(), *parts.scales.values()):
        value = weight.parameter
        if not value.dtype.is_floating_point or type(value.data) is not torch.Tensor:
            raise TypeError(
                f"{weight.name} must be a plain tensor of real numbers, got {type(value.data).__name__} of "
                f"{value.dtype}: quantized or distributed weights cannot be rotated exactly; rotate first"
            )
        if numbers and value.is_meta:
            raise ValueError(f"{weight.name} must hold numbers, got a tensor on the meta device")
        if value.shape[weight.axis] != parts.width:
            raise ValueError(
                f"{weight.name} must have {parts.width} entries along axis {weight.axis}, as the stream has, "
                f"got shape {tuple(value.shape)}: check its storage"
            )
        axes.setdefault(weight.key, set()).add(weight.axis)
