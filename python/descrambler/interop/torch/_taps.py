"""Names of taps, and how a model is run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from ..._util.validate import require_extra

if TYPE_CHECKING:
    import torch
else:
    torch = require_extra("torch", "torch", "descrambler.interop.torch")

Forward = Callable[["torch.nn.Module", Any], Any]


def resolve(model: torch.nn.Module, layers: Sequence[str]) -> dict[str, torch.nn.Linear]:
    """Linear modules by the full names of their taps."""
    modules = dict(model.named_modules())
    found: dict[str, torch.nn.Linear] = {}
    for pattern in layers:
        name, _, side = pattern.rpartition(":")
        if side not in ("input", "output"):
            raise ValueError(f'a tap must end in ":input" or ":output", got {pattern!r}')
        if name in modules and not isinstance(modules[name], torch.nn.Linear):
            raise TypeError(f"{name} must be an nn.Linear, got {type(modules[name]).__name__}")
        matches = {
            f"{known}:{side}": module
            for known, module in modules.items()
            if isinstance(module, torch.nn.Linear) and _fits(known, name)
        }
        if not matches:
            raise ValueError(f"the model has no linear layer named {name!r}")
        found |= matches
    return found


def _fits(name: str, pattern: str) -> bool:
    parts, patterns = name.split("."), pattern.split(".")
    return len(parts) == len(patterns) and all(map(fnmatchcase, parts, patterns))


def call(model: torch.nn.Module, batch: Any) -> Any:
    """Call a model with a batch: a tensor, positional arguments, or keyword arguments."""
    if isinstance(batch, Mapping):
        return model(**batch)
    return model(*batch) if isinstance(batch, tuple | list) else model(batch)


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
