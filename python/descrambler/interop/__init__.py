"""Bridges to other libraries, each loaded when it is first asked for.

``ds.interop.dask`` needs the extra "dask", ``ds.interop.torch`` the extra "torch", ``ds.interop.sklearn`` the extra "sklearn".
"""

from __future__ import annotations

import importlib
from types import ModuleType

_BRIDGES = ("dask", "sklearn", "torch")

__all__ = ["dask", "sklearn", "torch"]


def __getattr__(name: str) -> ModuleType:
    if name not in _BRIDGES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f".{name}", __name__)


def __dir__() -> list[str]:
    return list(_BRIDGES)
