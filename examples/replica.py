"""Hold the rational replica of DEERNet beside the network: a table, and a figure (docs/replica.png).

python examples/replica.py -o docs
python examples/replica.py --traces a.DTA b.DTA     # measured traces too
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from descrambler import deer
from descrambler.report.colours import signed

Predictor = Callable[[np.ndarray], np.ndarray]

N_TRACES = 5000
FRESH, OTHERS = 20_210_118, 7  # seeds of the traces judged on, and of those that tune the penalty
PENALTIES = 10.0 ** np.arange(-5, 0.5, 0.5)
STYLES = {"truth": ("black", "-", 1.6), "network": ("#15529b", "-", 1.2), "replica": ("#db6d00", "--", 1.2)}  # fmt: skip


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


def figure(methods: dict[str, Predictor], overlaps: dict[str, np.ndarray], data: deer.DeerData) -> Figure:  # fmt: skip
    """Draw filters, transform, overlaps, and the traces at the quartiles of the replica's overlap."""
    canvas = Figure(figsize=(11, 6.4), layout="constrained")
    axes = canvas.subplots(2, 3)
    replica = methods["replica, L-curve"]
    show_filters(axes[0, 0], replica, float(data.time[1] - data.time[0]))
    show_transform(axes[0, 1], replica, data)
    for name, style in (("network", "-"), ("linear ridge regression", ":"), ("replica, tuned", "--"),
                        ("replica, L-curve", "-."), ("no filters, L-curve", (0, (1, 3)))):  # fmt: skip
        axes[0, 2].ecdf(overlaps[name], label=name, ls=style, color="black", lw=1.2)
    axes[0, 2].set(
        xlabel="overlap with the truth", ylabel="share of traces", xlim=(0, 1), ylim=(0, 1.5)
    )
    axes[0, 2].set_yticks(np.linspace(0, 1, 6))
    axes[0, 2].legend(frameon=False, fontsize=7.5, loc="upper left")
    order = np.argsort(overlaps["replica, L-curve"])
    for ax, part in zip(axes[1], (0.25, 0.5, 0.75), strict=True):
        show_example(ax, methods, overlaps, data, int(order[int(part * len(order))]))
    axes[1, 0].legend(frameon=False, fontsize=8)
    return canvas


def show_filters(ax: Axes, replica: deer.Replica, step: float) -> None:
    """Draw the amplitude responses against frequency."""
    nyquist = 0.5 / step
    frequency = np.geomspace(1e-4, 1, 2000)
    for name, taps, style in (
        ("high-pass, order 256", replica.high_pass, "-"),
        ("low-pass, order 32", replica.low_pass, "--"),
    ):
        response = np.abs(scipy.signal.freqz(taps, worN=np.pi * frequency)[1])
        ax.loglog(nyquist * frequency, response, style, color="black", label=name)
    ax.set(xlabel="frequency (MHz)", ylabel="gain", ylim=(1e-4, 2), title="filters")
    ax.legend(frameon=False, fontsize=8, loc="lower center")


def show_transform(ax: Axes, replica: deer.Replica, data: deer.DeerData) -> None:
    """Draw T."""
    limit = np.quantile(np.abs(replica.transform), 0.995)
    extent = (data.time[0], data.time[-1], data.distance[0], data.distance[-1])
    image = ax.imshow(
        replica.transform, cmap=signed(), vmin=-limit, vmax=limit, extent=extent,
        origin="lower", aspect="auto", interpolation="nearest",
    )  # fmt: skip
    ax.set(xlabel="time (µs)", ylabel="distance (Å)", title="transform T (L-curve)")
    ax.figure.colorbar(image, ax=ax, extend="both")


def show_example(
    ax: Axes,
    methods: dict[str, Predictor],
    overlaps: dict[str, np.ndarray],
    data: deer.DeerData,
    k: int,
) -> None:
    """Draw truth and predictions for trace number k, each of unit area."""
    step = data.distance[1] - data.distance[0]
    named = {
        "truth": data.distributions[k],
        "network": methods["network"](data.traces[k : k + 1])[0],
        "replica": methods["replica, L-curve"](data.traces[k : k + 1])[0],
    }
    for name, values in named.items():
        positive = np.maximum(values, 0)
        colour, style, width = STYLES[name]
        density = positive / (positive.sum() * step)
        ax.plot(data.distance, density, style, color=colour, lw=width, label=name)
    replica, network = (overlaps[name][k] for name in ("replica, L-curve", "network"))
    ax.set(
        xlabel="distance (Å)", ylabel="density (1/Å)", xlim=(data.distance[0], data.distance[-1])
    )
    ax.set_title(f"overlap: network {network:.2f}, replica {replica:.2f}", fontsize=10)


def main() -> None:
    """Print the tables and write the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)  # fmt: skip
    parser.add_argument("-o", "--output", type=Path, default=Path(), help="folder of the figure")
    parser.add_argument("--traces", type=Path, nargs="*", default=[], help="measured traces")
    parser.add_argument("-n", type=int, default=N_TRACES, help="simulated traces")
    options = parser.parse_args()
    data = deer.simulate(options.n, random_state=FRESH)
    methods = rivals()
    overlaps = judge(methods, data)
    if options.traces:
        measured(options.traces)
    figure(methods, overlaps, data).savefig(options.output / "replica.png", dpi=110)


if __name__ == "__main__":
    main()
