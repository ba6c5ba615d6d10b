"""Networks that do not do the task: how many have a claim called learnt, without and with the targets given.

    python benchmarks/useless_tasks.py [--judged 30] [--write docs/nulls.md]

Networks 16-8-16 of one recipe (that of `ds.refit_controls`) on simulated DEER traces. They were trained on the true
targets, on shuffled or constant ones, on those of another task, or on inputs whose columns were in another order; some
were not trained. All are judged on the true inputs and targets, beside the same 19 controls of each kind; no network is its own control.
The nulls are drawn only for networks with a claim beyond both kinds of controls: they can only take verdicts away.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from calibration import share
from pages import write_section

import descrambler as ds
from descrambler.axis import index_axis
from descrambler.evidence._checks import distinct_rows
from descrambler.evidence._claims import claims, measure
from descrambler.evidence._comparing import Evidence
from descrambler.evidence._study import Study
from descrambler.evidence._task import doubt_about, permutation_p
from descrambler.evidence._verdicts import LEARNT, LEAST_CONTROLS, LEVEL
from descrambler.evidence.detectors import DETECTORS, Axes, kernel_order, reference_inverse

N, UNITS, INPUTS = 16, 8, 600
RECIPE = {"n_steps": 2000, "batch": 32}
TRUE, RANDOM = "the true targets", "nothing (random weights)"


def trained(x: np.ndarray, y: np.ndarray, judged: int) -> tuple[dict, dict]:
    """Return controls, and networks by what they were trained on."""
    shape = ds.Network(
        [
            ds.Linear(np.zeros((UNITS, N)), np.zeros(UNITS)),
            ds.Activation("tanh"),
            ds.Linear(np.zeros((N, UNITS)), np.zeros(N)),
        ]
    )
    n = LEAST_CONTROLS + judged
    made = ds.refit_controls(shape, x, y, n, n_true=judged, random_state=0, **RECIPE)
    unit = np.std(y) / np.std(x)
    others = {
        "constant targets (their mean)": np.tile(y.mean(axis=0), (len(y), 1)),
        "another task: the targets, last output first": y[:, ::-1],
        "another task: the inputs themselves": unit * x,
        "another task: the slope of the inputs": 3 * unit * np.diff(x, axis=1, append=x[:, -1:]),
    }
    controls = {kind: made[kind][:LEAST_CONTROLS] for kind in ("once", "anew")}
    return controls, {
        TRUE: made["true"],
        "targets shuffled once": made["once"][LEAST_CONTROLS:],
        "targets shuffled anew": made["anew"][LEAST_CONTROLS:],
        "inputs with their columns in another order": [
            reordered(*item) for item in enumerate(made["true"])
        ],
        RANDOM: [network.initial for network in made["true"]],
    } | {
        name: ds.refit_controls(shape, x, z, 1, n_true=judged, random_state=1, **RECIPE)["true"]
        for name, z in others.items()
    }


def reordered(seed: int, network: ds.Network) -> ds.Network:
    """Return what the same training makes of inputs whose columns are in another order: other columns of W_1."""
    first, *rest = network.layers
    order = np.random.default_rng(seed).permutation(N)
    return ds.Network([ds.Linear(first.weight[:, order], first.bias), *rest])


def table(judged: int) -> str:
    """Return the table as Markdown."""
    data = ds.deer.simulate(INPUTS, n_points=N, random_state=1)
    x, y = data.traces.astype(np.float64), data.targets.astype(np.float64)
    kernel = ds.deer.kernel(data.time, data.distance)
    controls, networks = trained(x, y, judged)
    axes = Axes(index_axis("input", N), index_axis("output", N))
    looked_for = reference_inverse(kernel), kernel_order(kernel), *DETECTORS
    family = claims(networks[TRUE][0], looked_for, axes, distinct_rows(x))
    values = {
        kind: np.array([measure(Study(network, x), family) for network in some])
        for kind, some in controls.items()
    }
    evidence = Evidence(family, {}, values, None, "")
    lines = [
        "| trained on | error, in % of the variance of the targets | below that on permuted targets | and below that of controls | a claim learnt, without `targets=` | with `targets=` |",
        "|---|---|---|---|---|---|",
    ]
    for name, some in networks.items():
        counts: dict[str, list[bool]] = {"permuted": [], "no doubt": [], "without": [], "with": []}
        errors = []
        for network in some:
            judgements = evidence.judge(measure(Study(network, x), family))
            found = any(j.verdict is not None and j.verdict.word == LEARNT for j in judgements)
            if found:
                options = {"controls": controls, "reference": kernel, "nulls": 20, "threads": 1}
                result = ds.interpret(network, x, **options)
                found = any(finding.verdict == LEARNT for finding in result.findings)
            doubt = doubt_about(network, x, y, controls, np.random.default_rng(0))
            p = permutation_p(network(x), y, np.random.default_rng(0))
            flags = p <= LEVEL, not doubt, found, found and not doubt
            for flag, column in zip(flags, counts.values(), strict=True):
                column.append(flag)
            errors.append(np.mean((network(x) - y) ** 2) / np.mean((y - y.mean(axis=0)) ** 2))
        span = f"{100 * min(errors):.3g} to {100 * max(errors):.3g}"
        lines.append(f"| {name} | {span} | {' | '.join(map(share, counts.values()))} |")
        print(lines[-1], flush=True)
    return "\n".join(lines)


def main() -> None:
    """Train, judge and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--judged", type=int, default=30, help="networks of each training")
    parser.add_argument("--write", type=Path, help="page whose table is replaced")
    options = parser.parse_args()
    found = table(options.judged)
    if options.write:
        write_section(options.write, "useless tasks", found)


if __name__ == "__main__":
    main()
