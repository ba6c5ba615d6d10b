"""Networks in NumPy archives: the files of `Network.save`, and weights alone."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from .._util.files import open_arrays, open_regular
from .._util.limits import TooLarge
from ..errors import WeightFileError
from ..network._network import Network
from ._build import Activations, blame, listing, plain, refuse_activations
from ._own import own


def read(path: Path, activations: Activations = None) -> Network:
    """Read a network; see `descrambler.readers.load`."""
    # Opened here: np.load leaves a file that it opened itself open if the archive is damaged.
    with open_regular(path) as file, _open(path, file) as archive:
        keys = set(archive.files)
        get = partial(_array, path, archive)
        if "schema" in keys:
            refuse_activations(path, activations)
            return own(path, keys, get)
        if "W1" in keys:
            layers = plain(path, keys, get, activations)
            with blame(path):
                return Network(layers)
    raise WeightFileError(f"{path}: neither schema nor W1 among its keys; found {listing(keys)}")


def _open(path: Path, file: BinaryIO) -> Any:
    try:
        return open_arrays(file)
    except TooLarge as error:
        raise WeightFileError(f"{path}: {error}") from None
    # A damaged archive makes zipfile, zlib and NumPy raise a dozen kinds of errors.
    except Exception as error:
        raise WeightFileError(f"{path}: a damaged zip archive ({error})") from error


def _array(path: Path, archive: Any, key: str) -> NDArray[Any]:
    try:
        value = archive[key]
    except KeyError:
        raise WeightFileError(f"{path}, {key}: missing") from None
    except Exception as error:
        raise WeightFileError(f"{path}, {key}: cannot be read ({error})") from error
    if not isinstance(value, np.ndarray):
        raise WeightFileError(f"{path}, {key}: not a NumPy array")
    return value
