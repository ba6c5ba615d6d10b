"""Flatten a Keras model into arrays and its description, in a process of its own (`_isolated.read`)."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import numpy as np

TEXTS = ("config.json", "metadata.json")
MAX_TEXT = 2**23


class Refused(Exception):
    """A file that is whole, but not for us."""


def libraries(path: str) -> None:
    """Import what `contents` needs."""
    import h5py  # noqa: F401


def contents(path: str) -> dict[str, Any]:
    """Return the weights by number, and under ``model`` their places and the rest as JSON."""
    import h5py

    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(archive.getinfo(name).file_size > MAX_TEXT for name in TEXTS):
                raise Refused(f"describes its layers in more than {MAX_TEXT} bytes")
            config, metadata = (archive.read(name).decode() for name in TEXTS)
            version = json.loads(metadata)["keras_version"]
            with h5py.File(io.BytesIO(archive.read("model.weights.h5")), "r") as file:
                return flatten(file, config, version, archive=True)
    with h5py.File(path, "r") as file:
        config = text(file.attrs.get("model_config"))
        if not config:
            raise Refused(
                "has no model_config, so not a whole Keras model; of weights alone "
                "(save_weights), the layers are not known: use model.save"
            )
        return flatten(file, config, text(file.attrs.get("keras_version")), archive=False)


def flatten(file: Any, config: str, version: str, *, archive: bool) -> dict[str, Any]:
    """Return what `contents` does, of an open HDF5 file."""
    import h5py

    if len(config) > MAX_TEXT:
        raise Refused(f"describes its layers in more than {MAX_TEXT} bytes")
    datasets: dict[str, Any] = {}
    names: dict[str, str] = {}

    def add(path: str, item: Any) -> str | None:
        if isinstance(item, h5py.Group):
            if name := text(item.attrs.get("name")):
                names[path] = name
        elif item.external or item.is_virtual:
            return f"{path!r} is kept in another file, which is not read"
        elif item.dtype.kind in "fiubc":
            datasets[path] = single(item[()])
        elif item.dtype.kind == "V" and item.dtype.itemsize == 2 and is_bfloat16(item, config):
            # The upper half of float32.
            halves = np.frombuffer(item[()].tobytes(), "<u2").astype("<u4") << 16
            datasets[path] = halves.view("<f4").reshape(item.shape)
        return None

    if found := file.visititems(add):  # follows no link to another file
        raise Refused(found)
    description = {"config": config, "version": version, "archive": archive}
    description |= {"weights": list(datasets), "names": names}
    arrays = {str(k): array for k, array in enumerate(datasets.values())}
    return arrays | {"model": np.array(json.dumps(description))}


def is_bfloat16(item: Any, config: str) -> bool:
    """Tell whether two bytes are a bfloat16: .keras files say so, .h5 files only by the layers."""
    return text(item.attrs.get("dtype")) == "bfloat16" or (
        "dtype" not in item.attrs and '"bfloat16"' in config
    )


def single(array: Any) -> Any:
    """Return half precision as float32, which holds it exactly."""
    return array.astype(np.float32) if array.dtype == np.float16 else np.asarray(array)


def text(value: Any) -> str:
    """Return an attribute as text; empty if it is none."""
    if isinstance(value, bytes):
        return value.decode()
    return value if isinstance(value, str) else ""
