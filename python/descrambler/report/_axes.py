"""Panels of figures, each drawn into given axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from .._util.validate import Array
from ..axis import Axis
from ._colors import MAGNITUDE, UNRESOLVED, signed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

Curve: TypeAlias = Callable[[Array], Array]


def unit_axis(n: int) -> Axis:
    """Return the scrambled dimension of an inner layer."""
    return Axis("unit, in arbitrary order", "", 1, max(n, 2), "", "")


def link_axis(n: int, side: str = "") -> Axis:
    """Return the dimension that descrambling made: it is neither time nor frequency."""
    return Axis(f"{side}link coordinate\n(modes by second moment)", "", 1, max(n, 2), "", "")


def link_frequency_label(side: str = "") -> str:
    """Label of the link axis after a Fourier transform, for "input " or "output " where both are."""
    return f"{side}link frequency k\n(modes 2k-1, 2k)"


def link_frequency_edges(n: int) -> tuple[float, float]:
    """Outer edges of the n link frequencies, zero at index n // 2."""
    return -(n // 2) - 0.5, n - n // 2 - 0.5


def unresolved_frequencies(resolved: Array) -> Array:
    """Link frequencies k >= 0 of which the data do not resolve both modes, 2k-1 and 2k."""
    frequency = (np.arange(len(resolved)) + 1) // 2
    return np.unique(frequency[np.logical_not(resolved)])


def resolved_end(resolved: Array) -> int:
    """Last link frequency of the dense part of the resolved ones, 0 where there is none."""
    frequency = np.arange(len(resolved) // 2 + 1)
    known = np.isin(frequency, unresolved_frequencies(resolved), invert=True)
    # A lone resolved mode far out, such as one of least variance, is no reason to zoom out.
    dense = np.cumsum(known) >= (frequency + 1) / 2
    return int(frequency[known & dense].max(initial=0))


def show_weights(
    ax: Axes, values: Array, limit: float, horizontal: Axis, vertical: Axis
) -> AxesImage:
    """Draw a signed matrix, one vertical entry in a row, on a scale centered on zero."""
    extent = (*horizontal.edges(values.shape[1]), *vertical.edges(values.shape[0]))
    image = ax.imshow(
        values,
        cmap=signed(),
        vmin=-limit,
        vmax=limit,
        extent=extent,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
    )
    ax.set(xlabel=horizontal.label, ylabel=vertical.label)
    return image


def show_bias(ax: Axes, image: AxesImage, bias: Array, side: str) -> None:
    """Draw a bias beside a matrix: the extra input line of a layer, often larger than all weights.

    Its color scale ends at its own largest entry, or at that of the weights where this is larger.

    Parameters
    ----------
    ax : Axes
    image : AxesImage
        The weights.
    bias : ndarray, shape (n,)
    side : {"top", "right"}
        "top" if the outputs of the layer run across, "right" if they run up.
    """
    x0, x1, y0, y1 = image.get_extent()
    low, high = (y0, y1) if side == "top" else (x0, x1)
    start, stop = (high + part * (high - low) for part in (0.02, 0.07))
    top = max(float(np.abs(bias).max(initial=0)), image.get_clim()[1])
    strip = bias[None] if side == "top" else bias[:, None]
    ax.imshow(
        strip,
        cmap=image.cmap,
        vmin=-top,
        vmax=top,
        extent=(x0, x1, start, stop) if side == "top" else (start, stop, y0, y1),
        origin="lower",
        aspect="auto",
        interpolation="nearest",
    )
    ax.set(xlim=(x0, x1 if side == "top" else stop), ylim=(y0, stop if side == "top" else y1))


def show_spectrum(
    ax: Axes,
    spectrum: Array,
    limit: float,
    resolved: Array,
    edges: tuple[float, float],
    resolved_inputs: Array | None = None,
) -> AxesImage:
    """Draw |F+ P W F-|, link frequency across.

    Parameters
    ----------
    ax : Axes
    spectrum : ndarray, shape (n, n_in)
        Link frequency down, input frequency across, zero in the middle.
    limit : float
        Top of the color scale.
    resolved : ndarray of bool, shape (n,)
        Which link modes are resolved; the frequencies of the others are greyed.
    edges : tuple of float
        Outer edges of the input frequencies.
    resolved_inputs : ndarray of bool, shape (n_in,), optional
        The same for the inputs, if they are a link dimension, too.
    """
    ends = link_frequency_edges(len(spectrum))
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
    for low, high in _runs(unresolved_frequencies(resolved)):
        ax.axvspan(low, high, **_HATCH)
    if resolved_inputs is not None:
        for low, high in _runs(unresolved_frequencies(resolved_inputs)):
            ax.axhspan(low, high, **_HATCH)
    ax.set(xlim=ends, ylim=edges, xlabel=link_frequency_label())
    return image


def show_curves(ax: Axes, curves: Mapping[str, Curve], unit: float, end: int) -> None:
    """Draw power laws over a spectrum, mirrored at both zeros, without moving its limits.

    Parameters
    ----------
    ax : Axes
    curves : mapping of str to callable
        Input frequency in cycles as a function of link frequency, by name.
    unit : float
        Input frequency, on the axis, of one cycle.
    end : int
        Largest link frequency.
    """
    k = np.linspace(0.05, end, 400)
    limits = ax.axis()
    for (name, curve), (color, style) in zip(curves.items(), CURVES, strict=False):
        f = unit * curve(k)
        for sign in (1, -1):
            (line,) = ax.plot(
                np.r_[-k[::-1], k], sign * np.r_[-f[::-1], f], color=color, ls=style, lw=1
            )
        line.set_label(name)
    ax.axis(limits)
    ax.legend(fontsize=7, loc="lower right", framealpha=0.85)


CURVES = (("#db6d00", "-"), ("#15529b", "--"))

# Hatched, so that a grey copy does not show it as a value.
_HATCH: dict[str, Any] = {
    "facecolor": UNRESOLVED,
    "edgecolor": "0.6",
    "hatch": "////",
    "linewidth": 0,
}


def _runs(frequencies: Array) -> list[tuple[float, float]]:
    """Edges of the runs of neighbors among frequencies of both signs: one patch for each."""
    both = np.unique(np.concatenate([-frequencies, frequencies]))
    parts = np.split(both, np.flatnonzero(np.diff(both) > 1) + 1)
    return [(float(part[0]) - 0.5, float(part[-1]) + 0.5) for part in parts if part.size]


def show_vectors(
    ax: Axes,
    positions: Array,
    vectors: Array,
    numbers: Sequence[int],
    fits: Array | None = None,
    remarks: Sequence[str] = (),
) -> None:
    """Draw singular vectors, one in a row, above each other; fits dashed, remarks on the right."""
    step = 2.2 * (float(np.abs(vectors).max()) or 1.0)
    levels = -step * np.arange(len(vectors))
    for place, level in enumerate(levels):
        ax.axhline(level, color="0.8", lw=0.5)
        ax.plot(positions, vectors[place] + level, color="black", lw=0.9)
        if fits is not None:
            ax.plot(positions, fits[place] + level, color="#db6d00", lw=1.4, ls="--")
    for level, remark in zip(levels, remarks, strict=False):
        ax.annotate(
            remark, (1.02, level), xycoords=("axes fraction", "data"), va="center", fontsize=8
        )
    ax.set_yticks(levels, [str(number) for number in numbers])
    ax.set(ylabel="singular vector no.")
    if len(positions) > 1:
        ax.set_xlim(positions[0], positions[-1])
    ax.set_ylim(levels[-1] - 0.6 * step, 0.6 * step)
