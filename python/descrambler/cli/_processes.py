"""Parallel trainings, each a process that runs the command for one seed."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from tqdm import tqdm

from .._util.platform import processes
from .._util.platform.cpus import processors
from ..errors import DescramblerError

_PARENT = "DESCRAMBLER_PARENT"
_POLL = 0.1  # seconds


def orphaned() -> bool:
    """Tell whether the command that started this process for one of its networks has ended."""
    return _PARENT in os.environ and processes.is_gone(int(os.environ[_PARENT]))


def train_all(commands: Mapping[Path, str], jobs: int | None, n_steps: int) -> dict[str, float]:
    """Run the commands, `jobs` at a time; return the validation error of each network by its path.

    Ctrl-C ends the processes, by a signal upon which they keep their checkpoints.
    """
    jobs = processors() if jobs is None else jobs
    if jobs < 1:
        raise ValueError(f"jobs must be at least 1, got {jobs}")
    waiting, errors = dict(commands), {}
    running: dict[Path, subprocess.Popen[str]] = {}
    total = n_steps * len(commands)
    with tqdm(total=total, unit="step", disable=not sys.stderr.isatty()) as bar:
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    path = next(iter(waiting))
                    running[path] = _start(waiting.pop(path), path)
                for path in [path for path, p in running.items() if p.poll() is not None]:
                    errors[str(path)] = _result(path, running.pop(path))
                done = n_steps * len(errors) + sum(map(_steps, running))
                bar.update(done - bar.n)
                time.sleep(_POLL)
        finally:
            for process in running.values():
                processes.end(process)
            for process in running.values():
                process.communicate()
    return errors


def _start(command: str, path: Path) -> subprocess.Popen[str]:
    arguments = shlex.split(command)[1:]
    arguments[arguments.index("-o") + 1] = str(path)
    # One thread of BLAS each: the processes share the machine.
    environment = {"OPENBLAS_NUM_THREADS": "1", **os.environ, _PARENT: str(os.getpid())}
    # Ctrl-C on a terminal is for this process, which ends the others.
    return subprocess.Popen(
        [sys.executable, "-m", "descrambler", *arguments, "--json", "--force"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **processes.APART,
    )


def _result(path: Path, process: subprocess.Popen[str]) -> float:
    out, error = process.communicate()
    if process.returncode:
        raise DescramblerError(
            f"the training of {path} ended with exit code {process.returncode}: {error.strip() or 'no message'}; "
            "the same command goes on from where it was"
        )
    return float(json.loads(out)["provenance"]["validation_mse_network"])


def _steps(path: Path) -> int:
    """Return the steps done, by the last whole line of the log."""
    try:
        lines = path.with_suffix(".csv").read_text("utf-8").splitlines()
        return int(lines[-1].partition(",")[0])
    except (OSError, IndexError, ValueError):
        return 0
