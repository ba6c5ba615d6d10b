"""A network of your own, from training to the report.

python examples/own_network.py -o own
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from sklearn.neural_network import MLPRegressor

import descrambler as ds


def main() -> None:
    """Train on noisy decays of known frequency, interpret, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)  # fmt: skip
    parser.add_argument("-o", "--output", type=Path, default=Path("own"))
    parser.add_argument("--nulls", type=int, default=50)
    options = parser.parse_args()

    # Signals: one oscillation each, 2 to 20 kHz, on a drift that does not matter; targets: its line.
    rng = np.random.default_rng(0)
    time, lines = np.linspace(0, 1, 64), np.linspace(2, 20, 32)
    frequency, drift = rng.uniform(2, 20, (2000, 1)), rng.standard_normal((2000, 1))
    signals = np.cos(2 * np.pi * frequency * time) * np.exp(-2 * time) + drift * (1 - time)
    signals += 0.1 * rng.standard_normal(signals.shape)
    targets = np.exp(-(((lines - frequency) / 1.5) ** 2))

    estimator = MLPRegressor(
        hidden_layer_sizes=(32,), activation="tanh", max_iter=60, random_state=0
    )
    estimator.fit(signals, targets)

    result = ds.interpret(
        ds.load(estimator),
        signals,
        nulls=options.nulls,
        null_inputs=1000,
        input_axis=ds.Axis("time", "ms", time[0], time[-1], "frequency", "kHz"),
        output_axis=ds.Axis("line", "kHz", lines[0], lines[-1]),
    )
    print(result)
    for finding in result.findings:
        if finding.verdict in ("learnt", "present"):
            print(finding.sentence)
    options.output.mkdir(parents=True, exist_ok=True)
    result.report(options.output / "report.html", overwrite=True)


if __name__ == "__main__":
    main()
