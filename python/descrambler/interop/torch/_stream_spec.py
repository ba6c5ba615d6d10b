"""What is written to a residual stream and what reads it: a description by names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Stream"]

STORAGES = ("(out, in)", "(in, out)")
EXAMPLES = {
    "norms": 'by norm, what reads through it, such as {"norm": "head"}',
    "scales": 'by scale, the writers that it multiplies, such as {"scale": "out"}',
    "storage": 'by weight, how it is stored, such as {"experts.down": "(out, in)"}',
}


@dataclass(frozen=True)
class Stream:
    """Description of a residual stream: the weights that write it and the weights that read it.

    Every entry is the name of a module or of a parameter of the model; ``*`` stands for any one part of the
    name between dots. A module stands for its ``weight`` and ``bias``.

    Parameters
    ----------
    writers : sequence of str
        What is added to the stream: embeddings, position tables, the last linear layers of attention and MLP.
    norms : mapping of str to str or sequence of str
        By norm of the stream, the weights that read through it. A ``*`` in a reader takes the part that the
        same ``*`` has in the norm; further ones stand for any part.
    readers : sequence of str
        Weights that read the stream without such a module: through a norm without gain and shift
        that is a function, or through none.
    scales : mapping of str to str or sequence of str
        By per-channel scale (LayerScale; a parameter), the writers that it multiplies.
    storage : mapping of str to {"(out, in)", "(in, out)"}
        By weight, how it is stored, where the class of its module does not tell: parameters and layers of
        one's own. More axes may come first, such as that of the experts.
    routers : sequence of str
        Modules that choose experts; their outputs hold the indices of the experts (a tensor of integers).
    name : str
        Name of the stream.

    Examples
    --------
    >>> import descrambler as ds
    >>> ds.interop.torch.Stream(
    ...     writers=["wte", "wpe", "blocks.*.attn.out", "blocks.*.mlp.down"],
    ...     norms={
    ...         "blocks.*.norm1": "blocks.*.attn.qkv",
    ...         "blocks.*.norm2": "blocks.*.mlp.up",
    ...         "norm": "head",
    ...     },
    ... ).name
    'stream'
    """

    writers: Sequence[str]
    norms: Mapping[str, str | Sequence[str]]
    readers: Sequence[str] = ()
    scales: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    storage: Mapping[str, str] = field(default_factory=dict)
    routers: Sequence[str] = ()
    name: str = "stream"

    def __post_init__(self) -> None:
        for key in ("writers", "readers", "routers"):
            object.__setattr__(self, key, _names(key, getattr(self, key)))
        for key in ("norms", "scales", "storage"):
            if not isinstance(getattr(self, key), Mapping):
                raise TypeError(
                    f"{key} must be a mapping, got {type(getattr(self, key)).__name__}: {EXAMPLES[key]}"
                )
        for key in ("norms", "scales"):
            table = {k: _names(f"{key}[{k!r}]", v) for k, v in dict(getattr(self, key)).items()}
            object.__setattr__(self, key, table)
        object.__setattr__(self, "storage", dict(self.storage))
        for weight, storage in self.storage.items():
            if storage not in STORAGES:
                raise ValueError(
                    f'storage[{weight!r}] must be "(out, in)" or "(in, out)", got {storage!r}'
                )
        if not self.writers:
            raise ValueError("writers must name at least one module or parameter, got none")
        if not (self.norms or self.readers):
            raise ValueError("norms or readers must name at least one weight that reads, got none")


def _names(key: str, value: Any) -> tuple[str, ...]:
    names = (value,) if isinstance(value, str) else tuple(value)
    if not all(isinstance(name, str) and name for name in names):
        raise TypeError(f"{key} must be names of modules or parameters, got {value!r}")
    return names


def matching(pattern: str, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the names that fit a pattern, each with what its stars stand for."""
    parts = (re.escape(part).replace(r"\*", "([^.]*)") for part in pattern.split("."))
    expression = re.compile(r"\.".join(parts))
    found = ((name, expression.fullmatch(name)) for name in names)
    return {name: match.groups() for name, match in found if match}


def filled(pattern: str, stars: Sequence[str]) -> str:
    """Put in for the first stars of a pattern what the stars of another one stood for."""
    for part in stars[: pattern.count("*")]:
        pattern = pattern.replace("*", part, 1)
    return pattern
