"""Read DEERNets: one table of values and verdicts over many networks.

python examples/deernet.py                  # the networks that ship
python examples/deernet.py fresh/*.npz      # networks of your own
python examples/deernet.py DATA/nets/*.mat  # networks that were released
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from released import traces

import descrambler as ds

SHORT = {
    "learnt": "learnt",
    "present": "present",
    "not found": "no",
    "not testable": "not testable",
}


def interpreted(network: ds.Network, nulls: int, inputs: int) -> ds.Interpretation:
    """Interpret one network on simulated traces that none was trained on."""
    data = ds.deer.simulate(inputs, random_state=20_210_118)
    backgrounds, form_factors = ds.deer.variations()
    return ds.interpret(
        network,
        data.traces,
        nulls=nulls,
        reference=ds.deer.kernel(data.time, data.distance),
        controls=ds.deer.controls() if network.n_linear == 2 else None,
        nuisance=backgrounds,
        wanted=form_factors,
        input_axis=ds.Axis("time", "µs", data.time[0], data.time[-1], "frequency", "MHz"),
        output_axis=ds.Axis("distance", "Å", data.distance[0], data.distance[-1]),
    )


def interpreted_released(path: Path, nulls: int, inputs: int) -> ds.Interpretation:
    """Interpret a released network: its 320 inputs are five signals in a row, so no axis."""
    distance = ds.deer.load_parameters(path).distance
    return ds.interpret(
        ds.load(path),
        ds.deer.network_inputs(traces(path, inputs), random_state=0),
        nulls=nulls,
        input_axis=ds.Axis("q, z, y, y q, y z", "", 1, 320, ordered=False),
        output_axis=ds.Axis("distance", "Å", distance[0], distance[-1]),
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)  # fmt: skip
    parser.add_argument("networks", type=Path, nargs="*", metavar="NET")
    parser.add_argument("--nulls", type=int, default=200)
    parser.add_argument("--inputs", type=int, default=2000)
    options = parser.parse_args()
    settings = options.nulls, options.inputs
    if options.networks:
        jobs = {path.stem: partial(interpreted_released, path, *settings) if path.suffix == ".mat" else partial(interpreted, ds.load(path), *settings) for path in options.networks}  # fmt: skip
    else:
        kinds = ds.deer.PRETRAINED
        jobs = {f"{k.n_layers} layers, wd {k.weight_decay:g}, seed {k.seed}": partial(interpreted, ds.deer.pretrained(*k), *settings) for k in kinds}  # fmt: skip
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for name, job in jobs.items():
        for f in job().findings:
            verdict = SHORT.get(f.verdict, f.verdict)
            value = verdict if f.verdict == "not testable" else f"{f.value:.3g}: {verdict}"
            cells.setdefault((f.what, f.where), {})[name] = value
    print(f"| finding | where | {' | '.join(jobs)} |\n|---|---|{'---|' * len(jobs)}")
    for (what, where), row in cells.items():
        print(f"| {what} | {where} | {' | '.join(row.get(name, '') for name in jobs)} |")


if __name__ == "__main__":
    main()
