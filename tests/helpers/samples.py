"""Small files of every format, whole, for the fuzzer to damage."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import matio
import numpy as np
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save
from scipy.io import savemat

import descrambler as ds

DATA = Path(__file__).parent.parent / "data"
RNG = np.random.default_rng(0)
W1, W2 = RNG.standard_normal((5, 6)).astype("f4"), RNG.standard_normal((4, 5)).astype("f4")
B1, B2 = RNG.standard_normal(5).astype("f4"), RNG.standard_normal(4).astype("f4")
PLAIN = {"W1": W1, "b1": B1, "W2": W2, "b2": B2}
STATE = {"net.0.weight": W1, "net.0.bias": B1, "net.2.weight": W2, "net.2.bias": B2}
NAMES = ["tanh", "logistic"]


@dataclass(frozen=True)
class Sample:
    """One file: its format, its content, and the activations that reading it needs."""

    kind: str
    content: bytes
    activations: Any = None


def network() -> ds.Network:
    layers = [ds.Linear(W1, B1), ds.Activation("tanh"), ds.Linear(W2), ds.Renormalize()]
    return ds.Network(layers, ds.Network([ds.Linear(W1), ds.Linear(W2)]), {"made": "here"})


def samples(folder: Path) -> Iterator[Sample]:
    """Yield the samples; `folder` is for what libraries write by path."""
    path = folder / "sample"

    def written(save: Any) -> bytes:
        save(path)
        return path.read_bytes()

    stream = io.BytesIO()
    np.savez(stream, **PLAIN)
    yield Sample("npz", stream.getvalue(), NAMES)
    network().save(folder / "own.npz")
    yield Sample("npz", (folder / "own.npz").read_bytes())
    network().save(folder / "own.mat")
    yield Sample("mat", (folder / "own.mat").read_bytes())
    for compressed in (False, True):
        stream = io.BytesIO()
        extra = {"note": "text", "tr": {"noise": 1.0, "cells": cells([np.eye(2), "text"])}}
        savemat(stream, PLAIN | extra, do_compression=compressed)
        yield Sample("mat", stream.getvalue(), NAMES)
        stream = io.BytesIO()
        savemat(stream, {"net": shallow()}, do_compression=compressed)
        yield Sample("mat", stream.getvalue())
    yield Sample("mat", written(lambda p: matio.save_to_mat(p, {"net": objects()}, version="v7")))
    for variables, names in ((PLAIN, NAMES), ({"net": shallow()}, None)):
        content = written(lambda p, v=variables: matio.save_to_mat(p, v, version="v7.3"))
        yield Sample("mat73", content, names)
    yield Sample("safetensors", save(STATE), NAMES)
    state = {key: torch.from_numpy(value) for key, value in STATE.items()}
    for saved in (state, {"state_dict": state, "epoch": 3}):
        yield Sample("pt", written(lambda p, s=saved: torch.save(s, p)), NAMES)
    for name in ("torch_dynamo", "torch_script"):
        yield Sample("onnx", (DATA / f"{name}.onnx").read_bytes())
    yield Sample("onnx", chain().SerializeToString())
    yield Sample("keras", keras())
    yield Sample("h5", h5())


def cells(rows: list[Any]) -> Any:
    out = np.empty((len(rows), 1), object)
    for k, value in enumerate(rows):
        out[k, 0] = value
    return out


def shallow() -> dict[str, Any]:
    nothing, second = np.zeros((0, 0)), np.empty((2, 2), object)
    for index in np.ndindex(2, 2):
        second[index] = nothing
    second[1, 0] = W2
    layers = cells([{"transferFcn": "tansig"}, {"transferFcn": "purelin"}])
    rows = {"xrows": 8.0, "yrows": 6.0, "keep": np.arange(2.0, 8)[None], "value": np.ones((2, 1))}
    scaling = {"gain": B2[:, None], "xoffset": np.arange(4)[:, None].astype("u1"), "ymin": -1.0}
    inputs, outputs = (
        cells([{"processFcns": cells([name]).T, "processSettings": cells([settings]).T}])
        for name, settings in (("removeconstantrows", rows), ("mapminmax", scaling))
    )
    return {"IW": cells([W1, nothing]), "LW": second, "b": cells([B1[:, None], B2[:, None]]),
            "layers": layers, "inputs": inputs, "outputs": cells([nothing, outputs[0, 0]]).T}  # fmt: skip


def objects() -> Any:
    from matio.utils import MatlabOpaque

    def layer(**properties: Any) -> Any:
        return MatlabOpaque(properties, "nnet.cnn.layer.Layer")

    weights, bias = layer(Value=W1.astype(float)), layer(Value=B1.astype(float)[:, None])
    layers = np.empty((4, 1), object)
    layers[:, 0] = [
        layer(Name="in", InputSize=6.0, Normalization="none"),
        layer(Name="fc", InputSize=6.0, OutputSize=5.0, Weights=weights, Bias=bias),
        layer(Name="plus", Type="SoftplusLayer"),
        layer(Name="out", LossFunction="mse"),
    ]
    return MatlabOpaque({"Layers": layers}, "SeriesNetwork")


def chain() -> Any:
    nodes = [
        helper.make_node("MatMul", ["x", "W1"], ["a"]),
        helper.make_node("Add", ["a", "b1"], ["b"]),
        helper.make_node("LeakyRelu", ["b"], ["c"], alpha=0.1),
        helper.make_node("Gemm", ["c", "W2", "b2"], ["d"], transB=1, alpha=2.0),
        helper.make_node("Softmax", ["d"], ["y"]),
    ]
    tensors = [numpy_helper.from_array(v, k) for k, v in (PLAIN | {"W1": W1.T.copy()}).items()]
    ends = [
        helper.make_tensor_value_info(k, TensorProto.FLOAT, ["n", m])
        for k, m in (("x", 6), ("y", 4))
    ]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], tensors)
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])


def dense(name: str, units: int, activation: str) -> dict[str, Any]:
    config = {"name": name, "units": units, "activation": activation, "use_bias": True}
    return {"class_name": "Dense", "config": config}


def keras() -> bytes:
    """A functional model with a batch norm, laid out as Keras 3 does."""
    norm = {"name": "norm", "axis": -1, "epsilon": 0.001, "center": True, "scale": False}
    given = {"name": "given", "batch_shape": [None, 6]}
    layers = [
        {"class_name": "InputLayer", "config": given},
        dense("first", 5, "tanh"),
        {"class_name": "BatchNormalization", "config": norm},
        dense("second", 4, "softmax"),
    ]
    for before, layer in zip([None, "given", "first", "norm"], layers, strict=True):
        tensor = {"class_name": "__keras_tensor__", "config": {"keras_history": [before, 0, 0]}}
        layer["inbound_nodes"] = [{"args": [tensor], "kwargs": {}}] if before else []
    config = {"name": "m", "layers": layers, "output_layers": ["second", 0, 0]}
    stream, archived = io.BytesIO(), io.BytesIO()
    with h5py.File(stream, "w") as file:
        groups = {"dense": ("first", [W1.T, B1]), "dense_1": ("second", [W2.T, B2]),
                  "batch_normalization": ("norm", [B1, B1, B1**2])}  # fmt: skip
        for group, (name, arrays) in groups.items():
            for k, array in enumerate(arrays):
                file[f"layers/{group}/vars/{k}"] = array
            file[f"layers/{group}/vars"].attrs["name"] = name
    with zipfile.ZipFile(archived, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.15.1"}))
        model = {"class_name": "Functional", "config": config}
        archive.writestr("config.json", json.dumps(model))
        archive.writestr("model.weights.h5", stream.getvalue())
    return archived.getvalue()


def h5() -> bytes:
    """A sequential model, laid out as Keras 2 does."""
    layers = [dense("a", 5, "tanh"), dense("b", 4, "sigmoid")]
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        model = {"class_name": "Sequential", "config": {"name": "m", "layers": layers}}
        file.attrs["model_config"] = json.dumps(model)
        file.attrs["keras_version"] = "2.15.0"
        for name, kernel, bias in (("a", W1.T, B1), ("b", W2.T, B2)):
            file[f"model_weights/{name}/{name}/kernel:0"] = kernel
            file[f"model_weights/{name}/{name}/bias:0"] = bias
    return stream.getvalue()
