"""Choose the variant of the C++ core that this processor runs best."""

from __future__ import annotations

import importlib
import importlib.util
import os
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from ._core import Core

VARIANTS = ("avx512", "avx2", "baseline")


def _choose() -> str:
    wanted = os.environ.get("DESCRAMBLER_ISA", "")
    try:
        supported: tuple[str, ...] = importlib.import_module("._isa", __package__).supported()
    except ImportError as error:
        raise ImportError(
            "descrambler's compiled extension is missing: run 'pip install .' in the source folder"
        ) from error
    if wanted and wanted not in VARIANTS:
        raise ImportError(f"DESCRAMBLER_ISA must be one of {VARIANTS}, got {wanted!r}")
    if wanted and wanted not in supported:
        raise ImportError(f"DESCRAMBLER_ISA={wanted}, but this processor runs only {supported}")
    if wanted:
        return wanted
    # A build for development may leave some out.
    specs = (importlib.util.find_spec(f"._core_{name}", __package__) for name in supported)
    return next(name for name, spec in zip(supported, specs, strict=True) if spec)


variant = _choose()
core = cast("Core", importlib.import_module(f"._core_{variant}", __package__))
