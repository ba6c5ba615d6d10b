"""The configuration of this installation."""

from __future__ import annotations

import platform
from pathlib import Path

import numpy as np
import scipy

from .. import _core as core
from .platform.console import shown
from .platform.cpus import processors
from .threads import BLAS_TABLE, VARIABLE, blas_libraries, default_threads


def configuration() -> dict[str, str]:
    """Return versions, the CPU variant of the core, BLAS and threads."""
    blas = scipy.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {
        "descrambler": core.__version__,
        "CPU variant": f"{core.variant} (DESCRAMBLER_ISA overrides)",
        "core": f"Eigen {core.eigen_version}, {core.compiler}",
        "Python": f"{platform.python_version()} on {platform.platform()}",
        "NumPy": np.__version__,
        "SciPy": f"{scipy.__version__} with {blas['name']} {blas['version']}",
        "threads": _threads(),
        "BLAS threads": _blas_threads(),
    }


def _threads() -> str:
    loops, apart = default_threads(), default_threads(apart=True)
    return f"{loops} in loops, {apart} for starts and draws, of {processors()} processors ({VARIABLE} overrides)"


def _blas_threads() -> str:
    """Say what the libraries have, and what they are limited to."""
    have = [
        f"{Path(own.filepath).name.split('-')[0]} {own.num_threads}" for own in blas_libraries()
    ]
    most = default_threads()
    limits = [f"{min(count, most)} up to n = {size}" for size, count in BLAS_TABLE[:-1]]
    return f"{', '.join(have) or 'unknown'}; limited to {', '.join(limits)}, {min(BLAS_TABLE[-1][1], most)} beyond"


def show_config() -> None:
    """Print versions, the CPU variant of the core in use, BLAS and threads."""
    for name, value in configuration().items():
        print(shown(f"{name:<14} {value}"))
