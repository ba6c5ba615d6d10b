"""Read the tensors that torch.save wrote, in a process of its own (`_isolated.read`)."""

from __future__ import annotations

import pickle
import re
from typing import Any

NESTED = ("state_dict", "model_state_dict", "model")
"""Keys under which checkpoints keep the state dict."""


class Refused(Exception):
    """A file that is whole, but not for us."""


def libraries(path: str) -> None:
    """Import what `contents` needs."""
    import torch  # noqa: F401


def contents(path: str) -> dict[str, Any]:
    """Return the tensors of a state dict by name, in its order."""
    loaded = load(path)
    for key in NESTED:
        if isinstance(loaded, dict) and isinstance(loaded.get(key), dict):
            loaded = loaded[key]
    if not isinstance(loaded, dict):
        raise Refused(f"holds a {type(loaded).__name__}, not a state dict")
    return {name: array(name, value) for name, value in tensors(loaded).items()}


def load(path: str) -> Any:
    """Load a file without running code from it."""
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL (\S+)", str(error))
        raise Refused(
            f"pickled objects ({found[1] if found else 'of unknown classes'}), which could run "
            "code when read, so it is refused; save model.state_dict() instead"
        ) from None
    except RuntimeError as error:
        if "TorchScript" in str(error):
            raise Refused("a TorchScript program; save its state_dict() with torch.save") from None
        if "allocate memory" in str(error):
            raise MemoryError from None
        raise


def tensors(loaded: dict[Any, Any]) -> dict[str, Any]:
    """Return the entries that are tensors."""
    import torch

    return {
        key: value
        for key, value in loaded.items()
        if isinstance(key, str) and isinstance(value, torch.Tensor)
    }


def array(name: str, tensor: Any) -> Any:
    """Return a tensor as an array; half precision becomes float32, which holds it exactly."""
    import torch

    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta:
        raise Refused(f"{name} is sparse, quantized or empty of numbers; save it as float32")
    try:
        if tensor.dtype in (torch.float16, torch.bfloat16):
            tensor = tensor.float()
        return tensor.detach().resolve_conj().resolve_neg().numpy()
    except TypeError:
        raise Refused(f"{name} has the type {tensor.dtype}, which is not read") from None
    except RuntimeError as error:
        if "allocate memory" in str(error):
            raise MemoryError from None
        raise
