"""Hold the rational replica of DEERNet beside the network: a table, and a figure (docs/replica.png).

python examples/replica.py -o docs
python examples/replica.py --traces a.DTA b.DTA     # measured traces too
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from descrambler import deer
from descrambler.deer.figures import Predictor, replica_figure

N_TRACES = 5000
FRESH, OTHERS = 20_210_118, 7  # seeds of the traces judged on, and of those that tune the penalty
PENALTIES = 10.0 ** np.arange(-5, 0.5, 0.5)


def tuned(**filters: None) -> deer.Replica:
    """Return the replica with the penalty that is best on 2000 other traces, told their truth."""
    data = deer.simulate(2000, random_state=OTHERS)
    built = [deer.replica(float(penalty), **filters) for penalty in PENALTIES]
    return max(built, key=lambda one: deer.overlap(one(data.traces), data.distributions).mean())


def rivals() -> dict[str, Predictor]:
    """Return everything that is compared, by name."""
    ridge, _ = deer.ridge_regression(deer.simulate(30_000))
    no_filters = {"high_pass": None, "low_pass": None}
    return {
        "network": deer.pretrained(),
        "linear ridge regression": ridge,
        "replica, L-curve": deer.replica("l-curve"),
        "replica, cross-validation": deer.replica("gcv"),
        "replica, tuned": tuned(),
        "high-pass alone, tuned": tuned(low_pass=None),
        "no filters, L-curve": deer.replica("l-curve", **no_filters),
        "no filters, tuned": tuned(**no_filters),
    }


def judge(methods: dict[str, Predictor], data: deer.DeerData) -> dict[str, np.ndarray]:
    """Return overlaps with the truth, and print their means and the penalties."""
    overlaps = {n: deer.overlap(f(data.traces), data.distributions) for n, f in methods.items()}
    form_factors = data.distributions @ deer.kernel(data.time, data.distance).T
    oracle = methods["no filters, L-curve"](form_factors)
    overlaps["oracle: no filters, noise-free form factors"] = deer.overlap(
        oracle, data.distributions
    )
    print("| method | penalty | mean overlap with the truth | quartiles |\n|---|---|---|---|")
    for name, values in overlaps.items():
        penalty = getattr(methods.get(name), "penalty", None)
        written = "" if penalty is None else f"{penalty:.1e}"
        low, high = np.quantile(values, [0.25, 0.75])
        print(f"| {name} | {written} | {values.mean():.3f} | {low:.3f} to {high:.3f} |")
    return overlaps


def measured(paths: list[Path]) -> None:
    """Print the peaks that network and replica see in measured traces."""
    methods = {"network": deer.pretrained(), "replica, L-curve": deer.replica(), "tuned": tuned()}
    print(f"\n| trace | {' | '.join(methods)} |\n|---|{'---|' * len(methods)}")
    for path in paths:
        trace = deer.prepare(deer.load_trace(path))
        cells = []
        for method in methods.values():
            peaks = deer.predict_distances([method], trace).peaks
            main = [peak for peak in peaks if peak.share > 0.1]
            cells.append(", ".join(f"{p.position:.1f} ({p.share:.2f})" for p in main))
        print(f"| {path.name} | {' | '.join(cells)} |")


def main() -> None:
    """Print the tables and write the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)  # fmt: skip
    parser.add_argument("-o", "--output", type=Path, default=Path(), help="folder of the figure")
    parser.add_argument("--traces", type=Path, nargs="*", default=[], help="measured traces")
    parser.add_argument("-n", type=int, default=N_TRACES, help="simulated traces")
    options = parser.parse_args()
    data = deer.simulate(options.n, random_state=FRESH)
    methods = rivals()
    judge(methods, data)
    if options.traces:
        measured(options.traces)
    others = {name: methods[name] for name in ("linear ridge regression", "replica, tuned")}
    figure = replica_figure(
        data,
        methods["network"],
        methods["replica, L-curve"],
        methods["no filters, L-curve"],
        others,
    )
    figure.savefig(options.output / "replica.png", dpi=110)


if __name__ == "__main__":
    main()
