"""Flatten a MATLAB file into plain arrays, in a process of its own (`_isolated.read`).

The compiled readers of SciPy and mat-io can crash on damaged files, and importing mat-io
changes pandas' global options: neither may happen in the process of the caller.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

CLASS = ".__class__"
NEEDS_MATIO = "__needs_matio__"
MAX_FULL = 2**27  # entries of a sparse matrix, zeros included: 1 GB


class Refused(Exception):
    """A file that is whole, but not for us."""


def contents(path: str, variables: list[str] | None) -> dict[str, Any]:
    """Return plain arrays under names such as ``net.Layers{2,1}.Weights.Value``.

    Fields follow a dot, cells are counted from 1 in braces, the class of an object is text
    under ``.__class__``. Sparse matrices become full. Of a function, which is not run, there is a text
    in place of it if it is a variable; those inside of other values are left out.
    """
    out: dict[str, Any] = {}
    found = load(path, variables)
    if found is None or any(
        type(v).__name__ == "MatlabOpaque" and not hasattr(v, "properties") for v in found.values()
    ):
        out[NEEDS_MATIO] = np.array(True)
    for name, value in (found or {}).items():
        if not name.startswith("__"):
            flatten(name, value, out)
            if type(value).__name__ == "MatlabFunction":
                out[name] = np.array("a function of MATLAB")
    return out


def libraries(path: str, variables: list[str] | None) -> None:
    """Import what `contents` needs."""
    if not needs_matio(path):
        import scipy.io  # noqa: F401
    else:
        matio()


def matio() -> Any:
    """Return the module; None if it is not installed."""
    try:
        import matio
    except ModuleNotFoundError:
        return None
    return matio


def needs_matio(path: str) -> bool:
    """Tell whether SciPy cannot read all of a file: if it has objects, or is HDF5."""
    return is_hdf5(path) or has_objects(path)


def load(path: str, variables: list[str] | None) -> dict[str, Any] | None:
    """Return the variables as mat-io reads them where it is needed and there, else as SciPy.

    None if only mat-io could read them and is missing.
    """
    hdf5 = is_hdf5(path)
    library = matio() if needs_matio(path) else None
    if library is not None:
        if hdf5:
            refuse_other_files(path)
        return dict(library.load_from_mat(path, variable_names=variables, raw_data=True))
    if hdf5:
        return None
    import scipy.io

    return dict(scipy.io.loadmat(path, variable_names=variables))


def is_hdf5(path: str) -> bool:
    """Tell whether the version in the header is that of MATLAB 7.3."""
    with Path(path).open("rb") as file:
        return file.read(128)[124:] == b"\x00\x02IM"


def refuse_other_files(path: str) -> None:
    """Raise Refused if an HDF5 file has links, or data that are kept elsewhere."""
    import h5py

    def check(name: str, link: Any) -> str | None:
        if not isinstance(link, h5py.HardLink):
            return f"{name!r} is a link to another place, which is not followed"
        item = file[name]
        if isinstance(item, h5py.Dataset) and (item.external or item.is_virtual):
            return f"{name!r} is kept in another file, which is not read"
        return None

    with h5py.File(path, "r") as file:
        if found := file.visititems_links(check):
            raise Refused(found)


def has_objects(path: str) -> bool:
    """Tell whether the header has the offset of a subsystem, where objects are kept."""
    with Path(path).open("rb") as file:
        return file.read(124)[116:].strip(b"\0 ") != b""


def flatten(name: str, value: Any, out: dict[str, Any]) -> None:
    """Add `value`, and all that it holds, to `out`."""
    kind = type(value).__name__  # SciPy and mat-io have classes of the same names
    if hasattr(value, "toarray"):  # a sparse matrix of SciPy
        value = full(value)
    if kind == "MatlabObject":
        out[name + CLASS] = np.array(str(value.classname))
    if kind == "MatlabOpaque" and hasattr(value, "properties"):
        flatten_object(name, value, out)
    elif not isinstance(value, np.ndarray) or kind in ("MatlabOpaque", "MatlabFunction"):
        return
    elif value.dtype.names:
        for index, item in np.ndenumerate(value):
            place = name if value.size == 1 else name + braces(index)
            for field in value.dtype.names:
                flatten(f"{place}.{field}", item[field], out)
    elif value.dtype == object:
        for index, item in np.ndenumerate(value):
            flatten(name + braces(index), item, out)
    elif value.dtype.kind in "biufcSU":
        out[name] = np.asarray(value)


def full(matrix: Any) -> Any:
    """Return a sparse matrix with its zeros; MemoryError if these are too many."""
    if math.prod(matrix.shape) > MAX_FULL:
        raise MemoryError
    return matrix.toarray()


def flatten_object(name: str, value: Any, out: dict[str, Any]) -> None:
    """Add an object of a MATLAB class, read by mat-io, to `out`."""
    if not isinstance(value.properties, dict):
        return
    if value.classname == "string":
        out[name] = np.array(string(value.properties["any"]))
        return
    out[name + CLASS] = np.array(str(value.classname))
    for key, part in value.properties.items():
        # The toolbox keeps what saveobj returned in a property called "any".
        flatten(name if key == "any" else f"{name}.{key}", part, out)


def string(packed: Any) -> str:
    """Return the text of a scalar string: version, rank, shape, length, UTF-16 units."""
    numbers = packed.ravel()
    start = 3 + int(numbers[1])
    text: str = numbers[start:].tobytes().decode("utf-16-le")
    return text[: int(numbers[start - 1])]


def braces(index: tuple[int, ...]) -> str:
    """Return a zero-based index as MATLAB writes that of a cell."""
    return "{" + ",".join(str(i + 1) for i in index) + "}"
