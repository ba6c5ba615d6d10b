"""Read the tensors that torch.save wrote, in a process of its own (`_isolated.read`)."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator, Mapping
from typing import Any

Place = tuple[str, ...]
"""The keys that lead to something in a checkpoint."""

# A weight of two dimensions, also as normalizations, pruning and parametrizations keep it.
_WEIGHT = re.compile(r"(.*\.)?(W1|weight(_v|_orig)?|in_proj_weight|original[01]?)")
_FIELDS = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}
# What training keeps beside the weights.
_HARMLESS = re.compile(
    "optim|sched|rng|loss|acc|metric|score|history|loop|callback|epoch|step|iter|time|hyper|hparam|args|"
    "grad_scaler|amp|config|cfg|n_averaged",
    re.IGNORECASE,
)
# Numbers that would belong in front of the network, or after it.
_SUSPECT = re.compile(
    r"(^|_)(mean|means|mu|std|stds|stdev|sigma|var|variance|scale|scales|scaler|shift|offset|"
    r"min|max|norm|normalization)(_|$|\d)",
    re.IGNORECASE,
)
_SHOWN = 4


class Refused(Exception):
    """A file that is whole, but not for us."""


def libraries(path: str, prefix: str | None = None) -> None:
    """Import what `contents` needs."""
    import torch  # noqa: F401


def contents(path: str, prefix: str | None = None) -> dict[str, Any]:
    """Return the tensors of a state dict by name, in its order."""
    return {name: array(name, value) for name, value in chosen(load(path), prefix).items()}


def chosen(loaded: Any, prefix: str | None = None) -> dict[str, Any]:
    """Return the tensors of the one state dict in a checkpoint, or of those under a prefix."""
    if not isinstance(loaded, Mapping):
        raise Refused(f"holds a {type(loaded).__name__}, not a state dict")
    found = dict(leaves(loaded))
    tensors = {place: value for place, value in found.items() if is_tensor(value)}
    for place, value in tensors.items():
        if value.is_nested:
            raise Refused(f"{'.'.join(place)} is a nested tensor, which is not read")
    roots = state_dicts(tensors)
    if prefix is not None:
        return under(tensors, roots, prefix)
    if any("_packed_params" in key for place in tensors for key in place):
        raise Refused("quantized weights; save the state dict of the model before quantization")
    if len(roots) > 1:
        raise Refused(
            f"holds weights under {told(roots)}; choose one with prefix={'.'.join(roots[0])!r}"
        )
    if not roots:
        roots = sorted({place[:-1] for place in tensors})
        if len(roots) > 1:
            raise Refused(f"no weights of dense layers; it holds tensors under {told(roots)}")
    root: Place = roots[0] if roots else ()
    depth = len(root)
    refuse_unread(root, {p: value for p, value in found.items() if p[:depth] != root})
    return {
        ".".join(place[depth:]): value
        for place, value in tensors.items()
        if place[:depth] == root and not is_record(place[depth:])
    }


def is_record(place: Place) -> bool:
    """Tell whether something in a state dict is what training keeps, such as an optimizer's."""
    *holders, name = place
    alone = not holders and "." not in name and not _SUSPECT.search(name)
    return any(_HARMLESS.search(key) for key in (place if alone else holders))


def leaves(
    value: Any, place: Place = (), seen: set[int] | None = None
) -> Iterator[tuple[Place, Any]]:
    """Yield what is in a checkpoint, with the keys that lead there; each container once."""
    seen = set() if seen is None else seen
    if not isinstance(value, Mapping | list | tuple) or is_numbers(value):
        yield place, value
    elif id(value) not in seen and len(place) < 50:
        seen.add(id(value))
        parts = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, part in parts:
            yield from leaves(part, (*place, str(key)), seen)


def is_tensor(value: Any) -> bool:
    """Tell whether something is a tensor."""
    import torch

    return isinstance(value, torch.Tensor)


def is_numbers(value: Any) -> bool:
    """Tell whether something is a list of numbers."""
    return isinstance(value, list | tuple) and bool(value) and isinstance(value[0], int | float)


def state_dicts(tensors: Mapping[Place, Any]) -> list[Place]:
    """Return where weights of two dimensions or more are, in the order of the file."""
    names: dict[Place, set[str]] = {}
    for place in tensors:
        names.setdefault(place[:-1], set()).add(place[-1])
    found: dict[Place, None] = {}
    for place, value in tensors.items():
        if value.ndim > 1 and _WEIGHT.fullmatch(place[-1]):
            holder = place[:-1]
            # A dictionary with the weight and the bias of one layer is a part of a state dict.
            found[holder[:-1] if names[holder] <= _FIELDS else holder] = None
    return [root for root in found if not any(root[:k] in found for k in range(len(root)))]


def under(tensors: Mapping[Place, Any], roots: list[Place], prefix: str) -> dict[str, Any]:
    """Return the tensors under a prefix, which may leave out the key of the state dict."""
    names = {".".join(place): value for place, value in tensors.items()}
    for start in ("", *(".".join(root) + "." for root in roots if root)):
        head = f"{start}{prefix.rstrip('.')}."
        found = {name.removeprefix(head): v for name, v in names.items() if name.startswith(head)}
        if found:
            return found
    parts: list[Place] = sorted({(name.split(".")[0],) for name in names})
    raise Refused(f"holds no tensors under prefix={prefix!r}; they are under {told(parts)}")


def refuse_unread(root: Place, beside: Mapping[Place, Any]) -> None:
    """Refuse numbers beside the weights that may be a part of the network."""
    unread = []
    for place, value in beside.items():
        harmless = any(map(_HARMLESS.search, place))
        suspect = _SUSPECT.search(place[-1]) is not None
        if is_tensor(value):
            kept = value.ndim > 0 and value.is_floating_point()
            if kept and (not harmless or (suspect and len(place) == 1)):
                unread.append(place)
        elif suspect and not harmless and not isinstance(value, bool | str | type(None)):
            unread.append(place)
    if unread:
        where = ".".join(root)
        raise Refused(
            f"holds {told(unread)} beside the weights under {where!r}, which may belong to the "
            f"network, as a mean of its inputs does; prefix={where!r} leaves them out"
        )


def told(places: list[Place]) -> str:
    """Return a short list of keys for a message."""
    more = f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
    return ", ".join(repr(".".join(place)) for place in places[:_SHOWN]) + more


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
