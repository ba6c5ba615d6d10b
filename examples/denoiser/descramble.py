"""Descramble the denoiser by its diagonals (Eq. 14): tables, and figures into a folder."""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import corpus
import denoiser
import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from scipy.stats import ortho_group
from wav import read_wav

import descrambler as ds
from descrambler.report._axes import Axis, show_weights, unit_axis

Null = Callable[[np.random.Generator, np.ndarray], np.ndarray]

DRAWS = 10
NEAR = 4  # bins on either side of the diagonal: 125 Hz
N = 129
FREQUENCY = Axis("frequency", "kHz", 0, 4, "", "")
LINK = Axis("unit after P", "", 1, N, "", "")


class Shares(NamedTuple):
    """Of the energy of a matrix on its diagonal; of the rest, next to the diagonal."""

    diagonal: float
    near: float


def shares(w: np.ndarray) -> Shares:
    """Return how much of the energy is on the diagonal, and how much of the rest is next to it."""
    energy = np.square(w, dtype=np.float64)
    distance = np.abs(np.subtract.outer(np.arange(len(w)), np.arange(len(w))))
    on, near = energy[distance == 0].sum(), energy[(distance > 0) & (distance <= NEAR)].sum()
    rest = energy[distance > 0].sum()
    return Shares(on / energy.sum(), near / rest if rest else 0.0)


def diagonal_form(w: np.ndarray, criterion: str, side: str) -> np.ndarray:
    """P W or W P^T, at the certified optimum, which takes float64."""
    w = w.astype(np.float64)
    result = ds.diagonalize(w, criterion, side=side)
    if result.optimality != "certified":
        raise RuntimeError(f"{criterion}, {side}: {result.message}")
    return result.rotation.left(w) if side == "left" else result.rotation.right(w)


def gaussian(rng: np.random.Generator, _: np.ndarray) -> np.ndarray:
    """Null: independent normal entries."""
    return rng.standard_normal((N, N))


def haar(rng: np.random.Generator, w: np.ndarray) -> np.ndarray:
    """Null: random singular vectors, the singular values of the trained matrix."""
    u, v = ortho_group.rvs(N, size=2, random_state=rng)
    return (u * np.linalg.svd(w, compute_uv=False)) @ v


def colored(signals: np.ndarray, side: str) -> Null:
    """Null: rows (side left) or columns drawn with the covariance of `signals`, samples in rows."""
    root = (signals - signals.mean(axis=0)) / np.sqrt(len(signals))

    def draw(rng: np.random.Generator, _: np.ndarray) -> np.ndarray:
        lines = rng.standard_normal((N, len(root))) @ root
        return lines if side == "left" else lines.T

    return draw


def spread(null: Null, w: np.ndarray, criterion: str, side: str) -> tuple[Shares, Shares]:
    """Return mean and standard deviation over draws of a null."""
    rng = np.random.default_rng(0)
    drawn = [shares(diagonal_form(null(rng, w), criterion, side)) for _ in range(DRAWS)]
    return Shares(*np.mean(drawn, axis=0)), Shares(*np.std(drawn, axis=0, ddof=1))


def clip_signals() -> tuple[np.ndarray, np.ndarray]:
    """Return the inputs, and the gains that would be best, for the clip in nine noises."""
    clean = read_wav(Path(__file__).with_name("speech.wav"))
    rng = np.random.default_rng(0)
    inputs, gains = [], []
    for snr in (0, 5, 10):
        for noise in (
            corpus.colored(rng, clean.size, 0),
            corpus.colored(rng, clean.size, 1),
            corpus.hum(rng, clean.size),
        ):
            noisy = denoiser.analyze(corpus.mix(clean, noise, snr))
            inputs.append(denoiser.features(noisy))
            gains.append(np.clip((denoiser.analyze(clean) / noisy).real, 0, 1))
    return np.concatenate(inputs), np.concatenate(gains)


