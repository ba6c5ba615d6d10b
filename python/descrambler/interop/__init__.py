"""Bridges to other libraries, each loaded when it is first asked for.

``ds.interop.torch`` needs the extra "torch", ``ds.interop.sklearn`` the extra "sklearn". Dask arrays need no bridge: they are
signals like others (extra "dask").
"""

from __future__ import annotations

import importlib
from types import ModuleType

_BRIDGES = ("sklearn", "torch")

__all__ = ["sklearn", "torch"]


def __getattr__(name: str) -> ModuleType:
    if name not in _BRIDGES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f".{name}", __name__)


def __dir__() -> list[str]:
    return list(_BRIDGES)
