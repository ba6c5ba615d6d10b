"""Damage files in ways that get past the checksums of their containers."""

from __future__ import annotations

import io
import json
import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np
import onnx

Rng = np.random.Generator
Mutate = Callable[[bytes, Rng], bytes]

NUMBERS = (
    0,
    1,
    -1,
    2,
    7,
    127,
    255,
    2**15,
    2**16 - 1,
    2**31 - 1,
    -(2**31),
    2**32 - 1,
    2**62,
    -(2**63),
)
VALUES = (None, True, -1, 0, 2**70, 1e308, 0.5, "", "x" * 300, "\x00\u202e", "tanh", "Dense", [], {}, [[]])  # fmt: skip
# Makes a folder when it is unpickled: the fuzzer looks whether it is there.
EXECUTE = b"cposix\nmkdir\n(Vdescrambler_fuzz_executed\ntR"


def any_bytes(content: bytes, rng: Rng) -> bytes:
    """Change, cut, repeat or remove a few bytes, or write a number over some."""
    out = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        at = int(rng.integers(max(len(out), 1)))
        size = int(rng.integers(1, 17))
        match rng.integers(6):
            case 0 if len(out):
                out[at] ^= 1 << int(rng.integers(8))
            case 1:
                out[at : at + size] = rng.bytes(size)
            case 2:
                del out[at : at + size]
            case 3:
                out[at:at] = out[at : at + 8 * size]
            case 4:
                value = NUMBERS[rng.integers(len(NUMBERS))]
                width, order = int(rng.choice([2, 4, 8])), "<>"[rng.integers(2)]
                number = struct.pack(f"{order}Q", value % 2**64)
                out[at : at + width] = number[:width] if order == "<" else number[-width:]
            case 5 if rng.integers(4) == 0:
                del out[at:]
    return bytes(out)


def any_json(content: bytes, rng: Rng) -> bytes:
    """Replace, remove, repeat or exchange values of a JSON text."""
    root = [json.loads(content)]
    for _ in range(rng.integers(1, 4)):
        places = list(_places(root))
        holder, key = places[rng.integers(len(places))]
        other, there = places[rng.integers(len(places))]
        match rng.integers(5):
            case 0:
                holder[key] = VALUES[rng.integers(len(VALUES))]
            case 1:
                holder[key] = json.loads(json.dumps(other[there]))
            case 2 if len(holder) > 1:
                del holder[key]
            case 3 if isinstance(holder, list):
                holder.insert(key, json.loads(json.dumps(other[there])))
            case 4 if isinstance(holder[key], int | float):
                holder[key] = NUMBERS[rng.integers(len(NUMBERS))]
    return json.dumps(root[0] if root else None).encode()


def _places(value: Any) -> Any:
    """Yield every container with every key of it."""
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


def npy(content: bytes, rng: Rng) -> bytes:
    """Change the dtype, order or shape in the header of an array, or its bytes."""
    size = int.from_bytes(content[8:10], "little")
    header, data = content[10 : 10 + size].decode("latin1"), content[10 + size :]
    match rng.integers(4):
        case 0:
            number = str(NUMBERS[rng.integers(len(NUMBERS))])
            header = re.sub(r"\d+(?=[,)])", number, header, count=int(rng.integers(1, 3)))
        case 1:
            kinds = ["<f8", ">f4", "|O", "<U9", "<c16", "|V0", "<M8[s]", "<i8", "|b1", "<f2", "<U0"]
            header = re.sub("'[<|>][^']*'", repr(kinds[rng.integers(len(kinds))]), header)
        case 2:
            header = any_bytes(header.encode("latin1"), rng).decode("latin1")
        case 3:
            data = any_bytes(data, rng)
    text = header.encode("latin1")
    return content[:8] + struct.pack("<H", len(text) % 2**16) + text + data


def pickled(content: bytes, rng: Rng) -> bytes:
    """Damage a pickle, or let it call a function."""
    if rng.integers(4):
        return any_bytes(content, rng)
    at = int(rng.integers(2, len(content)))
    return content[:at] + EXECUTE + content[at:]


