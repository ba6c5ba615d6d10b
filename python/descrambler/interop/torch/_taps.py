"""Names of taps, and how a model is run."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ..._util.validate import require_extra
from ...readers._torch_live import unwrapped

if TYPE_CHECKING:
    import torch
else:
    torch = require_extra("torch", "torch", "descrambler.interop.torch")

Forward = Callable[["torch.nn.Module", Any], Any]
Tapped: TypeAlias = "torch.nn.Linear | torch.nn.Conv1d"


def resolve(model: torch.nn.Module, layers: Sequence[str]) -> dict[str, Tapped]:
    """Return linear modules and convolutions by the full names of their taps.

    A module has all the names that the model holds it under. What torch.compile and DataParallel
    put around modules may be left out of a name.
    """
    modules = _names(model)
    found: dict[str, Tapped] = {}
    for pattern in layers:
        name, _, side = pattern.rpartition(":")
        if side not in ("input", "output"):
            advice = f'write "{pattern.partition(":")[0]}:output"'
            raise ValueError(f'a tap must end in ":input" or ":output", got {pattern!r}: {advice}')
        fitting = {known: modules[known] for known in modules if _fits(known, name)}
        matches: dict[Tapped, str] = {}
        for known, module in fitting.items():
            if isinstance(module, torch.nn.Linear | torch.nn.Conv1d):
                matches.setdefault(module, known)  # once, under its first name
        if not matches:
            raise _no_layer(name, fitting, modules)
        found |= {f"{known}:{side}": module for module, known in matches.items()}
    return found


def _names(model: torch.nn.Module) -> dict[str, torch.nn.Module]:
    """Return all modules by all names; first those that `named_modules` gives."""
    found = dict(model.named_modules())
    found |= dict(model.named_modules(remove_duplicate=False))
    for name, module in list(found.items()):
        parts = [part for part in name.split(".") if part != "_orig_mod"]
        found.setdefault(".".join(parts), module)
        if parts[:1] == ["module"] and unwrapped(model) is not model:
            found.setdefault(".".join(parts[1:]), module)
    return found


def _no_layer(
    name: str, fitting: Mapping[str, torch.nn.Module], modules: Mapping[str, torch.nn.Module]
) -> Exception:
    """Return the error for a tap at no linear layer."""
    for known, module in fitting.items():
        room = f"{type(module).__module__}.{type(module).__qualname__}"
        if "quant" in room:
            return TypeError(
                f"{known} must be an nn.Linear or nn.Conv1d, but is quantized ({room}): capture the signals of "
                "the model as it was before quantization"
            )
        if known == name:
            shown = type(module).__name__ if room.startswith("torch.nn.modules.") else room
            return TypeError(f"{name} must be an nn.Linear or nn.Conv1d, got {shown}")
    linear = [k for k, m in modules.items() if isinstance(m, torch.nn.Linear | torch.nn.Conv1d)]
    some = ", ".join(linear[:6]) + (", ..." if len(linear) > 6 else "")
    return ValueError(
        f"the model has no linear layer or Conv1d named {name!r}; it has {some or 'none'}"
    )


def _fits(name: str, pattern: str) -> bool:
    parts, patterns = name.split("."), pattern.split(".")
    return len(parts) == len(patterns) and all(map(fnmatchcase, parts, patterns))


def call(model: torch.nn.Module, batch: Any) -> Any:
    """Call a model with a batch: a tensor, positional arguments, or keyword arguments.

    If the batch is a pair (inputs, targets), a model with one argument gets the inputs.
    """
    try:
        return _called(model, batch)
    except (AttributeError, TypeError, ValueError) as error:
        parts = list(batch.values()) if isinstance(batch, Mapping) else _positional(batch)
        if any(isinstance(part, torch.Tensor) for part in parts):
            raise
        kinds = ", ".join(type(part).__name__ for part in parts) or "nothing"
        raise TypeError(
            f"each of the batches must hold tensors, got {kinds}, which the model does not take ({error})"
        ) from error


def _positional(batch: Any) -> tuple[Any, ...]:
    return tuple(batch) if isinstance(batch, tuple | list) else (batch,)


def _called(model: torch.nn.Module, batch: Any) -> Any:
    if isinstance(batch, Mapping):
        return model(**batch)
    given = _positional(batch)
    try:
        signature = inspect.signature(unwrapped(model).forward)
    except ValueError:
        return model(*given)  # a signature that Python does not know
    try:
        signature.bind(*given)
    except TypeError as error:
        if len(given) == 2 and _takes(signature, given[:1]):
            return model(given[0])  # (inputs, targets), as a DataLoader gives them
        raise TypeError(
            f"each of the batches must be what the model takes ({error}), got {len(given)} "
            "item(s). Say how to call it: forward=lambda model, batch: model(batch[0])"
        ) from error
    return model(*given)


def _takes(signature: inspect.Signature, arguments: tuple[Any, ...]) -> bool:
    try:
        signature.bind(*arguments)
    except TypeError:
        return False
    return True


def several(batches: Iterable[Any]) -> Iterable[Any]:
    """Return batches; one batch in their place is refused.

    Raises
    ------
    TypeError
        If one tensor, array or mapping is given, or what cannot be iterated over.
    """
    one = isinstance(batches, torch.Tensor | np.ndarray | Mapping | str)
    if one or not isinstance(batches, Iterable):
        if isinstance(batches, str):
            raise TypeError("batches must be an iterable of batches of tensors, got a text")
        kind = "tensor" if isinstance(batches, torch.Tensor) else type(batches).__name__
        raise TypeError(
            f"batches must be an iterable of batches, got one {kind}: pass [{kind}]"
            if one
            else f"batches must be an iterable of batches, such as a list, got {kind}"
        )
    return batches


@contextmanager
def evaluating(model: torch.nn.Module) -> Iterator[None]:
    """No gradients, evaluation mode; afterwards every module is in the mode it was in."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module in training:
            module.training = True


def named(tap: str, work: Callable[[], Any]) -> Any:
    """Do work; an error in it names the tap."""
    try:
        return work()
    except ValueError as error:
        raise ValueError(f"at {tap}: {error}") from error
