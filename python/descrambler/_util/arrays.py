"""Arrays of other libraries (Array API, DLPack, PyTorch): in as NumPy, out in their own kind."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

Function = TypeVar("Function", bound=Callable[..., Any])


def as_numpy(value: Any) -> NDArray[Any]:
    """Return `value` as a NumPy array from whatever device it is on, without a copy if that can be.

    Gradients are not followed. bfloat16, which NumPy has not, becomes float32. TypeError for a tensor
    that has no numbers.
    """
    torch = _torch_of(value)
    if torch is not None:
        if value.is_meta:
            raise TypeError(
                "a tensor must have numbers, got one on the device 'meta': compute it on the CPU"
            )
        tensor = value.detach().cpu()
        return np.asarray(tensor.float() if tensor.dtype == torch.bfloat16 else tensor)
    if _namespace_of(value) is not None:
        return np.from_dlpack(value)
    return np.asarray(value)


def like(value: Any, result: NDArray[Any]) -> Any:
    """Return `result` as the kind of array that `value` is, on its device; in its dtype if that is real."""
    torch = _torch_of(value)
    if torch is not None:
        found = torch.from_numpy(result)
        # First the dtype: Apple's GPUs have no float64.
        return (found.to(value.dtype) if value.dtype.is_floating_point else found).to(value.device)
    namespace = _namespace_of(value)
    if namespace is None:
        return result
    real = namespace.isdtype(value.dtype, "real floating")
    return namespace.asarray(result, dtype=value.dtype if real else None, device=value.device)


def keeps_kind(function: Function) -> Function:
    """Make a function of arrays return its result in the kind of its first argument."""

    @wraps(function)
    def kept(*args: Any, **kwargs: Any) -> Any:
        first = args[0] if args else next(iter(kwargs.values()), None)
        return like(first, function(*args, **kwargs))

    return cast(Function, kept)


def _torch_of(value: Any) -> Any:
    """Return PyTorch if it is loaded and made `value`."""
    torch = sys.modules.get("torch")
    return torch if torch is not None and isinstance(value, torch.Tensor) else None


def _namespace_of(value: Any) -> Any:
    """Return the Array API namespace of `value`, if that is not NumPy's."""
    if isinstance(value, np.ndarray | np.generic) or not hasattr(value, "__array_namespace__"):
        return None
    return value.__array_namespace__()
