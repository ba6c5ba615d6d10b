"""The format of a file, by its content, else by its suffix; or a name for what it is instead."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal

from .._util.archive import members
from .._util.files import open_regular, read_bytes
from ..errors import WeightFileError

_HDF5 = b"\x89HDF\r\n\x1a\n"
_MAT_HEADER = 128  # bytes; the last four are the version and the byte order
_TORCH_BEFORE_1_6 = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
_READ = "descrambler reads .npz, .mat, .onnx, .keras, .h5, .safetensors, .pt and .pth files"
_NETWORKS = (".npz", ".mat", ".onnx", ".keras", ".h5", ".safetensors", ".pt", ".pth", ".bin")
_MAX_JSON = 2**24
_ORDERS: tuple[Literal["little", "big"], ...] = ("little", "big")

# Place, content and what it is.
_OTHERS = (
    (0, b"version https://git-lfs", "LFS"),
    (0, b"version http://git-media", "LFS"),
    (0, b"version https://hawser", "LFS"),
    (0, b"\x93NUMPY", "one array (.npy): save the weights as W1, b1, W2, ... with numpy.savez"),
    (4, b"TFL3", "a TensorFlow Lite model: save the Keras model itself, as .keras"),
    (0, b"GGUF", "a GGUF model: export it as .safetensors or .onnx"),
    (0, b"\x1f\x8b", "compressed (gzip): unpack it first"),
    (0, b"BZh", "compressed (bzip2): unpack it first"),
    (0, b"\xfd7zXZ", "compressed (xz): unpack it first"),
    (0, b"7z\xbc\xaf", "compressed (7-Zip): unpack it first"),
    (0, b"Rar!", "compressed (RAR): unpack it first"),
    (0, b"(\xb5/\xfd", "compressed (Zstandard): unpack it first"),
    (257, b"ustar", "a tar archive: unpack it first"),
)
_LFS = (
    "a pointer of Git LFS in place of the file: run 'git lfs pull' in its folder, or download the "
    "file itself"
)
_SAVED_MODEL = (
    "a TensorFlow SavedModel: load it in Keras and save it as .keras, or export it as .onnx"
)


def told(path: Path) -> str:
    """Return the format of a file: npz, mat, keras, safetensors, onnx or torch.

    Raises
    ------
    WeightFileError
        If it is none of these; the message says what it is instead.
    OSError
        If it cannot be opened; of links and folders, the message says what is missing.
    """
    _check_place(path)
    try:
        with open_regular(path) as file:
            head, size = file.read(520), os.fstat(file.fileno()).st_size
            if head.startswith(b"PK"):
                return _of_zip(path, file)
    except ValueError as error:
        raise WeightFileError(str(error)) from None
    if what := _other(path, head):
        raise WeightFileError(f"{path}: {what}")
    version = head[124:_MAT_HEADER]
    if version in (b"\x00\x01IM", b"\x01\x00MI") or (
        version == b"\x00\x02IM" and head[512:] == _HDF5
    ):
        return "mat"
    if head.startswith(_HDF5):
        return "keras"
    if head.startswith(_TORCH_BEFORE_1_6):
        return "torch"
    if head[8:9] == b"{" and 0 < int.from_bytes(head[:8], "little") < size:
        return "safetensors"
    # The version of a model: protobuf has no magic bytes.
    if _is_protobuf(head) or path.suffix.lower() == ".onnx":
        return "onnx"
    raise WeightFileError(f"{path}: {_unknown(path, head)}; {_READ}")


def _check_place(path: Path) -> None:
    """Raise OSError for a link that leads nowhere, and for a folder."""
    if path.is_symlink() and not path.exists():
        raise FileNotFoundError(
            f"{path} is a link to {path.readlink()}, which is not there. In a cache of Hugging "
            "Face, the download is not complete: download the file again"
        )
    if path.is_dir():
        found = f": it holds {_SAVED_MODEL}" if (path / "saved_model.pb").exists() else ""
        raise IsADirectoryError(f"{path} is a folder, and one file is read{found}")


def _of_zip(path: Path, file: Any) -> str:
    """Return the format of a zip archive; that of a damaged one is npz, whose reader says so."""
    try:
        names = [member.filename for member in members(file)]
    except Exception:
        return "npz"
    if any(name.split("/")[-1] == "data.pkl" for name in names):
        return "torch"
    if "config.json" in names and "model.weights.h5" in names:
        return "keras"
    if any(name.split("/")[-1] == "archive_format" for name in names):
        raise ValueError(
            f"{path}: a program of torch.export, which is not read; save its weights, with "
            "torch.save(torch.export.load(path).state_dict, 'net.pt')"
        )
    inside = [name for name in names if name.lower().endswith(_NETWORKS)]
    if inside and not any(name.endswith(".npy") for name in names):
        raise ValueError(f"{path}: a zip archive of files: unpack it and load {inside[0]!r}")
    return "npz"


def _is_protobuf(head: bytes) -> bool:
    return head[:1] == b"\x08" and b"\x01" <= head[1:2] <= b"\x20"


def _other(path: Path, head: bytes) -> str:
    """Say what a file is whose format is known, but not read; nothing of others."""
    if not head:
        return "an empty file; the download or the export was interrupted"
    for place, content, what in _OTHERS:
        if head.startswith(content, place):
            return _LFS if what == "LFS" else what
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.lower().startswith((b"<!doctype", b"<html", b"<head", b"<?xml", b"<!--")):
        return "a web page (HTML or XML) in place of the file: download the file itself"
    if path.name == "saved_model.pb" or _is_saved_model(head):
        return _SAVED_MODEL
    if path.suffix.lower() == ".pb" and not _is_protobuf(head):
        return "a TensorFlow graph: load it in TensorFlow and export it as .onnx"
    return _json(path) if text.startswith(b"{") else ""


def _is_saved_model(head: bytes) -> bool:
    """Tell whether version 1 is followed by a graph, where ONNX has the name of its producer."""
    place = 3
    while head[place : place + 1] >= b"\x80":  # the length of the graph
        place += 1
    return head.startswith(b"\x08\x01\x12") and head[place + 1 : place + 2] == b"\x0a"


def _json(path: Path) -> str:
    """Say what a file is that begins as JSON does."""
    try:
        value = json.loads(read_bytes(path, _MAX_JSON))
    except (ValueError, RecursionError):
        return ""
    if "weight_map" in value:
        weights = value["weight_map"]
        parts = sorted(set(map(str, weights.values()))) if isinstance(weights, dict) else []
        shown = ", ".join(parts[:3]) + (", ..." if len(parts) > 3 else "")
        return (
            f"the index of a model in {len(parts)} parts ({shown}), without weights: load the "
            "parts and save their tensors as one .safetensors file"
        )
    if "class_name" in value and "config" in value:
        return "the layers of a Keras model without weights: save it with model.save('net.keras')"
    return "text (JSON) without weights, such as the configuration of a model"


def _is_matlab_4(head: bytes) -> bool:
    """Tell whether five integers are the header of a matrix: its type, shape, ... and name."""
    for order in _ORDERS:
        kind, _, _, _, length = (int.from_bytes(head[k : k + 4], order) for k in range(0, 20, 4))
        if kind % 1000 < 53 and kind < 5000 and 1 < length < 64 and not head[19 + length]:
            return True
    return False


def _unknown(path: Path, head: bytes) -> str:
    if head[:1] == b"\x80" and head[1:2] <= b"\x05":
        return "pickled data, which could run code when read, so it is refused"
    if path.suffix.lower() == ".mat" and _is_matlab_4(head):
        return "a file of MATLAB 4: load it in MATLAB, and save it with '-v7'"
    if path.suffix.lower() == ".safetensors" and head[8:9] == b"{":
        return "a damaged .safetensors file, of which the end is missing"
    if path.suffix.lower() in _NETWORKS:
        return f"a damaged {path.suffix} file, or one of another format; begins with {head[:16]!r}"
    return f"not a known format; begins with {head[:16]!r}"
