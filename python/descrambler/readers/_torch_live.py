"""Copies of PyTorch modules: made, run and watched, so that the module itself does not change."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._util.validate import require_extra
from ..errors import WeightFileError

Array = NDArray[Any]


def unwrapped(module: Any) -> Any:
    """Return the module inside of DataParallel, DistributedDataParallel and torch.compile."""
    torch = require_extra("torch", "torch", "reading a PyTorch module")
    parallel = (torch.nn.DataParallel, torch.nn.parallel.DistributedDataParallel)
    while True:
        if "_orig_mod" in module._modules:
            module = module._modules["_orig_mod"]
        elif isinstance(module, parallel):
            module = module.module
        else:
            return module


def copied(module: Any, name: str) -> Any:
    """Return a copy in evaluation mode that needs no gradients, in float32 at least.

    Raises
    ------
    WeightFileError
        If the module is a TorchScript program, has no numbers yet, or cannot be copied.
    """
    torch = require_extra("torch", "torch", "reading a PyTorch module")
    _refuse_unfinished(module, name)
    # PyTorch copies no tensor that it can follow gradients through, such as weights that a
    # hook has computed.
    memo: dict[int, Any] = {}
    for part in module.modules():
        for value in vars(part).values():
            if isinstance(value, torch.Tensor) and not value.is_leaf:
                memo[id(value)] = value.detach().clone()
    try:
        twin = copy.deepcopy(module, memo)
    # Whatever the classes of others raise.
    except Exception as error:
        raise WeightFileError(
            f"{name}: no copy of it can be made to check it ({error}). {remedies(module)}".rstrip()
        ) from error
    for part in list(twin.modules()):
        for key, child in part._modules.items():
            if child is not None:
                part._modules[key] = unwrapped(child)
    halves = [t for t in twin.parameters() if t.is_floating_point() and t.dtype.itemsize < 4]
    return (twin.float() if halves else twin).eval().requires_grad_(False)


def _refuse_unfinished(module: Any, name: str) -> None:
    torch = require_extra("torch", "torch", "reading a PyTorch module")
    for path, part in module.named_modules():
        if isinstance(part, torch.jit.ScriptModule):
            raise WeightFileError(
                f"{name}{path and ', '}{path}: a TorchScript program, which is not read; pass the "
                "module that it was made of, or module.state_dict() with activations"
            )
    for key, value in (*module.named_parameters(), *module.named_buffers()):
        if value.is_meta and not torch.nn.parameter.is_lazy(value):
            raise WeightFileError(
                f"{name}, {key}: is on the device 'meta', so it has a shape and no numbers; load "
                "the model on the CPU first"
            )
        if torch.nn.parameter.is_lazy(value):
            raise WeightFileError(
                f"{name}, {key}: has no numbers yet, since its layer has not run; pass one batch "
                "through the model, then load it"
            )


@contextmanager
def quiet() -> Iterator[None]:
    """No gradients, no mixed precision; random generators are as before afterwards."""
    torch = require_extra("torch", "torch", "reading a PyTorch module")
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with (
            torch.random.fork_rng(),
            torch.inference_mode(False),
            torch.no_grad(),
            torch.autocast("cpu", enabled=False),
            torch.autocast("cuda", enabled=False),
        ):
            yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002


def tensor(rows: Array, module: Any, shape: tuple[int, ...] = ()) -> Any:
    """Return rows as a tensor on a module's device, each of them in the shape of a sample."""
    torch = require_extra("torch", "torch", "reading a PyTorch module")
    device = next((t.device for t in (*module.parameters(), *module.buffers())), None)
    return torch.from_numpy(rows.reshape(len(rows), *(shape or (-1,)))).to(device)


def rows_of(output: Any) -> Array | None:
    """Return the first tensor of an output, samples in rows; None if there is none."""
    torch = require_extra("torch", "torch", "reading a PyTorch module")
    if isinstance(output, torch.Tensor):
        values = output.detach().cpu().to(torch.float64).numpy()
        return np.asarray(values.reshape(len(values), -1) if values.ndim else values)
    parts: Any = ()
    if isinstance(output, Mapping):
        parts = output.values()
    elif isinstance(output, tuple | list):
        parts = output
    return next((found for part in parts if (found := rows_of(part)) is not None), None)


def remedies(module: Any) -> str:
    """Say which parts of a module compute more than their weights show, and what to do."""
    found = [
        f"{path or type(module).__name__}: {text}"
        for path, part in module.named_modules()
        if (text := remedy(part))
    ]
    return "; ".join(found[:3])


def remedy(part: Any) -> str:
    """Say what one module computes beside its weights, and what to do; nothing if it is plain."""
    room = f"{type(part).__module__}.{type(part).__qualname__}"
    hooks = [*part._forward_pre_hooks.values(), *part._forward_hooks.values()]
    names = {type(hook).__name__ for hook in hooks}
    bases = {base.__name__ for hook in hooks for base in type(hook).__mro__}
    if "quant" in room or "qat" in room.split(".") or hasattr(part, "weight_fake_quant"):
        return f"it is quantized ({room}); load the model as it was before quantization"
    if "WeightNorm" in names:
        return "weight_norm computes its weight; torch.nn.utils.remove_weight_norm undoes this"
    if "SpectralNorm" in names:
        return "spectral_norm computes its weight; torch.nn.utils.remove_spectral_norm undoes this"
    if "BasePruningMethod" in bases:
        return "pruning computes its weight; torch.nn.utils.prune.remove undoes this"
    if hasattr(part, "merge_and_unload"):
        return "it has adapters; load model.merge_and_unload()"
    if any(hasattr(part, name) for name in ("lora_A", "lora_a", "lora")):
        return "it has a LoRA adapter; merge it into the weights (in peft model.merge_and_unload())"
    if "forward" in vars(part):
        return "its method forward was replaced, as accelerate does; remove this first"
    if hooks:
        shown = ", ".join(sorted(getattr(h, "__qualname__", type(h).__name__) for h in hooks))
        return f"it has hooks ({shown}); remove them with handle.remove()"
    if hasattr(part, "parametrizations"):
        return (
            "its weights are parametrized; "
            "torch.nn.utils.parametrize.remove_parametrizations undoes this"
        )
    return ""
