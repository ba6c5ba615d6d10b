"""Who touches the stream: found by rotating it in a running model, and seeing what changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from ..._util.validate import require_extra
from ._devices import cast, wide_at_home
from ._devices import wide as float64
from ._stream_parts import Parts
from ._taps import evaluating

if TYPE_CHECKING:
    import torch
else:
    torch = require_extra("torch", "torch", "descrambler.interop.torch")

nn = torch.nn
# Changes of less are rounding: of float32 inside of float64, of float32, of half precision.
ROUNDING = {torch.float64: 1e-5, torch.float32: 1e-3}
HALF = 0.1


@dataclass
class Run:
    """Outputs of all modules, in the order in which they came."""

    calls: list[tuple[str, Any, Any]] = field(default_factory=list)
    """Name, module, output."""
    result: list[Any] = field(default_factory=list)
    ran: set[int] = field(default_factory=set)
    """All modules that ran, by id."""


def trace(model: Any, parts: Parts, run: Callable[[], Any]) -> Run:
    """Check on one batch that the described weights write the stream, and that only the described norms take it.

    In the first run, which is returned, the model is as it is. In the second one, what every writer adds is
    rotated, and what every norm takes is rotated back. If the description is whole, nothing else can tell.

    Raises
    ------
    ValueError
        If anything else changes: the message names who.
    """
    with evaluating(model), unfused():
        plain = record(model, run)
        reached = {id(module) for _, module, _ in plain.calls}
        _check_reached(parts, reached)
        turn = _some_rotation(parts.width, parts.writers[0].parameter.dtype)
        with _rotated(model, parts, turn, reached):
            turned = record(model, run)
    _compare(parts, plain, turned, turn)
    return plain


@contextmanager
def unfused() -> Iterator[None]:
    """Let PyTorch's own transformer layers call their modules, instead of one fused kernel."""
    enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)


def outputs(result: Any) -> list[Any]:
    """Return what counts as a model's output: its logits where it names them, else all real tensors."""
    if isinstance(result, Mapping):
        for key in ("logits", "reconstruction"):
            if isinstance(result.get(key), torch.Tensor):
                return [result[key]]
        result = list(result.values())
    if isinstance(result, torch.Tensor):
        return [result] if result.dtype.is_floating_point else []
    if isinstance(result, tuple | list):
        return [tensor for item in result for tensor in outputs(item)]
    return []


def record(model: Any, run: Callable[[], Any]) -> Run:
    """Run a model, and return what its modules gave."""
    found = Run()

    def ran(module: Any, args: Any, output: Any) -> None:
        found.ran.add(id(module))

    def look(name: str, module: Any, args: Any, output: Any) -> None:
        tensors = [x.detach().clone() for x in outputs(output)]
        found.calls.append((name, module, tensors))

    with ExitStack() as hooks:
        for name, module in model.named_modules():
            hooks.callback(module.register_forward_hook(ran).remove)
            if name and (not list(module.children()) or list(module.parameters(recurse=False))):
                hooks.callback(module.register_forward_hook(partial(look, name)).remove)
        found.result = [x.detach().clone() for x in outputs(run())]
    if not found.result:
        raise ValueError("the model must return tensors, got none: pass forward=")
    return found


def _check_reached(parts: Parts, reached: set[int]) -> None:
    for norm in parts.norms:
        if id(norm.module) not in reached:
            raise ValueError(
                f"{norm.name} did not run on this batch (or runs inside of a fused kernel), so that the stream "
                "cannot be traced: pass a batch that reaches every norm"
            )


def _some_rotation(width: int, dtype: Any) -> Any:
    """Return a rotation far from the identity, cheap to make at any width.

    For half precision one that rounds nothing: its noise would make routers choose otherwise.
    """
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(width, generator=generator)
    if dtype not in ROUNDING:
        signs = torch.randint(2, (width,), generator=generator, dtype=torch.float64) * 2 - 1
        return torch.diag(signs)[order]
    blocks = []
    for start in range(0, width, 256):
        n = min(256, width - start)
        normal = torch.randn(n, n, generator=generator, dtype=torch.float64)
        blocks.append(torch.linalg.qr(normal)[0])
    return torch.block_diag(*blocks)[order]


@contextmanager
def _rotated(model: Any, parts: Parts, turn: Any, reached: set[int]) -> Iterator[None]:
    modules = dict(model.named_modules())
    names = {id(module): name for name, module in modules.items()}
    writing: dict[str, Any] = {}
    for weight in parts.writers:
        name = names[id(weight.module)]
        owner = modules[name.rpartition(".")[0]] if name else None
        if isinstance(owner, nn.MultiheadAttention):
            name = names[id(owner)]  # it uses the weight without calling the layer
        if id(modules[name]) in reached:
            writing[name] = weight
    with ExitStack() as hooks:
        for name, weight in writing.items():
            if any(name != other and _inside(name, other) for other in writing):
                continue  # its owner's output is rotated as a whole
            scale = parts.scales.get(weight.key)
            hook = partial(_turn_output, turn, scale)
            hooks.callback(modules[name].register_forward_hook(hook).remove)
        for norm in parts.norms:
            hooks.callback(hook_input(norm.module, partial(apply, turn.T)).remove)
        for module in {id(r.module): r.module for r in parts.readers}.values():
            hooks.callback(hook_input(module, partial(apply, turn.T)).remove)
        yield