def hdf5(content: bytes, rng: Rng) -> bytes:
    """Change attributes, links and datasets through the library, or any bytes (without checksums)."""
    if rng.integers(2):
        return any_bytes(content, rng)
    stream = io.BytesIO(content)
    with h5py.File(stream, "a") as file:
        names: list[str] = []
        file.visit(names.append)
        for _ in range(rng.integers(1, 4)):
            name, other = (names[k] for k in rng.integers(len(names), size=2))
            try:
                _change_hdf5(file, name, other, rng)
            # What was taken away before.
            except (KeyError, TypeError, ValueError, OSError, RuntimeError):
                continue
    return stream.getvalue()


def _change_hdf5(file: Any, name: str, other: str, rng: Rng) -> None:
    item = file if rng.integers(4) == 0 else file[name]
    attributes = list(item.attrs)
    if attributes and rng.integers(2):
        key = attributes[rng.integers(len(attributes))]
        value = item.attrs[key]
        if key == "model_config":
            item.attrs[key] = any_json(value.encode(), rng).decode()
        elif rng.integers(3):
            item.attrs[key] = ["x", b"cell", 3, np.eye(2), "int8", "struct"][rng.integers(6)]
        else:
            del item.attrs[key]
        return
    kind = rng.integers(6)
    if kind in (0, 1) or name == "":
        del file[name]
    if kind == 1:
        sizes = tuple(int(n) for n in rng.choice([0, 1, 5, 6, 2**20], size=rng.integers(4)))
        dtype = ["f4", "f8", "i4", "u2", "f2", "S3"][rng.integers(6)]
        file.create_dataset(name, sizes, dtype, chunks=True if 0 not in sizes and sizes else None)
    elif kind == 2:
        del file[name]
        file[name] = h5py.SoftLink(f"/{other}") if rng.integers(2) else file[other]
    elif kind == 3:
        file[f"{name}_"] = file[other]
    elif kind == 4:
        file.move(name, other + "_")
    elif kind == 5:
        del file[name]
        file[name] = h5py.ExternalLink("/etc/passwd", "x")


def archive(content: bytes, rng: Rng) -> bytes:
    """Damage a member of a zip archive and pack it again, or rename or repeat it; or any bytes."""
    if rng.integers(8) == 0:
        return any_bytes(content, rng)
    with zipfile.ZipFile(io.BytesIO(content)) as old:
        members = [(info.filename, old.read(info)) for info in old.infolist()]
        method = old.infolist()[0].compress_type
    at = int(rng.integers(len(members)))
    name, data = members[at]
    match rng.integers(10):
        case 0:
            del members[at]
        case 1:
            members.append((name, data))
        case 2:
            renamed = any_bytes(name.encode(), rng).decode("latin1")
            members[at] = (renamed.partition("\0")[0] or "x", data)  # zipfile ends it there
        case 3:
            members[at] = (name, members[rng.integers(len(members))][1])
        case _:
            members[at] = (name, _member(name)(data, rng))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as new, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, data in members:
            new.writestr(name, data)
    return stream.getvalue()


def _member(name: str) -> Mutate:
    kinds = {"npy": npy, "json": any_json, "h5": hdf5, "pkl": pickled}
    return kinds.get(name.rpartition(".")[2], any_bytes)


def mat(content: bytes, rng: Rng) -> bytes:
    """Damage a variable of a MATLAB 5 file, and pack it as it was."""
    if rng.integers(8) == 0:
        return any_bytes(content, rng)
    parts, place = [], 128
    (subsystem,) = struct.unpack("<Q", content[116:124])
    while place < len(content):
        kind, size = struct.unpack("<II", content[place : place + 8])
        parts.append((place, kind, content[place + 8 : place + 8 + size]))
        place += 8 + size
    chosen = int(rng.integers(len(parts)))
    out = bytearray(content[:128])
    for number, (place, kind, body) in enumerate(parts):
        if place == subsystem:
            out[116:124] = struct.pack("<Q", len(out))
        if number == chosen:
            whole = zlib.decompress(body) if kind == 15 else body
            whole = _array_headers(whole, rng) if rng.integers(4) else any_bytes(whole, rng)
            body = zlib.compress(whole) if kind == 15 else whole
        out += struct.pack("<II", kind, len(body)) + body
    return bytes(out)


