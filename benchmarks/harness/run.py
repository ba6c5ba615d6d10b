"""Run the sections in a process for each number of threads, and gather their lines."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from descrambler._util.platform.processes import APART
from descrambler.errors import DescramblerError

from .measure import Case, Row, Scale

SECTIONS = (
    "smoothness",
    "diagonal",
    "orthomax",
    "evaluation",
    "precision",
    "mixed",
    "exact",
    "cayley",
    "gram",
    "deer",
    "ensemble",
    "interpret",
    "reader",
)
ROOT = Path(__file__).parents[2]
THREADS = (1, 2)
# Each library reads its own.
LIMITS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def section(name: str) -> Any:
    """Return the module of a section: TITLE, ABOUT, cases(scale)."""
    return importlib.import_module(f".{name}", __package__)


def cases(name: str, scale: Scale) -> Iterator[Case]:
    """Yield what a section measures."""
    yield from section(name).cases(scale)


def run(name: str, scale: Scale) -> Iterator[Row]:
    """Yield the lines of a section as they come from a process of its own.

    Raises
    ------
    DescramblerError
        If the process fails; it has printed why.
    """
    command = [sys.executable, "-m", __name__, name, json.dumps(asdict(scale))]
    environment = os.environ | dict.fromkeys(LIMITS, str(scale.threads))
    # Ctrl-C on a terminal is for the parent, which ends the child.
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, **APART
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            yield Row(**json.loads(line))
        if process.wait() != 0:
            raise DescramblerError(f"the benchmark {name!r} failed: see above")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _main(name: str, scale: Scale) -> None:
    # The lines alone go to standard output, whatever else is printed by the peers.
    out, sys.stdout = sys.stdout, sys.stderr
    for case in cases(name, scale):
        for row in case.rows(scale):
            print(json.dumps(asdict(row)), file=out, flush=True)


if __name__ == "__main__":
    _main(sys.argv[1], Scale(**json.loads(sys.argv[2])))
