"""Run an ONNX file with ONNX Runtime, in a process of its own (`_isolated.read`)."""

from __future__ import annotations

import base64
import runpy
from pathlib import Path
from typing import Any

import numpy as np


class Refused(Exception):
    """A file that cannot be run, or whose numbers are not those of its weights."""


def libraries(path: str, **_: Any) -> None:
    """Import what `contents` needs."""
    import onnx  # noqa: F401
    import onnxruntime  # noqa: F401


def contents(
    path: str,
    rows: str,
    shape: list[int],
    dtype: str,
    values: list[str],
    sizes: list[int | None] | None,
    batch: list[int | None],
) -> dict[str, Any]:
    """Return values of the graph, ``outputs`` and perhaps ``before``, for each row.

    `sizes` are those of the input, and `batch` the axes of samples in the input and the outputs.
    """
    import onnxruntime

    x = np.frombuffer(base64.b64decode(rows), dtype).reshape(shape)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        cut(path, values), options, providers=["CPUExecutionProvider"]
    )
    (given,) = session.get_inputs()
    kind = {"tensor(float)": np.float32, "tensor(double)": np.float64}.get(given.type)
    if kind is None:
        raise Refused(f"its input is of the type {given.type}")
    x = x.astype(kind)
    sizes = [None, x.shape[1]] if sizes is None else sizes
    together = batch[0] is not None and batch[1] is not None and sizes[batch[0]] is None
    parts = [x] if together else list(x[:, None])
    found = [session.run(values, {given.name: arranged(p, sizes, batch[0])}) for p in parts]
    names = ("outputs", "before")
    return {
        name: np.concatenate(
            [
                flat(part[k], batch[1] if together else None, len(p))
                for part, p in zip(found, parts, strict=True)
            ]
        )
        for k, name in zip(range(len(values)), names, strict=False)
    }


def arranged(rows: Any, sizes: list[int | None], batch: int | None) -> Any:
    """Return rows in the shape that the graph takes."""
    if batch is None:
        return rows.reshape([-1 if n is None else n for n in sizes])
    sample = [n for k, n in enumerate(sizes) if k != batch]
    return np.moveaxis(rows.reshape([len(rows), *[-1 if n is None else n for n in sample]]), 0, batch)  # fmt: skip


def flat(outputs: Any, batch: int | None, n: int) -> Any:
    """Return outputs as one row for each sample."""
    if batch is not None and outputs.ndim > batch:
        outputs = np.moveaxis(outputs, batch, 0)
    return np.ascontiguousarray(outputs).reshape(n, -1)


def cut(path: str, values: list[str]) -> bytes:
    """Return the model with these values as its outputs, and all weights inside."""
    import onnx

    external = runpy.run_path(str(Path(__file__).with_name("_onnx_child.py")))["external"]
    model = onnx.load_model_from_string(Path(path).read_bytes())
    half = (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)
    for tensor in model.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            tensor.raw_data = external(tensor, Path(path).parent)
            tensor.data_location = onnx.TensorProto.DEFAULT
            del tensor.external_data[:]
        if tensor.data_type in half:
            raise Refused("it computes in half precision")
    for node in model.graph.node:
        if node.op_type == "Cast" and any(a.name == "to" and a.i in half for a in node.attribute):
            raise Refused("it computes in half precision")
    del model.graph.output[:]
    for name in values:
        model.graph.output.add().name = name
    content: bytes = model.SerializeToString()
    return content