def _array_headers(whole: bytes, rng: Rng) -> bytes:
    """Change one to three bytes near the heads of arrays: classes, types, sizes, names."""
    out = bytearray(whole)
    heads = [
        found.start() for found in re.finditer(rb"\x06\0\0\0\x08\0\0\0|\x0e\0\0\0", whole)
    ] or [0]
    for _ in range(rng.integers(1, 4)):
        at = int(rng.choice(heads) + rng.integers(64))
        out[min(at, len(out) - 1)] = int(rng.integers(256))
    return bytes(out)


def safetensors(content: bytes, rng: Rng) -> bytes:
    """Damage the JSON header of a file, or its bytes."""
    if rng.integers(4) == 0:
        return any_bytes(content, rng)
    size = int.from_bytes(content[:8], "little")
    text = any_json(content[8 : 8 + size], rng)
    return struct.pack("<Q", len(text)) + text + content[8 + size :]


def protobuf(content: bytes, rng: Rng) -> bytes:
    """Change the nodes, names, sizes and options of an ONNX graph, or any bytes."""
    if rng.integers(4) == 0:
        return any_bytes(content, rng)
    model = onnx.load_model_from_string(content)
    graph = model.graph
    for _ in range(rng.integers(1, 4)):
        names = [
            *(t.name for t in graph.initializer),
            *(o for n in graph.node for o in n.output),
            "",
        ]
        name = str(rng.choice(names))
        node = graph.node[rng.integers(len(graph.node))] if graph.node else None
        tensor = (
            graph.initializer[rng.integers(len(graph.initializer))] if graph.initializer else None
        )
        match rng.integers(12), node, tensor:
            case 0, onnx.NodeProto(), _ if node.input:
                node.input[rng.integers(len(node.input))] = name
            case 1, onnx.NodeProto(), _ if node.output:
                node.output[0] = name
            case 2, onnx.NodeProto(), _:
                node.op_type = str(
                    rng.choice(["Gemm", "Relu", "Add", "Conv", "Reshape", "Clip", "If"])
                )
            case 3, onnx.NodeProto(), _:
                graph.node.remove(node)
            case 4, onnx.NodeProto(), _:
                graph.node.add().CopyFrom(node)
            case 5, onnx.NodeProto(), _ if node.attribute:
                attribute = node.attribute[rng.integers(len(node.attribute))]
                attribute.type = int(rng.integers(13))
                attribute.i, attribute.f = (
                    int(rng.choice(NUMBERS[:9])),
                    float(rng.choice([0, np.nan, np.inf])),
                )
            case 6, _, onnx.TensorProto():
                tensor.dims[:] = [int(n) for n in rng.choice(NUMBERS, size=rng.integers(4))]
            case 7, _, onnx.TensorProto():
                tensor.data_type = int(rng.integers(30))
            case 8, _, onnx.TensorProto():
                tensor.raw_data = any_bytes(tensor.raw_data, rng)
            case 9, _, onnx.TensorProto():
                tensor.data_location = 1
                place = str(rng.choice(["../x", "/etc/passwd", "sample", "", "sample.onnx"]))
                tensor.external_data.add(key="location", value=place)
                tensor.external_data.add(key="length", value=str(rng.choice(NUMBERS)))
            case 10, _, onnx.TensorProto():
                graph.initializer.add().CopyFrom(tensor)
            case 11, _, _:
                ends = [graph.input, graph.output][rng.integers(2)]
                if ends:
                    ends.add().CopyFrom(ends[0]) if rng.integers(2) else ends.remove(ends[0])
    return model.SerializeToString()


BY_FORMAT: dict[str, Mutate] = {
    "npz": archive,
    "mat": mat,
    "mat73": hdf5,
    "onnx": protobuf,
    "safetensors": safetensors,
    "pt": archive,
    "keras": archive,
    "h5": hdf5,
    "gram": archive,
    "result": archive,
    "checkpoint": archive,
    "report": archive,
    "csv": any_bytes,
    "trace": any_bytes,
}
