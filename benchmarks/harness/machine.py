"""What the numbers were measured on."""

from __future__ import annotations

import importlib.metadata
import os
import time
from pathlib import Path

import scipy.linalg  # noqa: F401  (loads the BLAS that is described)
import threadpoolctl

from descrambler._util.config import configuration
from descrambler._util.platform.cpus import processors

PACKAGES = ("torch", "pymanopt", "geoopt", "python-picard", "factor_analyzer")
SETTINGS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "DESCRAMBLER_ISA")


def describe() -> dict[str, str]:
    """Return processor, load, BLAS kernels, versions and settings of this process."""
    settings = [f"{name}={os.environ[name]}" for name in SETTINGS if name in os.environ]
    return {
        "Measured": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "Processor": f"{_processor()}, {processors()} cores for this process",
        "Load": _load(),
        **{key: value for key, value in configuration().items() if key != "BLAS threads"},
        "BLAS kernels": _kernels(),
        "Settings": ", ".join(settings) or "none of " + ", ".join(SETTINGS),
        "Peers": ", ".join(f"{name} {_version(name)}" for name in PACKAGES),
    }


def _load() -> str:
    if not hasattr(os, "getloadavg"):
        return "unknown: this system (Windows) does not tell"
    return f"{os.getloadavg()[0]:.2f} processes on average in the minute before"


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown"


def _kernels() -> str:
    found = [
        f"{Path(info['filepath']).name.split('-')[0]} {info['version']}: {info['architecture']}"
        for info in threadpoolctl.threadpool_info()
        if info["user_api"] == "blas"
    ]
    return ", ".join(found)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
