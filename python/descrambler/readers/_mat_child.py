"""Flatten a MATLAB file into plain arrays. Runs as a script, in a process of its own.

The compiled readers of SciPy and mat-io can crash on damaged files, and importing mat-io
changes pandas' global options: neither may happen in the process of the caller.
"""

from __future__ import annotations

import io
import json
import sys
from typing import Any

import numpy as np

CLASS = ".__class__"
NEEDS_MATIO = "__needs_matio__"
PREFIX = "."  # keeps names from being taken for arguments of numpy.savez


def contents(path: str, variables: list[str] | None) -> dict[str, Any]:
    """Return plain arrays under names such as ``net.Layers{2,1}.Weights.Value``.

    Fields follow a dot, cells are counted from 1 in braces, the class of an object is text
    under ``.__class__``. Values that are not arrays (functions, sparse matrices) are left out.
    """
    import scipy.io  # here, since the constants above are imported by the caller's process

    found = scipy.io.loadmat(path, variable_names=variables)
    out: dict[str, Any] = {}
    if any(type(value).__name__ == "MatlabOpaque" for value in found.values()):
        try:
            import matio

            found = matio.load_from_mat(path, variable_names=variables, raw_data=True)
        except ImportError:
            out[NEEDS_MATIO] = np.array(True)
    for name, value in found.items():
        if not name.startswith("__"):
            flatten(name, value, out)
    return out


def flatten(name: str, value: Any, out: dict[str, Any]) -> None:
    """Add `value`, and all that it holds, to `out`."""
    kind = type(value).__name__  # SciPy and mat-io have classes of the same names
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


def main() -> int:
    """Write the arrays as .npz to standard output; on failure the reason to standard error."""
    path, variables = sys.argv[1:3]
    buffer = io.BytesIO()
    try:
        arrays = contents(path, json.loads(variables))
        np.savez(buffer, **{PREFIX + name: value for name, value in arrays.items()})
    # Whatever the parsers meet in a damaged file.
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    sys.stdout.buffer.write(buffer.getvalue())
    return 0


if __name__ == "__main__":
    sys.exit(main())
