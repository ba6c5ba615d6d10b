"""Run a Keras file with Keras, in a process of its own (`_isolated.read`)."""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import re
import zipfile
from typing import Any

import numpy as np

BACKENDS = ("tensorflow", "jax", "torch")
MODULES = re.compile(
    r"keras(\.(layers|initializers|regularizers|constraints|activations|dtype_policies|models"
    r"|src\.ops\.\w+|src\.models\.\w+|src\.layers\.[\w.]+))?"
)
"""Names that a file may contain: any other would make Keras import and call code."""
CALLS = {"Lambda", "function", "__lambda__"}


class Refused(Exception):
    """A file that is not run."""


def libraries(path: str, **_: Any) -> None:
    """Import what `contents` needs, on a backend that is there."""
    if "KERAS_BACKEND" not in os.environ:
        found = [name for name in BACKENDS if importlib.util.find_spec(name)]
        os.environ["KERAS_BACKEND"] = found[0] if found else BACKENDS[0]
    import keras  # noqa: F401


def contents(path: str, rows: str, shape: list[int], dtype: str) -> dict[str, Any]:
    """Return the outputs for each row, and those without the last activation as ``before``."""
    import keras

    check(json.loads(configuration(path)))
    model = keras.models.load_model(path, compile=False, safe_mode=True)
    if any(str(weight.dtype) not in ("float32", "float64", "int32") for weight in model.weights):
        raise Refused("it computes in half precision")
    if any("float16" in str(layer.compute_dtype) for layer in model.layers):
        raise Refused("it computes in half precision")
    x = np.frombuffer(base64.b64decode(rows), dtype).reshape(shape)
    x = x.reshape([len(x), *[-1 if n is None else n for n in model.input_shape[1:]]])
    found = {"outputs": run(model, x)}
    last = model.layers[-1]
    if getattr(last, "activation", None) is not None:
        last.activation = keras.activations.linear
        found["before"] = run(model, x)
    return found


def run(model: Any, x: Any) -> Any:
    """Return the outputs of a model, one row for each sample."""
    import keras

    outputs = keras.ops.convert_to_numpy(model(keras.ops.convert_to_tensor(x), training=False))
    return np.ascontiguousarray(outputs).reshape(len(x), -1)


def configuration(path: str) -> str:
    """Return the description of the layers."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return archive.read("config.json").decode()
    import h5py

    with h5py.File(path, "r") as file:
        text = file.attrs["model_config"]
        return text.decode() if isinstance(text, bytes) else str(text)


def check(config: Any) -> None:
    """Refuse a description that names anything but layers and the like of Keras itself."""
    waiting = [config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            module, registered = value.get("module"), value.get("registered_name")
            if not (module is None or isinstance(module, str) and MODULES.fullmatch(module)):
                raise Refused(f"it names {module!r}, which is no part of Keras that holds layers")
            if ">" in str(registered) or value.get("class_name") in CALLS:
                raise Refused(f"it names {value.get('class_name')!r}, which is code of its own")
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
