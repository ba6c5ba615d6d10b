"""Networks from files, compared with what the runtime of the format computes of the same file."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ReaderProcessError, WeightFileError
from ..network._affine import Affine
from ..network._network import Network
from . import _compare, _isolated
from ._compare import Run


class NotVerified(WeightFileError):
    """A network could not be compared with a runtime: nothing is known against it."""


@dataclass(frozen=True)
class Runtime:
    """The runtime for files of one format.

    Attributes
    ----------
    name : str
        For messages.
    modules : tuple of str
        What must be installed.
    kind : str
        The format, for messages.
    script : Path
        Its ``contents(path, rows, shape, dtype, **arguments)`` returns the outputs for rows as
        ``outputs``, and as ``before`` the signals before the last activation, where it has them.
    """

    name: str
    modules: tuple[str, ...]
    kind: str
    script: Path


def verified(
    path: Path, network: Network, runtime: Runtime, scaler: Affine | None = None, **arguments: Any
) -> Network:
    """Return a network whose outputs agree with those of the runtime, with a note that says so.

    The runtime runs in the limited process that reads files.

    Raises
    ------
    WeightFileError
        If the outputs differ.
    NotVerified
        If the runtime is not installed, or does not run the file.
    """
    missing = [module for module in runtime.modules if find_spec(module) is None]
    if missing:
        raise NotVerified(
            f"{path}: not verified, since {runtime.name} is not installed (pip install "
            f"{' '.join(missing)}); load it without verify=True"
        )
    rows = np.concatenate(list(_compare.probes(network.layers, scaler)))
    # base64, since JSON would print each number.
    text = base64.b64encode(rows.tobytes()).decode()
    try:
        found = _isolated.read(
            path, runtime.kind, runtime.script,
            rows=text, shape=rows.shape, dtype=rows.dtype.str, **arguments,
        )  # fmt: skip
    except (WeightFileError, ReaderProcessError) as error:
        raise NotVerified(
            f"{path}: not verified, since {runtime.name} does not run it "
            f"({str(error).removeprefix(f'{path}: ')}); load it without verify=True"
        ) from error
    before = _parts(found, "before", rows) if "before" in found else None
    _compare.check(
        path,
        network.layers,
        _parts(found, "outputs", rows),
        scaler=scaler,
        before=before,
        explain=lambda: f"{runtime.name} ran the file; please report it, with the file if you can",
    )
    note = f"verified: its outputs agree with those of {runtime.name} for {len(rows)} random inputs"
    return Network(network.layers, network.initial, network.provenance, [note, *network.notes])


def _parts(found: Mapping[str, NDArray[Any]], name: str, rows: NDArray[Any]) -> Run:
    """Return a function that gives the outputs of the first rows, then of the next, and so on."""
    outputs = found[name]
    if len(outputs) != len(rows):
        raise WeightFileError(f"its runtime gives {len(outputs)} outputs for {len(rows)} inputs")
    done = 0

    def run(part: NDArray[Any]) -> NDArray[Any]:
        nonlocal done
        done += len(part)
        return outputs[done - len(part) : done]

    return run
