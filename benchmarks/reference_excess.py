"""How far the reference's algorithm is from the optimum after 400 and 10 000 iterations.

The algorithm is `method="cayley-lbfgs"`, which starts at P = 1, as `descramble.m` and `left_diag.m` start at
Q = 0; its steps differ from those of fmincon. The networks are those that ship.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import descrambler as ds
from descrambler import deer
from descrambler.errors import ConvergenceWarning

ITERATIONS = (400, 10_000)
INPUTS = 10_000
DENOISER = Path(__file__).parents[1] / "examples" / "denoiser" / "denoiser.npz"


def lines() -> list[str]:
    """Return the rows of the table."""
    network = deer.pretrained()
    gram = network.gram(deer.simulate(INPUTS, 1).traces)
    found = [
        _line(
            "`descramble`",
            "DEERNet, layer 1",
            lambda **options: ds.descramble(gram, **options),
        )
    ]
    denoiser = ds.load(DENOISER)
    for k, linear in enumerate(denoiser.linears, 1):
        w = linear.weight.astype(float)
        for name, criterion in (("max_diag_sum", "sum"), ("max_diag_normsq", "norm_square")):
            found.append(
                _line(
                    f"`{name}`",
                    f"denoiser, layer {k}",
                    lambda w=w, criterion=criterion, **options: ds.diagonalize(
                        w, criterion, **options
                    ),
                )
            )
    return found


def _line(name: str, where: str, solve: Callable[..., ds.Descrambling]) -> str:
    best = solve().objective
    shown = []
    for count in ITERATIONS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            found = solve(method="cayley-lbfgs", max_iter=count, tol=1e-15)
        excess = abs(found.objective - best) / abs(best)
        shown.append(f"{100 * excess:.2g} %, {found.n_iter} iterations, {found.seconds:.2g} s")
    return f"| {name} | {where} | " + " | ".join(shown) + " |"


if __name__ == "__main__":
    print("| criterion | matrix | up to 400 | up to 10 000 |")
    print("|---|---|---|---|")
    for line in lines():
        print(line)
