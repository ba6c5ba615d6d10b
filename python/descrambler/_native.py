"""Choose the variant of the C++ core that this processor runs best."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from ._core import Core

VARIANTS = ("avx2", "baseline")


def _choose() -> str:
    wanted = os.environ.get("DESCRAMBLER_ISA", "")
    try:
        supports_avx2: bool = importlib.import_module("._isa", __package__).supports_avx2()
    except ImportError as error:
        raise ImportError(
            "descrambler's compiled extension is missing: run 'pip install .' in the source folder"
        ) from error
    if wanted and wanted not in VARIANTS:
        raise ImportError(f"DESCRAMBLER_ISA must be one of {VARIANTS}, got {wanted!r}")
    if wanted == "avx2" and not supports_avx2:
        raise ImportError("DESCRAMBLER_ISA=avx2, but this processor has no AVX2 and FMA")
    return wanted or ("avx2" if supports_avx2 else "baseline")


variant = _choose()
core = cast("Core", importlib.import_module(f"._core_{variant}", __package__))
