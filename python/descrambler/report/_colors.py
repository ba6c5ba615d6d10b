"""Color maps, and what colors mean in every figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

MAGNITUDE = "magma"
UNRESOLVED = "0.75"

# Hue tells the signs apart on a screen. Lightness rises evenly from end to end, so that a grey copy
# tells them apart too and gives both signs the same contrast against zero.
_STOPS = (
    "#0e214e",
    "#153777",
    "#15529b",
    "#3f6ea4",
    "#868686",
    "#da9259",
    "#f5b24b",
    "#fdd777",
    "#fef9ea",
)


def signed() -> Colormap:
    """Diverging map for signed values: blue below zero, grey at zero, orange above."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("descrambler.signed", _STOPS)
