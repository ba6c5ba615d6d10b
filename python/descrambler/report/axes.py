"""Panels that figures are made of: each draws into an axes that it is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .._validate import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

# Neutral grey in the middle, and lightness rises throughout: signs survive a grey copy.
SIGNED = "cividis"
MAGNITUDE = "magma"
UNRESOLVED = "0.6"


@dataclass(frozen=True)
class Axis:
    """What one dimension of a weight matrix means.

    Attributes
    ----------
    name, unit : str
    start, stop : float
        Value of the first and the last entry.
    frequency_name, frequency_unit : str
        Of its Fourier transform.
    """

    name: str
    unit: str
    start: float
    stop: float
    frequency_name: str
    frequency_unit: str

    @property
    def label(self) -> str:
        """Name with unit."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    @property
    def frequency_label(self) -> str:
        """Name of the frequency with unit."""
        return f"{self.frequency_name} ({self.frequency_unit})"

    def edges(self, n: int) -> tuple[float, float]:
        """Outer edges of n cells that are centred on the entries."""
        half = (self.stop - self.start) / (2 * max(n - 1, 1))
        return self.start - half, self.stop + half

    def frequency_edges(self, n: int) -> tuple[float, float]:
        """Outer edges of n shifted frequency cells, zero frequency at index n // 2."""
        step = (n - 1) / n / (self.stop - self.start) if n > 1 else 1.0
        return (-(n // 2) - 0.5) * step, (n - n // 2 - 0.5) * step


def index_axis(name: str, n: int) -> Axis:
    """Plain numbers 1..n, for a dimension without a physical axis."""
    frequency = f"{name.split(' ')[0]} frequency"
    return Axis(f"{name} index", "", 1, max(n, 2), frequency, "cycles / index")


def unit_axis(n: int) -> Axis:
    """Return the scrambled dimension of an inner layer."""
    return Axis("unit, in arbitrary order", "", 1, max(n, 2), "", "")


def link_axis(n: int) -> Axis:
    """Return the dimension that descrambling made: it is neither time nor frequency."""
    return Axis("link coordinate\n(modes by variance)", "", 1, max(n, 2), "", "")


def show_weights(
    ax: Axes, values: Array, limit: float, horizontal: Axis, vertical: Axis
) -> AxesImage:
    """Draw a signed matrix, one vertical entry in a row, on a scale centred on zero."""
    extent = (*horizontal.edges(values.shape[1]), *vertical.edges(values.shape[0]))
    image = ax.imshow(
        values,
        cmap=SIGNED,
        vmin=-limit,
        vmax=limit,
        extent=extent,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
    )
    ax.set(xlabel=horizontal.label, ylabel=vertical.label)
    return image


def show_spectrum(
    ax: Axes, spectrum: Array, limit: float, resolved: Array, edges: tuple[float, float]
) -> AxesImage:
    """Draw |F+ P W F-|, link frequency across; frequencies of unresolved modes are greyed."""
    n = len(spectrum)
    ends = (-(n // 2) - 0.5, n - n // 2 - 0.5)
    image = ax.imshow(
        spectrum.T,
        cmap=MAGNITUDE,
        vmin=0,
        vmax=limit,
        extent=(*ends, *edges),
        origin="lower",
        aspect="auto",
        interpolation="nearest",
    )
    frequency = (np.arange(n) + 1) // 2
    for k in np.unique(frequency[np.logical_not(resolved)]):
        for place in {-k, k}:
            ax.axvspan(place - 0.5, place + 0.5, color=UNRESOLVED, lw=0)
    ax.set(xlim=ends, xlabel="link frequency k\n(modes 2k-1, 2k by variance)")
    return image


def show_vectors(
    ax: Axes, positions: Array, vectors: Array, labels: list[str], fits: Array | None = None
) -> None:
    """Draw vectors, one in a row, above each other, with their fits dashed."""
    step = 2.2 * float(np.abs(vectors).max())
    for place, (vector, label) in enumerate(zip(vectors, labels, strict=True)):
        level = -step * place
        ax.axhline(level, color="0.8", lw=0.5)
        ax.plot(positions, vector + level, color="black", lw=1)
        if fits is not None:
            ax.plot(positions, fits[place] + level, color="tab:orange", lw=1, ls="--")
        ax.annotate(
            label,
            (1.02, level),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=7,
            annotation_clip=False,
        )
    ax.set(yticks=[], xlim=(positions[0], positions[-1]))
