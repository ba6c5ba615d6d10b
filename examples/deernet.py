"""Read DEERNets: one table of values and verdicts over many networks.

python examples/deernet.py                  # the networks that ship
python examples/deernet.py fresh/*.npz      # networks of your own
"""

from __future__ import annotations

import argparse
from pathlib import Path

import descrambler as ds

SHORT = {"supported": "yes", "not found": "no", "not testable": "not testable"}


def interpreted(network: ds.Network, nulls: int, inputs: int) -> ds.Interpretation:
    """Interpret one network on simulated traces that none was trained on."""
    data = ds.deer.simulate(inputs, random_state=20_210_118)
    backgrounds, form_factors = ds.deer.variations()
    return ds.interpret(
        network,
        data.traces,
        nulls=nulls,
        nuisance=backgrounds,
        wanted=form_factors,
        input_axis=ds.Axis("time", "µs", data.time[0], data.time[-1], "frequency", "MHz"),
        output_axis=ds.Axis("distance", "Å", data.distance[0], data.distance[-1]),
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)  # fmt: skip
    parser.add_argument("networks", type=Path, nargs="*", metavar="NET")
    parser.add_argument("--nulls", type=int, default=200)
    parser.add_argument("--inputs", type=int, default=2000)
    options = parser.parse_args()
    if options.networks:
        named = {path.stem: ds.load(path) for path in options.networks}
    else:
        kinds = ds.deer.PRETRAINED
        named = {f"{k.n_layers} layers, wd {k.weight_decay:g}, seed {k.seed}": ds.deer.pretrained(*k) for k in kinds}  # fmt: skip
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for name, network in named.items():
        for f in interpreted(network, options.nulls, options.inputs).findings:
            verdict = SHORT.get(f.verdict, f.verdict)
            cells.setdefault((f.what, f.where), {})[name] = f"{f.value:.3g}: {verdict}"
    print(f"| finding | where | {' | '.join(named)} |\n|---|---|{'---|' * len(named)}")
    for (what, where), row in cells.items():
        print(f"| {what} | {where} | {' | '.join(row.get(name, '') for name in named)} |")


if __name__ == "__main__":
    main()