def hook_input(module: Any, work: Callable[[Any], Any]) -> Any:
    """Put a function before a module: its first input becomes what the function returns, unless None."""

    def before(module: Any, args: Any, kwargs: Any) -> Any:
        if args:
            new = work(args[0])
            return None if new is None else ((new, *args[1:]), kwargs)
        key = next(iter(kwargs))
        new = work(kwargs[key])
        return None if new is None else (args, {**kwargs, key: new})

    return module.register_forward_pre_hook(before, with_kwargs=True)


def _inside(name: str, owner: str) -> bool:
    return not owner or name.startswith(f"{owner}.")


def _turn_output(turn: Any, scale: Any, module: Any, args: Any, output: Any) -> Any:
    if isinstance(output, tuple | list):
        first = _turn_output(turn, scale, module, args, output[0])
        return type(output)([first, *output[1:]])
    # A convolution's channels are not its last axis.
    axis = -1
    if isinstance(module, nn.modules.conv._ConvNd):
        axis -= len(module.kernel_size)
    rows = output.movedim(axis, -1)
    values = wide_at_home(rows)
    s = 1 if scale is None else float64(scale.parameter).reshape(-1).to(values.device)
    turned = apply(turn, values * s) / s
    return cast(turned, rows).movedim(-1, axis)


def apply(turn: Any, rows: Any) -> Any:
    """Return rows times P^T, in their dtype."""
    values = wide_at_home(rows)
    return cast(values @ turn.to(values.device).T, rows)


def _compare(parts: Parts, plain: Run, turned: Run, turn: Any) -> None:
    known = {id(w.module) for w in parts.weights()} | {id(n.module) for n in parts.norms}
    scaled = {id(w.module) for w in parts.writers if w.key in parts.scales}
    rotate = partial(apply, turn)
    first = None
    for (name, module, a), (other, _, b) in zip(plain.calls, turned.calls, strict=False):
        if name != other or len(a) != len(b):
            first = first or name
            break
        # A writer under a scale gives what only the scale makes a rotation of.
        unchanged = (same(x, y, parts.width, rotate) for x, y in zip(a, b, strict=True))
        if id(module) in scaled or all(unchanged):
            continue
        if id(module) in known or not list(module.parameters()):
            first = first or name  # it sees what came before, or passes it on
        elif first is None:
            raise ValueError(_unknown_reader(name, module))
    end = all(far(x, y) <= 0 for x, y in zip(plain.result, turned.result, strict=True))
    if first is None and end:
        return
    raise ValueError(_unknown_writer(parts, plain, first))


def same(x: Any, y: Any, width: int, rotate: Callable[[Any], Any]) -> bool:
    """Whether an output is as it was, or is the stream and rotated as a whole."""
    if x.shape != y.shape:
        return False
    if far(x, y) <= 0:
        return True
    return x.ndim > 0 and x.shape[-1] == width and far(rotate(x), y) <= 0


def far(x: Any, y: Any) -> float:
    """Return by how much two outputs differ beyond rounding, relative; NaN is far."""
    wide, other = float64(x), float64(y)
    # Masks of minus infinity are the same in both.
    wide, other = (torch.nan_to_num(v, nan=float("nan"), posinf=0, neginf=0) for v in (wide, other))
    scale = float(wide.norm())
    excess = float((wide - other).norm()) - ROUNDING.get(x.dtype, HALF) * scale
    return excess if excess == excess else float("inf")


def _unknown_reader(name: str, module: Any) -> str:
    return (
        f"{name} ({type(module).__name__}) takes the stream, or what is added to it, and is not in the description: "
        "its output changes when the stream is rotated. If it is a weight that reads or writes the stream, describe "
        "it; if it is a norm of a branch before it is added, a norm after the addition, or a gate per channel, "
        "the rotation is no symmetry of this model"
    )


def _unknown_writer(parts: Parts, plain: Run, first: str | None) -> str:
    known = {id(w.module) for w in parts.weights()} | {id(n.module) for n in parts.norms}
    before = []
    for name, module, out in plain.calls:
        if name == first:
            break
        wide = any(x.ndim > 1 and x.shape[-1] == parts.width for x in out)
        if wide and id(module) not in known and list(module.parameters()):
            before.append(name)
    where = f"at {first}" if first else "in the output"
    those = (
        ", ".join(dict.fromkeys(before))
        or "a parameter that is added, a gate per channel, a norm after the addition"
    )
    return (
        f"{where} the stream holds something that no described weight wrote, or something reads it without a "
        f"described norm, so that a rotation would change the model; not in the description: {those}"
    )
