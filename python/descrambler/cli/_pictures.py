"""descrambler interpret --nulls 0: rotations, numbers and pictures, without verdicts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .._solvers.result import Descrambling
from .._util.tables import text_table
from .._util.validate import Array
from ..evidence._study import Study, descramble_network
from ..evidence.nulls import random_counterpart
from ..network._network import Network
from ..report import Pair, network_figures
from ._common import each, print_json, progress, save_figure


def draw_network(
    network: Network, untrained: Network | None, x: Array, output: Path, *, as_json: bool
) -> None:
    """Descramble a network and its untrained counterpart; write rotations and figures, print numbers."""
    if (x == x[:1]).all():
        raise ValueError("inputs must vary, but all rows are the same: give real data")
    pair = _study(network, untrained, x, output)
    if as_json:
        print_json("pictures", {"inputs": len(x), "output": str(output), "results": _summary(pair)})
        return
    print("\n".join(text_table(list(_table(pair)))))
    print(f"figures (.png, .svg) and rotations (.npz) are in {output}/; no verdicts without nulls")


def _study(network: Network, untrained: Network | None, x: Array, output: Path) -> Pair:
    name, note = "untrained", ""
    if untrained is None:
        untrained, name = random_counterpart(network), "random weights"
        note = (
            "No untrained weights are known: the lower row has normal random weights of the same r.m.s. "
            "in each layer, seed 0."
        )
    with progress(3 * network.n_linear - 1) as step:
        studies = (
            descramble_network(network, x, progress=each(step)),
            descramble_network(untrained, x, progress=each(step)),
        )
        for study, prefix in zip(studies, ("trained", name.replace(" ", "_")), strict=True):
            for title, result in _results(study):
                result.save(output / f"{prefix}_{title}.npz")
        pair = Pair(studies, ("trained", name), note)
        for title, figure in network_figures(pair):
            save_figure(figure, output / title)
            step(title)
    return pair


def _results(study: Study) -> Iterator[tuple[str, Descrambling]]:
    for link in study.links:
        yield f"link{link.layer}_before", link.before
        yield f"link{link.layer}_after", link.after
        yield f"link{link.layer}_joint", link.joint


def _summary(pair: Pair) -> list[dict[str, Any]]:
    """Return the figures of every descrambling, as JSON has them."""
    return [
        {
            "network": name,
            "signals": title.replace("_", " "),
            "before": float(r.initial_objective),
            "after": float(r.objective),
            "bound": float(r.bound),
            "gap": float(r.gap),
            "seconds": r.seconds,
            "units": r.rotation.n,
            "resolved": int(r.resolved.sum()),
            "signs": int(r.sign_resolved.sum()),
        }
        for study, name in zip(pair.studies, pair.names, strict=True)
        for title, r in _results(study)
    ]


def _table(pair: Pair) -> Iterator[tuple[str, ...]]:
    yield ("network", "signals", "before", "after", "bound", "gap", "seconds", "resolved", "signs")
    for r in _summary(pair):
        yield (
            r["network"],
            r["signals"],
            f"{r['before']:.4g}",
            f"{r['after']:.6g}",
            f"{r['bound']:.6g}",
            f"{r['gap']:.1e}",
            f"{r['seconds']:.4f}",
            f"{r['resolved']} of {r['units']}",
            f"{r['signs']} of {r['units']}",
        )
