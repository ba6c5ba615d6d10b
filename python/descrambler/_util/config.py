"""What this installation is made of."""

from __future__ import annotations

import os
import platform

import numpy as np
import scipy

from .. import _core as core
from .platform.console import shown
from .platform.cpus import processors


def configuration() -> dict[str, str]:
    """Return versions, the CPU variant of the core, BLAS and threads."""
    blas = scipy.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {
        "descrambler": core.__version__,
        "CPU variant": f"{core.variant} (DESCRAMBLER_ISA overrides)",
        "core": f"Eigen {core.eigen_version}, {core.compiler}, single-threaded",
        "Python": f"{platform.python_version()} on {platform.platform()}",
        "NumPy": np.__version__,
        "SciPy": f"{scipy.__version__} with {blas['name']} {blas['version']}",
        "BLAS threads": os.environ.get("OMP_NUM_THREADS")
        or os.environ.get("OPENBLAS_NUM_THREADS")
        or f"not limited ({processors()} processors)",
    }


def show_config() -> None:
    """Print versions, the CPU variant of the core in use, BLAS and threads."""
    for name, value in configuration().items():
        print(shown(f"{name:<14} {value}"))
