"""A paragraph for the methods section, and what makes the result repeatable."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._util.config import configuration
from ..._util.validate import Array
from ...network._network import Network

if TYPE_CHECKING:
    from ...evidence._interpretation import Interpretation

CITATION = (
    "J. L. Amey, J. Keeley, T. Choudhury, I. Kuprov, Neural network interpretation using descrambler "
    "groups, Proc. Natl. Acad. Sci. U.S.A. 118(5), e2016917118 (2021), doi:10.1073/pnas.2016917118"
)


def methods(
    interpretation: Interpretation, files: Sequence[str | os.PathLike[str]]
) -> dict[str, Any]:
    """Return the paragraph, and rows of names and values, as JSON values."""
    study = interpretation.study
    assert study.inputs is not None
    versions = configuration()
    widths = [study.network.n_in, *(len(study.raw(k + 1)) for k in range(study.network.n_linear))]
    kinds = ", ".join(kind.name for kind in interpretation.kinds)
    paragraph = (
        f"A network of {study.network.n_linear} linear layers ({'-'.join(map(str, widths))}) was interpreted with "
        f"descrambler {versions['descrambler']} [1]. Every link dimension was descrambled for smoothness by the exact "
        f"solution, in the canonical gauge, from the signals of {len(study.inputs)} inputs. "
        f"{len(interpretation.findings)} claims were tested against up to {interpretation.n_nulls} draws of each of "
        f"{len(interpretation.kinds)} null kinds ({kinds}) and {_controls(interpretation)}, all on the same "
        f"{interpretation.n_null_inputs} inputs, seed {interpretation.seed}; p values are corrected for the whole family, "
        "within each kind (Westfall-Young step-down max-T with thresholds). A claim is present where its value passes "
        "its threshold, exceeds the mean of every null by its margin and has p <= 0.05 against every kind; it is learnt "
        "where it is also beyond at least 19 networks trained on targets permuted once and 19 on targets permuted at "
        f"every step, each kind by itself. [1] {CITATION}."
    )
    hashes = {
        "weights (SHA-256)": _digest(*_weights(study.network)),
        "inputs (SHA-256)": _digest(study.inputs),
    }
    hashes |= {f"file {path.name} (SHA-256)": _file_digest(path) for path in map(Path, files)}
    seed = {"seed": str(interpretation.seed)}
    return {"paragraph": paragraph, "rows": list((seed | hashes | versions).items())}


def _controls(interpretation: Interpretation) -> str:
    counts = interpretation.n_controls
    if not counts:
        return "no trained control networks"
    return ", ".join(f"{n} control networks ({kind})" for kind, n in counts.items())


def _weights(network: Network) -> list[Array]:
    linears = network.linears
    return [a for x in linears for a in (x.weight, x.bias) if a is not None]


def _digest(*arrays: Array) -> str:
    """SHA-256 over dtype, shape and little-endian C-ordered entries of each array."""
    digest = hashlib.sha256()
    for array in arrays:
        plain = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        digest.update(f"{plain.dtype.str}{plain.shape}".encode())
        digest.update(plain.data)
    return digest.hexdigest()


def _file_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
