"""Whole files whose meaning has changed: other dtypes, orders, keys and units, with the true numbers.

Nothing in such a file is damaged. It must give the true numbers, or be refused.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import matio
import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save
from scipy.io import savemat

import descrambler as ds
from descrambler.cli._inputs import read_matrix
from descrambler.report._html._record import Record

Rng = np.random.Generator
Array = np.ndarray[Any, Any]
DTYPES = ("u1", "i1", "<i2", ">i2", "<i4", "i8", "<f2", "<f4", ">f4", "<f8", ">f8", "b1")
FLOATS = ("<f2", "<f4", ">f4", "<f8", ">f8")
ROWS = np.random.default_rng(0).integers(-4, 5, (9, 6)) / 4
FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "softplus": lambda x: np.logaddexp(0, x),
}


@dataclass(frozen=True)
class Meaning:
    """A call that reads a file and computes, and the numbers that it must give."""

    call: Callable[[], Any]
    wanted: Array
    tolerance: float = 1e-4
    noted: Callable[[], bool] = lambda: False


def whole_numbers(rng: Rng, *shape: int) -> Array:
    """Small numbers that every dtype holds, as MATLAB stores them in one byte."""
    return rng.integers(0, 4, shape).astype(float)


def stored(array: Array, rng: Rng, dtypes: tuple[str, ...] = DTYPES) -> Array:
    """The same numbers in another dtype and order of memory."""
    dtype = np.dtype(str(rng.choice(dtypes)))
    if dtype.kind == "b" and array.max() > 1:
        dtype = np.dtype("u1")
    out = array.astype(dtype)
    match rng.integers(3):
        case 0:
            return np.asfortranarray(out)
        case 1:
            wide = np.zeros([2 * n for n in out.shape], dtype)
            view = wide[tuple(slice(None, None, 2) for _ in out.shape)]
            view[...] = out
            return view
    return out


def shuffled(entries: Mapping[str, Any], rng: Rng) -> dict[str, Any]:
    keys = list(entries)
    return {keys[k]: entries[keys[k]] for k in rng.permutation(len(keys))}


@dataclass(frozen=True)
class Plain:
    """Two layers with true numbers."""

    W1: Array
    b1: Array
    W2: Array
    b2: Array
    name: str

    @classmethod
    def of(cls, rng: Rng) -> Plain:
        sizes = ((5, 6), (5,), (4, 5), (4,))
        return cls(*(whole_numbers(rng, *s) for s in sizes), str(rng.choice(list(FUNCTIONS))))

    def __call__(self, x: Array) -> Array:
        return FUNCTIONS[self.name](x @ self.W1.T + self.b1) @ self.W2.T + self.b2

    @property
    def names(self) -> list[str]:
        return [self.name, "identity"]

    def arrays(self, rng: Rng, dtypes: tuple[str, ...] = DTYPES) -> dict[str, Array]:
        return {k: stored(getattr(self, k), rng, dtypes) for k in ("W1", "b1", "W2", "b2")}


def network(path: Path, wanted: Array, names: Any = None, rows: Array = ROWS) -> Meaning:
    """A network file: what it gives for rows. One that has notes may have left something out."""
    return Meaning(
        lambda: ds.load(path, names)(rows), wanted, noted=lambda: bool(ds.load(path, names).notes)
    )


def extra(rng: Rng) -> dict[str, Any]:
    """Perhaps an array that changes what the network computes, and that no reader knows."""
    key = str(rng.choice(["mean", "scale", "mask", "W3", "b0", "x_offset", "epoch", "accuracy"]))
    return {key: whole_numbers(rng, 6) + 1} if rng.integers(3) == 0 else {}


def npz(path: Path, rng: Rng) -> Meaning:
    true = Plain.of(rng)
    more = extra(rng)
    np.savez(path, **shuffled(true.arrays(rng) | more, rng))
    return network(path, true(ROWS) if not more else np.array(np.nan), true.names)


def mat(path: Path, rng: Rng) -> Meaning:
    true = Plain.of(rng)
    dtypes = ("u1", "i1", "<i2", "<i4", "<f4", "<f8")
    if rng.integers(2):
        arrays = true.arrays(rng, dtypes) | {"ignored": {"note": 1.0}}
        del arrays["ignored"]
        if rng.integers(2):
            arrays["b1"] = arrays["b1"][:, None]
        savemat(path, shuffled(arrays, rng), do_compression=bool(rng.integers(2)))
        return network(path, true(ROWS), true.names)
    return _shallow(path, rng, true, dtypes)


_MATLAB = {"tanh": "tansig", "relu": "poslin", "softplus": "purelin"}


def _shallow(path: Path, rng: Rng, true: Plain, dtypes: tuple[str, ...]) -> Meaning:
    """A network of the toolbox with mapminmax, all its whole numbers packed."""
    offset, gain = whole_numbers(rng, 6, 1), whole_numbers(rng, 6, 1) + 1
    low = float(rng.choice([-1.0, 0.0, 0.5, -0.9]))
    settings = {
        "xoffset": stored(offset, rng, dtypes),
        "gain": stored(gain, rng, dtypes),
        "ymin": np.array([[low]]).astype("i2" if low == -1 and rng.integers(2) else "f8"),
    }
    nothing, second = np.zeros((0, 0)), np.empty((2, 2), object)
    for index in np.ndindex(2, 2):
        second[index] = nothing
    second[1, 0] = stored(true.W2, rng, dtypes)
    layers = _cells([{"transferFcn": _MATLAB[true.name]}, {"transferFcn": "purelin"}])
    given = {"processFcns": _cells(["mapminmax"]).T, "processSettings": _cells([settings]).T}
    net = {
        "IW": _cells([stored(true.W1, rng, dtypes), nothing]),
        "LW": second,
        "b": _cells([stored(b, rng, dtypes)[:, None] for b in (true.b1, true.b2)]),
        "layers": layers,
        "inputs": _cells([given]),
    }
    savemat(path, {"net": net}, do_compression=bool(rng.integers(2)))
    rows = (ROWS - offset.T) * gain.T + low
    if true.name == "softplus":  # which the toolbox does not have
        return network(path, (rows @ true.W1.T + true.b1) @ true.W2.T + true.b2)
    return network(path, true(rows))


def _cells(rows: list[Any]) -> Any:
    out = np.empty((len(rows), 1), object)
    for k, value in enumerate(rows):
        out[k, 0] = value
    return out


def mat73(path: Path, rng: Rng) -> Meaning:
    true = Plain.of(rng)
    dtypes = ("u1", "i1", "<i2", "<i4", "<f4", "<f8")
    arrays = {k: np.atleast_2d(v) for k, v in true.arrays(rng, dtypes).items()}
    matio.save_to_mat(path, shuffled(arrays, rng), version="v7.3")
    return network(path, true(ROWS), true.names)


def safetensors(path: Path, rng: Rng) -> Meaning:
    true, dtypes = Plain.of(rng), ("<f2", "<f4", "<f8")
    state = dict(zip(STATE, true.arrays(rng, dtypes).values(), strict=True))
    more = {f"net.1.{k}": np.ascontiguousarray(v, "f4") for k, v in extra(rng).items()}
    content = {k: np.ascontiguousarray(v) for k, v in state.items()} | more
    path.write_bytes(save(shuffled(content, rng)))
    return network(path, true(ROWS) if not more else np.array(np.nan), true.names)


STATE = ("net.0.weight", "net.0.bias", "net.2.weight", "net.2.bias")


def pt(path: Path, rng: Rng) -> Meaning:
    true = Plain.of(rng)
    kinds = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
    state = {}
    for key, array in zip(STATE, (true.W1, true.b1, true.W2, true.b2), strict=True):
        tensor = torch.from_numpy(array.copy()).to(kinds[rng.integers(4)])
        if rng.integers(2) and tensor.ndim == 2:
            tensor = tensor.T.contiguous().T
        state[key] = tensor
    prefix = str(rng.choice(["", "module.", "_orig_mod."]))
    state = {prefix + key: value for key, value in state.items()}
    whole: Any = state if rng.integers(2) else {"state_dict": state, "epoch": 3, "lr": 0.1}
    torch.save(whole, path)
    return network(path, true(ROWS), true.names)


def onnx_(path: Path, rng: Rng) -> Meaning:
    """A chain of random operations, whose truth NumPy computes along the way."""
    kind = str(rng.choice(["f4", "f8"]))
    nodes: list[Any] = []
    constants: dict[str, Array] = {}
    truth, value = ROWS, "x"

    def node(op: str, *inputs: str, **options: Any) -> None:
        nonlocal value
        name = f"v{len(nodes)}"
        nodes.append(helper.make_node(op, list(inputs), [name], **options))
        value = name

    def constant(array: Array) -> str:
        name = f"c{len(constants)}"
        constants[name] = np.asarray(array, kind)
        return name

    for _ in range(rng.integers(2, 7)):
        width = truth.shape[1]
        signed = rng.integers(-3, 4, (int(rng.integers(1, 6)), width)) / 4
        vector = rng.integers(1, 5, width) / 2
        match rng.integers(9):
            case 0 | 1:
                node("MatMul", value, constant(signed.T))
                truth = truth @ signed.T
            case 2:
                bias, alpha = rng.integers(-3, 4, len(signed)) / 2, 0.5
                node("Gemm", value, constant(signed), constant(bias), transB=1, alpha=alpha)
                truth = alpha * truth @ signed.T + bias
            case 3:
                op = str(rng.choice(["Add", "Sub", "Mul", "Div"]))
                left = bool(rng.integers(2)) and op != "Div"
                given = vector if rng.integers(2) else vector[:1]
                name = constant(given if rng.integers(2) else given[None])
                node(op, *((name, value) if left else (value, name)))
                ufunc = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide}[op]  # fmt: skip
                truth = ufunc(given, truth) if left else ufunc(truth, given)
            case 4:
                op = str(rng.choice(["Tanh", "Relu", "Softplus", "Sigmoid"]))
                node(op, value)
                known = FUNCTIONS | {"sigmoid": lambda x: 1 / (1 + np.exp(-x))}
                truth = known[op.lower()](truth)
            case 5:
                node("Neg", value)
                truth = -truth
            case 6:
                names = [constant(v) for v in (vector, -vector, vector, vector)]
                node("BatchNormalization", value, *names, epsilon=0.25)
                truth = vector * (truth - vector) / np.sqrt(vector + 0.25) - vector
            case 7:
                start = value
                node("Sigmoid", value)
                node("Mul", start, value)
                truth = truth / (1 + np.exp(-truth))
            case 8:
                node("Flatten" if rng.integers(2) else "Identity", value)
    shape = ["n", 6]
    number = TensorProto.FLOAT if kind == "f4" else TensorProto.DOUBLE
    ends = [helper.make_tensor_value_info("x", number, shape)]
    ends.append(helper.make_tensor_value_info(value, number, None))
    tensors = [numpy_helper.from_array(v, k) for k, v in shuffled(constants, rng).items()]
    if rng.integers(3) == 0 and tensors:  # as a node
        moved = tensors.pop()
        nodes.insert(0, helper.make_node("Constant", [], [moved.name], value=moved))
    if rng.integers(4) == 0:
        nodes = [nodes[k] for k in rng.permutation(len(nodes))]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], tensors)
    onnx.save(
        helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), path
    )
    # Notes tell of layers that were made here, never of parts that were left out.
    return Meaning(lambda: ds.load(path)(ROWS), truth)


def _keras_model(rng: Rng) -> tuple[list[Any], dict[str, dict[str, Array]], Array]:
    """Layers, the weights of each by name in the order of Keras, and the outputs."""
    layers: list[Any] = []
    weights: dict[str, dict[str, Array]] = {}
    truth = ROWS

    def layer(kind: str, named: dict[str, Array], **options: Any) -> None:
        name = f"{kind.lower()}_{len(layers) + 3}"
        layers.append({"class_name": kind, "config": {"name": name, **options}})
        if named:
            weights[name] = named

    for _ in range(rng.integers(2, 6)):
        width = truth.shape[1]
        vector = rng.integers(1, 5, width) / 2
        match rng.integers(5):
            case 0 | 1:
                kernel = rng.integers(-3, 4, (width, int(rng.integers(1, 6)))) / 4
                bias, name = rng.integers(-3, 4, kernel.shape[1]) / 2, str(rng.choice(list(FUNCTIONS)))  # fmt: skip
                layer("Dense", {"kernel": kernel, "bias": bias}, units=len(bias), activation=name)
                truth = FUNCTIONS[name](truth @ kernel + bias)
            case 2:
                names = ("gamma", "beta", "moving_mean", "moving_variance")
                layer("BatchNormalization", dict(zip(names, (vector, -vector, vector, vector), strict=True)), epsilon=0.25)  # fmt: skip
                truth = vector * (truth - vector) / np.sqrt(vector + 0.25) - vector
            case 3:
                named = {"mean": vector, "variance": vector**2, "count": np.array(7)}
                layer("Normalization", named, axis=[-1], mean=None, variance=None)
                truth = (truth - vector) / vector
            case 4:
                layer("Rescaling", {}, scale=vector.tolist(), offset=0.5)
                truth = truth * vector + 0.5
    return layers, weights, truth


def _dataset(file: Any, place: str, array: Array, rng: Rng) -> None:
    data = array if array.ndim == 0 else np.asarray(stored(array, rng, FLOATS))
    chunks = {"chunks": True, "compression": "gzip"} if array.ndim and rng.integers(2) else {}
    file.create_dataset(place, data=data, **chunks)


def keras(path: Path, rng: Rng) -> Meaning:
    layers, weights, truth = _keras_model(rng)
    pattern = str(rng.choice(["layers/{}/vars", "layers\\{}/vars", "_layer_checkpoint_dependencies/{}/vars", "_layer_checkpoint_dependencies\\{}\\vars"]))  # fmt: skip
    step, named, seen = int(rng.integers(1, 3)), bool(rng.integers(2)), dict[str, int]()
    stream, more = io.BytesIO(), rng.integers(4) == 0
    with h5py.File(stream, "w") as file:
        for entry in layers:
            name, word = entry["config"]["name"], _word(entry["class_name"])
            if name not in weights:
                continue
            number = seen.setdefault(word, 0)
            seen[word] += step
            place = pattern.format(f"{word}_{number}" if number else word)
            for k, array in enumerate(weights[name].values()):
                # A backslash is a part of the name of the group.
                slash = "\\" if place.endswith("\\vars") else "/"
                _dataset(file, f"{place}{slash}{k}", array, rng)
            if named and not place.endswith("\\vars"):
                file[place].attrs["name"] = name
        if more:
            file["layers/scaler/vars/0"] = np.ones(6, "f4")
    with zipfile.ZipFile(path, "w") as archive:
        model = {"class_name": "Sequential", "config": {"name": "m", "layers": layers}}
        archive.writestr("config.json", json.dumps(model))
        archive.writestr("metadata.json", json.dumps({"keras_version": "2.13.1"}))
        archive.writestr("model.weights.h5", stream.getvalue())
    return Meaning(lambda: ds.load(path)(ROWS), np.array(np.nan) if more else truth)


def _word(kind: str) -> str:
    return {"BatchNormalization": "batch_normalization"}.get(kind, kind.lower())


def h5(path: Path, rng: Rng) -> Meaning:
    layers, weights, truth = _keras_model(rng)
    suffix, more = str(rng.choice(["", ":0"])), rng.integers(4) == 0
    with h5py.File(path, "w") as file:
        model = {"class_name": "Sequential", "config": {"name": "m", "layers": layers}}
        file.attrs["model_config"] = json.dumps(model)
        file.attrs["keras_version"] = "2.15.0"
        for name, arrays in shuffled(weights, rng).items():
            for key, array in shuffled(arrays, rng).items():
                inner = f"{name}/" if rng.integers(2) else ""
                _dataset(file, f"model_weights/{name}/{inner}{key}{suffix}", array, rng)
        if more:
            file["model_weights/scaler/mean:0"] = np.ones(6, "f4")
    return Meaning(lambda: ds.load(path)(ROWS), np.array(np.nan) if more else truth)


SIGNALS = np.random.default_rng(5).standard_normal((40, 6)) * np.geomspace(4, 1, 6)


def _again(path: Path, rng: Rng, kept: tuple[str, ...] = ()) -> None:
    """Write an archive again: its numbers in other dtypes and orders, its keys in another order."""
    with np.load(path) as archive:
        arrays = dict(archive)
    for key, array in arrays.items():
        if array.dtype.kind in "f" and key not in kept and rng.integers(2):
            arrays[key] = stored(array, rng, FLOATS) if array.ndim else array.astype(">f8")
    np.savez(path, **shuffled(arrays, rng))


def gram(path: Path, rng: Rng) -> Meaning:
    true = ds.gram(SIGNALS)
    true.save(path)
    _again(path, rng)
    return Meaning(lambda: ds.Gram.load(path).matrix, true.matrix, 2e-3)


def result(path: Path, rng: Rng) -> Meaning:
    true = ds.descramble(SIGNALS)
    true.save(path)
    _again(path, rng)
    return Meaning(lambda: ds.load_result(path).rotation.matrix, true.rotation.matrix, 2e-3)


def checkpoint(path: Path, rng: Rng) -> Meaning:
    """A checkpoint of the first rows, in another dtype or order, of these rows or of others."""
    true = ds.gram(SIGNALS)
    done = int(rng.integers(1, 40))
    ds.gram(SIGNALS[:done], checkpoint=path)
    _again(path, rng)
    signals = SIGNALS if rng.integers(2) else np.vstack([SIGNALS[:1], SIGNALS[1:] + 1])
    true = ds.gram(signals)
    return Meaning(lambda: ds.gram(signals, checkpoint=path).matrix, true.matrix, 1e-9)


def report(path: Path, rng: Rng) -> Meaning:
    numbers = {"layer": whole_numbers(rng, 4, 5), "axis": whole_numbers(rng, 5)}
    text = dict.fromkeys(("findings", "layers", "networks", "methods"), [])
    from descrambler.report._html import _record

    text = {key: [] for key in {*text, *_record.TEXTS}}
    Record(text, {}, numbers).save(path)
    _again(path, rng)
    return Meaning(lambda: np.asarray(Record.load(path).numbers["layer"], float), numbers["layer"])


def csv(path: Path, rng: Rng) -> Meaning:
    """A table as programs write it: titles, marks, quotes, an index, other separators."""
    table = rng.integers(-99, 100, (7, 6)) / 4
    rows = [[f"{x:g}" for x in row] for row in table]
    separator, start = ",", ""
    match rng.integers(10):
        case 0:
            rows.insert(0, [str(k) for k in range(6)])  # an index of columns: refused
        case 1:
            rows.insert(0, ["a", "b", "c", "d", "e", "f"])
        case 2:
            start = "\ufeff"
        case 3:
            rows = [[f'"{x}"' for x in row] for row in rows]
        case 4:
            rows = [[str(k), *row] for k, row in enumerate(rows)]
            rows.insert(0, ["", "a", "b", "c", "d", "e", "f"])
        case 5:
            separator = ";"
        case 6:
            rows = [[x.replace(".", ",") for x in row] for row in rows]
            separator = str(rng.choice([";", "\t", ","]))
        case 7:
            rows[0][0] = ""
        case 8:
            rows.insert(3, ["# a comment"])
        case 9:
            rows[2][1] = f"{float(rows[2][1]):.3E}".replace("E", "D")
    end = str(rng.choice(["\n", "\r\n"]))
    path.write_text(start + end.join(separator.join(row) for row in rows) + end, encoding="utf-8")
    return Meaning(lambda: read_matrix(path), table)


def trace(path: Path, rng: Rng) -> Meaning:
    """A trace as programs write it: units, decimal commas, titles, more columns, an index."""
    microseconds = np.arange(120) * 0.016
    signal = np.exp(-((microseconds - 0.1) ** 2)) + 0.01 * rng.standard_normal(120)
    factor, title = (
        (1e3, "time/ns"), (1.0, "time/us"), (1e-6, "time/s"), (1e-3, "time/ms"), (1e3, "t"), (1.0, "t"),
    )[rng.integers(6)]  # fmt: skip
    columns = [microseconds * factor, signal]
    names = [title, "V"]
    match rng.integers(6):
        case 0:
            columns.append(0.8 - 0.1 * microseconds)  # a background, which is no imaginary part
            names.append("B")
        case 1:
            columns.insert(0, np.arange(120.0))
            names.insert(0, "")
        case 2:
            columns += [signal * 0.99, signal * 0.01]
            names += ["fit", "error"]
    rows = [[f"{x:.6g}" for x in row] for row in np.transpose(columns)]
    separator = str(rng.choice([" ", "\t", ";", ","]))
    match rng.integers(7):
        case 0:
            rows = [[x.replace(".", ",") for x in row] for row in rows]
        case 1:
            rows[0][0] = "\ufeff" + rows[0][0]
        case 2:
            rows.insert(0, names)
        case 3:
            rows.insert(0, ["# measured at 50 K"])
        case 4:
            rows[40][1] = "?"
        case 5:
            rows = [[x.replace("e-", "D-") for x in row] for row in rows]
    path.write_text("\n".join(separator.join(row) for row in rows) + "\n", encoding="utf-8")

    def call() -> Array:
        found = ds.deer.load_trace(path)
        return np.array([found.time, found.signal])

    return Meaning(call, np.array([microseconds, signal]), 1e-3)


BY_FORMAT: dict[str, Callable[[Path, Rng], Meaning]] = {
    "npz": npz,
    "mat": mat,
    "mat73": mat73,
    "onnx": onnx_,
    "safetensors": safetensors,
    "pt": pt,
    "keras": keras,
    "h5": h5,
    "gram": gram,
    "result": result,
    "checkpoint": checkpoint,
    "report": report,
    "csv": csv,
    "trace": trace,
}