def table(network: ds.Network, inputs: np.ndarray, gains: np.ndarray) -> None:
    """Print the shares of every matrix, criterion and side, beside the nulls."""
    # Only there do both indices count frequencies, of the inputs or of the outputs.
    physical = {(1, "left"): inputs, (network.n_linear, "right"): gains}
    print("Diagonal share of the energy, and (share of the rest within 125 Hz of the diagonal)")
    print("| matrix | criterion | side | raw | trained | untrained | Haar | Gaussian | colored |")
    print("|---|---|---|---|---|---|---|---|---|")
    for k in range(1, network.n_linear + 1):
        trained, untrained = network.linear(k).weight, network.initial.linear(k).weight
        for criterion in ("sum", "norm_square"):
            for side in ("left", "right"):
                signals = physical.get((k, side))
                near = signals is not None
                cells = [
                    cell(shares(trained), None, near),
                    cell(shares(diagonal_form(trained, criterion, side)), None, near),
                    cell(shares(diagonal_form(untrained, criterion, side)), None, near),
                    cell(*spread(haar, trained, criterion, side), near),
                    cell(*spread(gaussian, trained, criterion, side), near),
                    cell(*spread(colored(signals, side), trained, criterion, side), near)
                    if signals is not None
                    else "",
                ]
                print(f"| W{k} | {criterion} | {side} | {' | '.join(cells)} |")


def cell(value: Shares, deviation: Shares | None, near: bool) -> str:
    """Write the diagonal share, and the near one where neighbors mean something."""
    written = [
        f"{value[i]:.3f}" + (f" ± {deviation[i]:.3f}" if deviation else "") for i in range(2)
    ]
    return f"{written[0]} ({written[1]})" if near else written[0]


def mean_jacobian(network: ds.Network, x: np.ndarray) -> np.ndarray:
    """Mean derivative of the gains (rows) by the inputs (columns), over the frames `x`."""
    slopes = [1 - network.signals(x, k, "after") ** 2 for k in range(1, network.n_linear)]
    gains = network(x)
    total = np.zeros((N, N))
    for frame in range(len(x)):
        chain = network.linear(1).weight
        for k, slope in enumerate(slopes, 2):
            chain = network.linear(k).weight @ (slope[frame][:, None] * chain)
        total += (gains[frame] * (1 - gains[frame]))[:, None] * chain
    return total / len(x)


def figure(network: ds.Network, k: int, side: str) -> Figure:
    """Draw a matrix raw and descrambled, trained above untrained, each in units of its r.m.s."""
    canvas = Figure(figsize=(10.5, 7), layout="constrained")
    axes = canvas.subplots(2, 3)
    for cells, (name, net) in zip(
        axes, {"trained": network, "untrained": network.initial}.items(), strict=True
    ):
        w = net.linear(k).weight
        w = w / np.sqrt(np.mean(np.square(w)))
        forms = [w, diagonal_form(w, "sum", side), diagonal_form(w, "norm_square", side)]
        product = f"P W_{k}" if side == "left" else f"W_{k} P^T"
        titles = [f"$W_{k}$, raw", f"${product}$, sum", f"${product}$, norm square"]
        for ax, form, title, rows in zip(
            cells, forms, titles, (unit_axis(N), LINK, LINK), strict=True
        ):
            if side == "left":
                image = show_weights(ax, form, 3, FREQUENCY, rows)
            else:
                image = show_weights(ax, form, 3, rows, FREQUENCY)
            ax.set_title(
                f"{name}: {title}\ndiagonal share {shares(form).diagonal:.3f}", fontsize=10
            )
    canvas.colorbar(image, ax=axes, label="weight / r.m.s. weight", extend="both", aspect=40)
    return canvas


def save(canvas: Figure, path: Path) -> None:
    """Write a PNG of 256 colors, half the size of one of all colors."""
    stream = io.BytesIO()
    canvas.savefig(stream, dpi=100)
    Image.open(stream).convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE).save(
        path, optimize=True
    )


def main() -> None:
    """Print the tables and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", nargs="?", help="file of the network; else the shipped one")
    parser.add_argument("-o", "--output", type=Path, default=Path(), help="folder of the figures")
    options = parser.parse_args()
    network = ds.load(options.network) if options.network else denoiser.pretrained()
    inputs, gains = clip_signals()
    table(network, inputs, gains)
    print("Mean derivative of the gains by the inputs, which no rotation changes:")
    for name, net in (("trained", network), ("untrained", network.initial)):
        found = shares(mean_jacobian(net, inputs))
        print(f"{name}: {found.diagonal:.3f} ({found.near:.3f})")
    save(figure(network, 1, "left"), options.output / "denoiser_first.png")
    save(figure(network, network.n_linear, "right"), options.output / "denoiser_last.png")


if __name__ == "__main__":
    main()
