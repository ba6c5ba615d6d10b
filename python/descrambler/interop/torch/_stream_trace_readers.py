"""Who reads through the norms of a stream: found by rotating what the norms give, and seeing what changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from ..._util.validate import require_extra
from ._stream_norms import Norm, Weight
from ._stream_parts import Parts
from ._stream_trace import ROUNDING, Run, far, record, same

if TYPE_CHECKING:
    import torch
else:
    torch = require_extra("torch", "torch", "descrambler.interop.torch")

Work = Callable[..., Any]


def trace_readers(model: Any, parts: Parts, run: Callable[[], Any], plain: Run) -> None:
    """Check that the described readers, and nothing else, read what the norms give.

    One more run: what every norm gives is rotated, and so are the weights of its readers. If the
    description is whole, nothing else can tell.

    Raises
    ------
    ValueError
        If anything else changes: the message names who.
    """
    work = _some_rotation(parts)
    with _rotated(model, parts, work, plain.ran):
        turned = record(model, run)
    _compare(parts, plain, turned, work)


def _some_rotation(parts: Parts) -> Work:
    """Return a function that rotates a tensor along an axis, with a few operations per number.

    Random signs, in another order, then a reflection that mixes all. In half precision the signs alone:
    they round nothing, so that routers choose as before.
    """
    width, generator = parts.width, torch.Generator().manual_seed(0)
    signs = torch.randint(2, (width,), generator=generator) * 2 - 1
    order = torch.randperm(width, generator=generator)
    mirror = torch.randn(width, generator=generator, dtype=torch.float64)
    mirror /= mirror.norm()
    mixing = all(weight.parameter.dtype in ROUNDING for weight in parts.weights())

    def rotate(tensor: Any, axis: int) -> Any:
        rows = tensor.movedim(axis, -1) * signs.to(tensor.dtype).to(tensor.device)
        if mixing:
            rows = rows[..., order.to(tensor.device)]
            normal = mirror.to(tensor.dtype).to(tensor.device)
            rows = rows - 2 * (rows @ normal)[..., None] * normal
        return rows.movedim(-1, axis)

    return rotate


@contextmanager
def _rotated(model: Any, parts: Parts, work: Work, ran: set[int]) -> Iterator[None]:
    modules = dict(model.named_modules())
    names = {id(module): name for name, module in modules.items()}
    writing = {(*weight.key, weight.axis) for weight in parts.writers}
    readers = {weight.key: weight for norm in parts.norms for weight in norm.readers}
    with ExitStack() as hooks:
        for norm in parts.norms:
            hook = norm.module.register_forward_hook(lambda module, args, output: work(output, -1))
            hooks.callback(hook.remove)
        for key, weight in readers.items():
            swap = _Swap(weight, work)
            hooks.callback(swap.back)
            user = _user(names[id(weight.module)], modules, ran)
            if (*key, weight.axis) in writing:  # an embedding, which others read as well
                swap.out()
                _around(weight.module, swap.back, swap.out, hooks)
            elif user is model:
                swap.out()
            else:
                _around(user, swap.out, swap.back, hooks)
        yield


def _user(name: str, modules: Mapping[str, Any], ran: set[int]) -> Any:
    """Return the module that ran with a weight: its own, or the nearest around it."""
    while name and id(modules[name]) not in ran:
        name = name.rpartition(".")[0]
    return modules[name]


class _Swap:
    """A rotated copy in the place of a weight, for a while: the weight itself is not written."""

    def __init__(self, weight: Weight, work: Work) -> None:
        self.weight, self.work, self.own = weight, work, weight.parameter

    def out(self, *call: Any) -> None:
        copied = self.work(self.own.detach(), self.weight.axis).contiguous()
        self._put(torch.nn.Parameter(copied, requires_grad=False))

    def back(self, *call: Any) -> None:
        self._put(self.own)

    def _put(self, parameter: Any) -> None:
        self.weight.module._parameters[self.weight.attribute] = parameter


def _around(
    module: Any, before: Callable[..., None], after: Callable[..., None], hooks: ExitStack
) -> None:
    hooks.callback(module.register_forward_pre_hook(before).remove)
    hooks.callback(module.register_forward_hook(after, always_call=True).remove)


def _compare(parts: Parts, plain: Run, turned: Run, work: Work) -> None:
    behind = {id(w.module): norm for norm in parts.norms for w in norm.readers}
    norms = {id(norm.module): norm for norm in parts.norms}
    rotate = partial(work, axis=-1)
    last: Norm | None = None
    where = None
    for (name, module, a), (other, _, b) in zip(plain.calls, turned.calls, strict=False):
        last = norms.get(id(module), last)
        unchanged = (same(x, y, parts.width, rotate) for x, y in zip(a, b, strict=False))
        if name == other and len(a) == len(b) and all(unchanged):
            continue
        if name == other and id(module) in behind:
            raise ValueError(_other_input(name, behind[id(module)].name))
        if name == other and list(module.parameters()):
            raise ValueError(_unknown_reader(name, module, last))
        where = f"at {name}"
        break
    else:
        if any(far(x, y) > 0 for x, y in zip(plain.result, turned.result, strict=True)):
            where = "in the output"
    if where:
        raise ValueError(
            f"{where} the model depends on the basis of what {last.name if last else 'a norm'} gives: a weight that "
            "reads it is not among the readers of this norm, a function that is no rotation comes before them, or the model "
            "returns it"
        )


def _other_input(name: str, norm: str) -> str:
    return (
        f"{name} is described as a reader of {norm}, and its output changes when the output of {norm} and the weights of "
        f"{name} are rotated: it reads something else, or something stands between the two"
    )


def _unknown_reader(name: str, module: Any, norm: Norm | None) -> str:
    through = norm.name if norm else "a norm"
    return (
        f"{name} ({type(module).__name__}) takes what {through} gives, and is not in the description: its output "
        f"changes when the output of {through} is rotated. Name it among the readers of its norm, in norms"
    )
