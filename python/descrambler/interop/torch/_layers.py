"""Linear layers in a descrambled basis."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._solvers.descramble import descramble
from ..._solvers.result import Descrambling
from ..._util.validate import require_extra
from ...network._layers import Linear
from ...readers import _torch_live as live
from ...readers._build import blame
from ...readers._compare import apart, probes
from ...readers._torch_steps import numbers
from ._convolution import check_convolution, descrambled
from ._descrambled import DescrambledLinear
from ._devices import cast
from ._devices import wide as float64
from ._grams import is_plain
from ._taps import Forward, Tapped, call, evaluating, named, resolve, several

if TYPE_CHECKING:
    import torch
else:
    torch = require_extra("torch", "torch", "descrambler.interop.torch")


def descramble_module(
    model: torch.nn.Module,
    captured: Mapping[str, Any],
    criterion: Any = "smoothness",
    **options: Any,
) -> dict[str, DescrambledLinear]:
    """Descramble the layers of a model at the taps that were captured: linear ones, and convolutions.

    Parameters
    ----------
    model : nn.Module
        Is not changed.
    captured : mapping
        By tap, what :func:`capture` returned. Criteria that are not quadratic need the signals.
    criterion, **options
        As in :func:`descrambler.descramble`.

    Returns
    -------
    dict of DescrambledLinear
        By tap.

    Raises
    ------
    TypeError, ValueError
        As :func:`descrambler.descramble`; if a tap is not in the model or does not fit it, or its
        layer computes something else than W x + b (a copy of it is run on random rows).
    """
    layers = {}
    for tap, module in resolve(model, list(captured)).items():
        check_layer(tap, module)
        kept = captured[tap]
        result = named(tap, partial(descramble, kept, criterion, **options))
        layers[tap] = _seen_through(tap, module, result)
    return layers


def check_layer(tap: str, module: Tapped) -> None:
    """Refuse a layer that computes something else than its weights say: of these P W would be no map."""
    if isinstance(module, torch.nn.Linear):
        check_linear(tap, module)
    else:
        check_convolution(tap, module)


def check_linear(tap: str, module: torch.nn.Linear) -> None:
    """Refuse a layer whose outputs are not W x + b."""
    if is_plain(module):
        return
    bias = None if module.bias is None else numbers(module.bias)
    with blame(tap), live.quiet():
        layer = Linear(numbers(module.weight), bias)
        twin = live.copied(module, tap)
        for rows in probes([layer]):
            try:
                given = live.rows_of(twin(live.tensor(rows, twin)))
            # The forward pass is the user's code.
            except Exception as error:
                raise ValueError(f"its layer cannot be run to check it ({error})") from error
            excess, relative = apart([layer], rows, np.empty(0) if given is None else given)
            if excess > 1:
                kind, remedy = type(module).__qualname__, live.remedy(module)
                raise ValueError(
                    f"{kind} computes something else than W x + b (by {relative:.1g} of the "
                    f"largest output), so that P W is not the map to its outputs{remedy and ': '}"
                    f"{remedy}"
                )


def _seen_through(tap: str, module: Tapped, result: Descrambling) -> DescrambledLinear:
    if not isinstance(module, torch.nn.Linear):
        return descrambled(tap, module, result)
    p = result.rotation
    weight, bias = module.weight.detach(), module.bias
    wide: Any = float64(weight)
    if tap.endswith(":input"):
        turned: Any = p.right(wide)
    else:
        turned = p.left(wide)
        if bias is not None:
            column: Any = p.left(float64(bias)[:, None])
            bias = cast(column[:, 0], bias)
    return DescrambledLinear(
        tap, result, cast(turned, weight), None if bias is None else bias.detach()
    )


@dataclass(frozen=True)
class Verification:
    """How far the outputs of a model and of the same model with P^T P inserted lie apart.

    Attributes
    ----------
    difference : float
        Largest absolute difference over all outputs.
    scale : float
        Largest absolute output.
    """

    difference: float
    scale: float

    @property
    def relative(self) -> float:
        """Largest difference in units of the largest output."""
        return self.difference / self.scale if self.scale else self.difference

    def __str__(self) -> str:
        return (
            f"largest output difference {self.difference:.1e}, "
            f"{self.relative:.1e} of the largest output {self.scale:.3g}"
        )


def verify(
    model: torch.nn.Module,
    layers: Mapping[str, DescrambledLinear],
    batches: Iterable[Any],
    *,
    forward: Forward | None = None,
) -> Verification:
    """Print the largest change of a model's outputs when P is inserted and removed from its weights.

    At an input, the signals are rotated after the activation and the layer computes with ``W P^T``; at
    an output, the layer computes with ``P W`` and ``P b`` and the signals are rotated back before the
    activation. Neither changes the function, so the printed deviation is rounding. The model's
    parameters are not touched.

    Parameters
    ----------
    model : nn.Module
    layers : mapping
        What :func:`descramble_module` returned. One tap per linear layer.
    batches, forward
        As in :func:`capture`.

    Returns
    -------
    Verification

    Raises
    ------
    ValueError
        If a layer is not in the model or computes something else than W x + b, two taps lie on one
        layer, or there are no batches.
    """
    modules = resolve(model, list(layers))
    for tap, module in modules.items():
        check_layer(tap, module)
    if len(set(modules.values())) < len(modules):
        raise ValueError("layers must hold at most one tap per linear layer")
    difference, scale = 0.0, -1.0
    with evaluating(model):
        for batch in several(batches):
            plain = list(_tensors((forward or call)(model, batch)))
            with _inserted(modules, layers):
                turned = list(_tensors((forward or call)(model, batch)))
            for a, b in zip(plain, turned, strict=True):
                a, b = (float64(tensor) for tensor in (a, b))
                # Unlike max(), this lets no NaN pass unseen.
                difference = float(np.maximum(difference, float((a - b).abs().max())))
                scale = float(np.maximum(scale, float(a.abs().max())))
    if scale < 0:
        raise ValueError("batches must hold at least one, and the model must return tensors")
    verification = Verification(difference, scale)
    print(verification)
    return verification


@contextmanager
def _inserted(
    modules: Mapping[str, Tapped], layers: Mapping[str, DescrambledLinear]
) -> Iterator[None]:
    def replace(layer: DescrambledLinear, module: Any, args: Any, kwargs: Any, output: Any) -> Any:
        return layer(args[0] if args else kwargs["input"])

    with ExitStack() as hooks:
        for tap, module in modules.items():
            hook = partial(replace, layers[tap])
            hooks.callback(module.register_forward_hook(hook, with_kwargs=True).remove)
        yield


def _tensors(output: Any) -> Iterator[torch.Tensor]:
    if isinstance(output, torch.Tensor):
        yield output
    elif isinstance(output, Mapping):
        for value in output.values():
            yield from _tensors(value)
    elif isinstance(output, tuple | list):
        for value in output:
            yield from _tensors(value)
