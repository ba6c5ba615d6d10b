"""Four times the file: at most 4.5 times the work, counted in calls and in bytes read."""

import sys
from pathlib import Path

import numpy as np
import pytest

from descrambler.network._network import Activation, Linear, Network
from descrambler.readers import _mat, _mat_child, load

ONE = np.ones((1, 1))


def calls(function):
    """Return how many functions a call calls, those of C included."""
    count = 0

    def tally(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(tally)
    try:
        function()
    finally:
        sys.setprofile(None)
    return count


def cells(n, value):
    column = np.empty((n, 1), object)
    column[:, 0] = [value(k) for k in range(n)]
    return column


def shallow(n):
    """A chain of n layers as SciPy hands out ``struct(net)``."""
    weights = np.empty((n, n), object)
    weights[:] = [[ONE if i == j + 1 else np.zeros((0, 0)) for j in range(n)] for i in range(n)]
    names = cells(n, lambda k: np.array([("tansig",)], [("transferFcn", object)]))
    for k in range(n):
        names[k, 0]["transferFcn"][0] = np.array(["tansig"])
    fields = {"IW": cells(n, lambda k: ONE if k == 0 else np.zeros((0, 0))), "LW": weights}
    fields |= {"b": cells(n, lambda k: ONE), "layers": names}
    record = np.empty((1, 1), [(name, object) for name in fields])
    for name, value in fields.items():
        record[name][0, 0] = value
    return {"net": record}


def plain(n):
    return {f"W{k}": ONE for k in range(1, n + 1)}


def series(n):
    class MatlabOpaque:
        def __init__(self, classname, properties):
            self.classname, self.properties = classname, properties

    sizes = {"InputSize": ONE, "OutputSize": ONE, "Weights.Value": ONE, "Bias.Value": ONE}
    layers = cells(n, lambda k: MatlabOpaque("nnet.cnn.layer.Layer", sizes))
    return {"net": MatlabOpaque("SeriesNetwork", {"Layers": layers})}


# A struct has n x n cells for n layers, so that its size grows with their square.
@pytest.mark.parametrize(
    ("variables", "sizes", "named"),
    [(plain, (100, 400), True), (series, (100, 400), False), (shallow, (20, 40), False)],
)
def test_matlab(variables, sizes, named, monkeypatch):
    counts = []
    for n in sizes:
        content = variables(n)

        def read(content=content, n=n):
            found = {}
            for name, value in content.items():
                _mat_child.flatten(name, value, found)
            monkeypatch.setattr(_mat, "read_matlab", lambda path: found)
            network = _mat.read(Path("net.mat"), ["tanh"] * n if named else None)
            assert network.n_linear == n

        counts.append(calls(read))
    assert counts[1] < 4.5 * counts[0]


@pytest.mark.parametrize("kind", ["plain", "own"])
def test_npz(tmp_path, kind, monkeypatch):
    counts, read = [], []
    for n in (100, 400):
        path = tmp_path / f"{n}.npz"
        if kind == "plain":
            np.savez(path, **plain(n))
        else:
            Network([Linear(ONE), Activation("tanh")] * n).save(path)
        counts.append(
            calls(lambda path=path, n=n: load(path, ["tanh"] * n if kind == "plain" else None))
        )
        before = bytes_read()
        load(path, ["tanh"] * n if kind == "plain" else None)
        read.append((bytes_read() - before) / path.stat().st_size)
    assert counts[1] < 4.5 * counts[0]
    assert read[1] < 1.125 * read[0]


def bytes_read():
    """Bytes that this process has read, by any call."""
    return int(Path("/proc/self/io").read_text().split()[1])
