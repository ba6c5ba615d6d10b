"""Networks in NumPy archives: the files of `Network.save`, and weights alone."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from numpy.typing import NDArray

from .._util.archive import Archive
from .._util.files import open_regular
from .._util.limits import TooLarge
from ..errors import WeightFileError
from ..network._network import Network
from ._build import Activations, blame, check_unread, is_plain, listing, plain, refuse_activations
from ._own import TEXTS, check_text, own


def read(path: Path, activations: Activations = None) -> Network:
    """Read a network; see `descrambler.readers.load`."""
    with open_regular(path) as file, _open(path, file) as archive:
        keys = set(archive)
        get = partial(_array, path, archive)
        if "schema" in keys:
            refuse_activations(path, activations)
            for key in TEXTS:
                check_text(path, key, archive.size(key) // 4)  # before it is unpacked
            return own(path, keys, get)
        if "W1" in keys:
            layers = plain(path, keys, get, activations)
            notes = check_unread(path, {key: get(key) for key in keys if not is_plain(key)})
            with blame(path):
                return Network(layers, notes=notes)
    raise WeightFileError(f"{path}: neither schema nor W1 among its keys; found {listing(keys)}")


def _open(path: Path, file: BinaryIO) -> Archive:
    try:
        return Archive(file)
    except TooLarge as error:
        raise WeightFileError(f"{path}: {error}") from None
    # A damaged archive makes zipfile, zlib and NumPy raise a dozen kinds of errors.
    except Exception as error:
        raise WeightFileError(f"{path}: a damaged zip archive ({error})") from error


def _array(path: Path, archive: Archive, key: str) -> NDArray[Any]:
    if key not in archive:
        raise WeightFileError(f"{path}, {key}: missing")
    try:
        return archive[key]
    except Exception as error:
        raise WeightFileError(f"{path}, {key}: cannot be read ({error})") from error
