"""Arrays in .npz files: a schema name in each, no pickle, written whole or not at all."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def write_arrays(
    path: str | os.PathLike[str], schema: str, arrays: Mapping[str, ArrayLike]
) -> None:
    """Write `arrays` and the schema's name to `path`, replacing it in one step."""
    target = Path(path)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            content: dict[str, Any] = {"schema": np.array(schema), **arrays}
            np.savez_compressed(stream, **content)
        temporary.chmod(0o644)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read_arrays(path: str | os.PathLike[str], schema: str) -> dict[str, NDArray[Any]]:
    """Read what :func:`write_arrays` wrote under the same schema."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = dict(archive)
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is not a readable .npz file: {error}") from error
    found = str(arrays.pop("schema", "none"))
    if found != schema:
        raise ValueError(f"{path} must have the schema {schema}, found {found}")
    return arrays
