"""What the report costs beyond the interpretation: six layers of 512 units, 2000 inputs, six null kinds.

python benchmarks/bench_report.py [-n 512] [--layers 6]

The network has random weights, which compress worst; the findings are left out, since they are the interpretation.
Descrambling the network is the interpretation's too; of the nulls, what the report shows is made again.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

import descrambler as ds
from descrambler.axis import index_axis
from descrambler.cli._common import save_figure
from descrambler.evidence._interpretation import Interpretation
from descrambler.evidence._study import descramble_network
from descrambler.evidence.detectors import Axes
from descrambler.evidence.nulls import KINDS, UNTRAINED, Setting
from descrambler.report._evidence import _pair
from descrambler.report._figures import first_layer, inner_layer, last_layer
from descrambler.report._html import Record, page
from descrambler.report._html import _record as record

INPUTS = 2000


def interpretation(n: int, layers: int) -> Interpretation:
    """Return one of a network of tanh layers, all nulls but the untrained still to draw."""
    generator = np.random.default_rng(0)
    chain = []
    for _ in range(layers):
        weight = generator.standard_normal((n, n)) / np.sqrt(n)
        chain += [ds.Linear(weight), ds.Activation("tanh")]
    network = ds.Network(chain)
    inputs = generator.standard_normal((INPUTS, n)) * 0.99 ** np.arange(n)
    return Interpretation(
        study=descramble_network(network, inputs),
        findings=(),
        axes=Axes(index_axis("input", n), index_axis("output", n)),
        n_nulls=0,
        controls={},
        kinds=tuple(kind for kind in KINDS if kind is not UNTRAINED),
        setting=Setting(network, inputs, None),
        seed=0,
    )


class Clock:
    """Prints wall-clock and processor seconds since the last step."""

    def __init__(self) -> None:
        self.start = self.last = time.perf_counter(), time.process_time()

    def step(self, name: str) -> None:
        self._show(name, self.last)
        self.last = time.perf_counter(), time.process_time()

    def end(self) -> None:
        self._show("the page in all", self.start)

    def _show(self, name: str, since: tuple[float, float]) -> None:
        wall, cpu = time.perf_counter() - since[0], time.process_time() - since[1]
        print(f"{name:<44} {wall:6.1f} s {cpu:6.1f} s of processor")


def main() -> None:
    """Time what `study.report` and `descrambler report` do."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)  # fmt: skip
    parser.add_argument("-n", type=int, default=512)
    parser.add_argument("--layers", type=int, default=6)
    options = parser.parse_args()
    result = interpretation(options.n, options.layers)
    with tempfile.TemporaryDirectory() as folder:
        clock = Clock()
        record(result).save(Path(folder) / "report.npz")
        clock.step("nulls drawn, pictures gathered and saved")
        content = page(Record.load(Path(folder) / "report.npz")).encode()
        clock.step("page from what was saved")
        clock.end()
        print(f"page {len(content) / 1e6:.2f} MB")
        clock = Clock()
        for layer in range(1, options.layers + 1):
            pair = _pair(result, layer)
            if layer == 1:
                figure = first_layer(pair, result.axes.inputs)
            elif layer < options.layers:
                figure = inner_layer(pair, layer)
            else:
                figure = last_layer(pair, result.axes.outputs)
            save_figure(figure, Path(folder) / f"layer{layer}")
        clock.step("figures of the layers, .png and .svg")


if __name__ == "__main__":
    main()
