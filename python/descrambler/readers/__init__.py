"""Trained networks from files: one module for each format."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ..errors import WeightFileError
from ..network import Network
from . import mat, npz

_HDF5 = b"\x89HDF\r\n\x1a\n"
_MAT_HEADER = 128  # bytes; the last four are the version and the byte order
_ADVICE = "descrambler reads .npz and MATLAB 5 .mat files"


def load(path: str | os.PathLike[str], activations: Sequence[str] | None = None) -> Network:
    """Read a trained network. Nothing in the file is ever executed.

    The format is told by the content of the file:

    - ``.npz`` as `Network.save` writes it;
    - ``.npz`` with weights alone: ``W1``, ``W2``, ..., of shape (n_out, n_in), and optionally
      ``b1``, ``b2``, ..., of n_out entries;
    - ``.mat`` (MATLAB 5 to 7) with the same arrays;
    - ``.mat`` with a shallow network: the cells ``IW``, ``LW`` and ``b``, alone or as fields of
      a struct, as ``struct(net)`` has them;
    - ``.mat`` with a SeriesNetwork of the Deep Learning Toolbox (extra ``matlab``).

    Parameters
    ----------
    path : str or path-like
        The file.
    activations : sequence of str, optional
        For files that hold weights alone: the activation after each linear layer, by the names
        that `Activation` knows.

    Returns
    -------
    Network

    Raises
    ------
    WeightFileError
        If the file is not one of these, is damaged, holds pickled data, layers that are not
        known or numbers that make no network, or takes more time or memory to read than the
        limits of the child process that reads it (docs/files.md); the message has the file and
        the key.
    MissingExtraError
        If the file needs the extra ``matlab``.
    ValueError
        If `activations` is given for a file that names its own.
    OSError
        If the file cannot be opened.
    """
    path = Path(path)
    with path.open("rb") as file:
        head = file.read(520)
    if head.startswith(b"PK"):
        return npz.read(path, activations)
    if head[124:_MAT_HEADER] in (b"\x00\x01IM", b"\x01\x00MI"):
        return mat.read(path, activations)
    raise WeightFileError(f"{path}: {_refusal(path, head)}; {_ADVICE}")


def _refusal(path: Path, head: bytes) -> str:
    if head.startswith(b"MATLAB 7.3") or _HDF5 in (head[:8], head[512:]):
        return "HDF5, as MATLAB 7.3 files are, is not supported yet (in MATLAB, save with '-v7')"
    if head[:1] == b"\x80" and head[1:2] <= b"\x05":
        return "pickled data, which could run code when read, so it is refused"
    if not head:
        return "an empty file"
    if path.suffix.lower() in (".npz", ".mat"):
        return f"a damaged {path.suffix} file, or one of another format; begins with {head[:16]!r}"
    return f"not a known format; begins with {head[:16]!r}"
