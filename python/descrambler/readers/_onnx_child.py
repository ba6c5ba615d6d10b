"""Flatten an ONNX file into arrays and a list of nodes, in a process of its own (`_isolated.read`)."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np

MAX_NODES = 10_000
MAX_TEXT = 2**23
CONSTANTS = ("value", "value_float", "value_floats", "value_int", "value_ints")


class Refused(Exception):
    """A file that is whole, but not for us."""


def libraries(path: str) -> None:
    """Import what `contents` needs."""
    import onnx.numpy_helper  # noqa: F401


def contents(path: str) -> dict[str, Any]:
    """Return the constants by number, and under ``graph`` their names and the nodes as JSON."""
    import onnx

    graph = onnx.load_model_from_string(Path(path).read_bytes()).graph
    if len(graph.node) > MAX_NODES:
        raise Refused(f"has {len(graph.node)} nodes; descrambler reads chains of dense layers")
    if graph.sparse_initializer:
        raise Refused("has sparse weights, which are not read")
    if not graph.node:
        raise Refused("holds no graph of operations, so it is no ONNX model, or an empty one")
    return collected(graph, Path(path).parent)


def collected(graph: Any, folder: Path) -> dict[str, Any]:
    """Return what `contents` does, of a graph."""
    import onnx

    tensors = [(tensor.name, tensor) for tensor in graph.initializer]
    nodes, small = [], []
    for node in graph.node:
        values = {attribute.name: value(attribute) for attribute in node.attribute}
        found = [values[name] for name in CONSTANTS if name in values]
        if node.op_type != "Constant" or node.domain or not found or not node.output:
            nodes.append(describe(node, values))
        elif isinstance(found[0], onnx.TensorProto):
            tensors.append((node.output[0], found[0]))
        else:
            kind = np.int64 if "value_int" in values or "value_ints" in values else np.float32
            small.append((node.output[0], np.array(found[0], kind)))
    stored = [tensor.name for tensor in graph.initializer]
    values = dict(small) | {name: array(tensor, folder) for name, tensor in tensors}
    nodes = [node for node in nodes if not computed(node, values)]
    taken = {name for node in nodes for name in node["inputs"]}
    needed = {name for name in values if name in taken and values[name] is not None}
    used = taken | {name for node in graph.node for name in node.input}
    text = json.dumps(
        {
            "constants": sorted(needed),
            "names": [*stored, *(name for node in graph.node for name in node.output if name)],
            "unread": sorted(name for name in taken if name in values and values[name] is None),
            "unused": sorted(set(stored) - used - {entry.name for entry in graph.output}),
            "inputs": [[e.name, shape(e)] for e in graph.input if e.name not in values],
            "outputs": [entry.name for entry in graph.output],
            "nodes": nodes,
        }
    )
    if len(text) > MAX_TEXT:
        raise Refused(f"describes its graph in more than {MAX_TEXT} characters")
    arrays = {str(k): values[name] for k, name in enumerate(sorted(needed))}
    return arrays | {"graph": np.array(text)}


def computed(node: dict[str, Any], values: dict[str, Any]) -> bool:
    """Compute what exporters leave to be computed of constants; tell whether this was done."""
    given = [values.get(name) for name in node["inputs"]]
    if not given or len(node["outputs"]) != 1 or any(constant is None for constant in given):
        return False
    first: Any = given[0]
    options = node["options"]
    match node["type"], options:
        case "Identity", _:
            result = first
        case "Transpose", _:
            result = first.transpose(options.get("perm"))
        case "Cast", {"to": 1 | 10 | 11 | 16 as to}:
            # Half precision is kept as float32, which holds it exactly.
            half = first.astype(np.float16) if to == 10 else first
            result = half.astype(np.float64 if to == 11 else np.float32)
            if to == 16:
                return False
        case "Reshape", _ if len(given) == 2 and not options.get("allowzero"):
            wanted: Any = given[1]
            sizes = [first.shape[k] if n == 0 else n for k, n in enumerate(wanted.tolist())]
            result = first.reshape(sizes)
        case _:
            return False
    values[node["outputs"][0]] = result
    return True


def shape(entry: Any) -> list[int | None] | None:
    """Return the sizes of an input, where they are declared."""
    tensor = entry.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    return [d.dim_value if d.dim_value > 0 else None for d in tensor.shape.dim]


def describe(node: Any, values: dict[str, Any]) -> dict[str, Any]:
    """Return a node as JSON has it; attributes of other kinds are named in ``other``."""
    plain = {name: v for name, v in values.items() if isinstance(v, float | int | str | list)}
    return {
        "name": node.name or (node.output[0] if node.output else ""),
        "type": f"{node.domain}.{node.op_type}" if node.domain else node.op_type,
        "inputs": list(node.input),
        "outputs": list(node.output),
        "options": plain,
        "other": sorted(values.keys() - plain),
    }


def value(attribute: Any) -> Any:
    """Return the value of an attribute; None for graphs and the like."""
    from onnx import AttributeProto

    match attribute.type:
        case AttributeProto.FLOAT:
            return short(attribute.f)
        case AttributeProto.INT:
            return int(attribute.i)
        case AttributeProto.STRING:
            return attribute.s.decode(errors="replace")
        case AttributeProto.FLOATS:
            return list(attribute.floats)
        case AttributeProto.INTS:
            return list(attribute.ints)
        case AttributeProto.TENSOR:
            return attribute.t
    return None


def short(single: float) -> float:
    """Return the number of fewest digits that is this float32: 0.2, not 0.200000003."""
    return float(str(np.float32(single)))


def array(tensor: Any, folder: Path) -> Any:
    """Return a tensor, half precision as float32; None if NumPy has no such type."""
    from onnx import TensorProto, helper, numpy_helper

    if tensor.data_location == TensorProto.EXTERNAL:
        tensor.raw_data = external(tensor, folder)
        tensor.data_location = TensorProto.DEFAULT
    if tensor.data_type in (TensorProto.FLOAT16, TensorProto.BFLOAT16):
        return numpy_helper.to_array(tensor).astype(np.float32)
    dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    return numpy_helper.to_array(tensor) if dtype.kind in "biuf" else None


# Neither a link to elsewhere nor a pipe that never answers; on Windows, bytes as they are.
READ = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"))


def is_name(place: str, windows: bool = os.name == "nt") -> bool:
    """Tell whether a text is the name of a file in a folder, not a path that leads out of it."""
    if place in ("", ".", "..") or any(c in place for c in "/\\\0"):
        return False
    return not (windows and ":" in place)  # a drive, or a stream of another file


def external(tensor: Any, folder: Path) -> bytes:
    """Return the bytes of a tensor from a regular file in the folder of the model, never another."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    place = entries.get("location", "")
    whose = f"{tensor.name!r} is in another file, {place!r}"
    if not is_name(place):
        raise Refused(f"{whose}, not in the folder of this one")
    try:
        before = os.lstat(folder / place)
        file = os.open(folder / place, READ)
    except OSError as error:
        raise Refused(f"{whose}: {error.strerror}") from None
    with os.fdopen(file, "rb") as stream:
        status = os.fstat(file)
        # A link, where the system cannot be told not to follow one (Windows).
        if not os.path.samestat(before, status):
            raise Refused(f"{whose}, which is a link")
        offset = int(entries.get("offset", 0))
        length = int(entries.get("length", max(status.st_size - offset, 0)))
        if not stat.S_ISREG(status.st_mode) or not 0 <= offset <= offset + length <= status.st_size:
            raise Refused(f"{whose}, which is too short or no file")
        stream.seek(offset)
        return stream.read(length)
