"""The `plot` methods of results: one picture by its name, into a place or a new pyplot figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._solvers.result import Descrambling
from .._util.validate import choice
from ..evidence._interpretation import Interpretation
from ._evidence import pictures
from ._paper import plot_gram, plot_rotation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ._layout import Place


SIZES = {"response": (8.6, 4.2), "jacobian": (6.2, 7.6), "layer1": (14.9, 7.6)}
"""Inches of a new figure."""


def plot_interpretation(
    result: Interpretation, what: str | None = None, *, ax: Place = None
) -> Figure:
    """Draw one picture of an interpretation; see :meth:`descrambler.Interpretation.plot`."""
    drawn = pictures(result)
    name = what or ("response" if "response" in drawn else "jacobian")
    draw = drawn[choice("what", name, tuple(drawn))]
    return draw(_shown(SIZES.get(name, SIZES["layer1"])) if ax is None else ax)


def plot_result(result: Descrambling, what: str | None = None, *, ax: Axes | None = None) -> Axes:
    """Draw one picture of a descrambling; see :meth:`descrambler.Descrambling.plot`."""
    draws = {"modes": plot_gram, "rotation": plot_rotation}
    name = what or ("rotation" if result.eigenvalues is None else "modes")
    draw = draws[choice("what", name, tuple(draws))]
    return draw(result, ax=_shown((5.0, 3.6)).subplots() if ax is None else ax)


def _shown(size: tuple[float, float]) -> Figure:
    """Return a figure that a notebook, or ``plt.show()``, shows."""
    import matplotlib.pyplot as plt

    return plt.figure(figsize=size, layout="constrained")
