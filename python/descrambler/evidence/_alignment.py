"""The result of an alignment: P, held-out R^2, null distributions and a verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from .._geometry.rotation import Rotation
from .._util.arrays import like
from .._util.tables import Tabulated
from .._util.threads import computes, product
from .._util.validate import Array, matrix
from ..network._network import Network
from ._significance import Mask
from ._transplant import in_the_basis
from ._verdicts import LEVEL, KindSummary, p_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHUFFLED, RANDOM, UNTRAINED = "shuffled rows", "random P", "untrained pair"


@dataclass(frozen=True, eq=False, repr=False)
class Alignment(Tabulated):
    """The P that brings the signals of network b to those of network a, and how well it does.

    R^2 is ``1 - |A - s B P^T - shift|^2 / |A - mean|^2`` on samples that were not fitted, with one scale s >= 0
    for all units. It is 1 where b, rotated, equals a up to size; 0 is as good as the mean of a.

    Attributes
    ----------
    rotation : Rotation
        P, of shape (n, n), n the larger width. `matrix` is the block that acts on b; for equal widths it is P.
    scale : float
        s, the factor from the size of b's signals to that of a's; 0 if they have nothing in common.
    shift : ndarray, shape (n_a,)
        Added to s B P^T, so that the means agree; zero if the signals were not centered.
    group : str
    n_a, n_b : int
        Widths of the two networks.
    count : int
        Number of samples.
    center : bool
    objective, bound : float
        ``tr(P B^T A)`` and its upper bound over the group.
    r2 : float
        Held-out R^2 over all units.
    unaligned : float or None
        R^2 with P = 1; None for different widths.
    ceiling : float
        R^2 on the half that P was fitted to, mean of both: no single P is expected to reach more on all
        inputs.
    modes : ndarray, shape (n_a,)
        Held-out R^2 along each principal axis of a, by falling variance; NaN without variance.
    share : ndarray, shape (n_a,)
        Share of a's variance along each axis.
    modes_p : ndarray, shape (n_a,)
        p of each mode against shuffled rows, corrected for their number (step-down max-T).
    distance, distance_before : float or None
        ``|A - B P^T| / |A|`` over all samples without the scale, after and before (P = 1).
    nulls : mapping of str to KindSummary
        R^2 of "shuffled rows" (P fitted anew) and of "random P" (Haar).
    null_modes : ndarray, shape (n_draws, n_a)
        R^2 of each mode with shuffled rows.
    untrained : float or None
        Held-out R^2 of the untrained pair.
    untrained_modes : ndarray, shape (n_a,), or None
        The same along the principal axes of a before training.
    verdict : str
        "present" (beyond all nulls), "explained by ...", "not found" (R^2 <= 0) or "not testable".
    note : str
        What was not tested; empty if everything was.
    """

    rotation: Rotation
    scale: float
    shift: Array
    group: str
    n_a: int
    n_b: int
    count: int
    center: bool
    objective: float
    bound: float
    r2: float
    unaligned: float | None
    ceiling: float
    modes: Array
    share: Array
    modes_p: Array
    distance: float
    distance_before: float | None
    nulls: Mapping[str, KindSummary]
    null_modes: Array
    untrained: float | None
    untrained_modes: Array | None
    verdict: str
    note: str

    @property
    def matrix(self) -> Array:
        """P as it acts on b, shape (n_a, n_b): semi-orthogonal if the widths differ."""
        return self.rotation.matrix[: self.n_a, : self.n_b]

    @property
    def chance(self) -> float:
        """Mean held-out R^2 with shuffled rows; NaN without draws."""
        return self.nulls[SHUFFLED].mean if SHUFFLED in self.nulls else float("nan")

    @property
    def gap(self) -> float:
        """Relative distance of the objective to its bound, 0 where they agree to rounding."""
        excess = self.bound - self.objective
        floor = 8 * np.finfo(np.float64).eps * self.rotation.n * abs(self.bound)
        return 0.0 if excess <= floor else excess / abs(self.bound)

    @property
    def optimality(self) -> str:
        """What is known: "certified" (by the bound, to 1e-9), "exact" (assignment) or "unknown"."""
        if "permutation" in self.group:
            return "exact"
        return "certified" if self.gap <= 1e-9 else "unknown"

    @property
    def shared(self) -> Mask:
        """Which modes have R^2 > 0 and p <= 0.05, shape (n_a,)."""
        mask: Mask = (np.nan_to_num(self.modes, nan=-1.0) > 0) & (self.modes_p <= LEVEL)
        return mask

    def transform(self, signals_b: ArrayLike) -> Array:
        """Return the signals of b in the basis and the size of a, ``s B P^T + shift``, shape (m, n_a)."""
        rows = matrix("signals_b", signals_b)
        if rows.shape[1] != self.n_b:
            raise ValueError(f"signals_b must have {self.n_b} columns, got shape {rows.shape}")
        turned: Array = like(
            signals_b,
            (self.scale * product(rows, self.matrix.T, self.n_b) + self.shift).astype(rows.dtype),
        )
        return turned

    @computes
    def apply(self, network_b: Network, layer: int = 1, tap: str = "after") -> Network:
        """Return network b with its signals in the basis of a; the function stays the same.

        Parameters
        ----------
        network_b : Network
        layer : int
            Linear layer of which `signals_b` were the signals, counted from 1; not the last.
        tap : {"before", "after"}
            Side of the activation, as in ``network.signals``.

        Returns
        -------
        Network
            A permutation exchanges units, without scale and shift, and adds no layer. Any other P does not
            commute with the activation: an extra `Linear` applies ``s P`` and the shift, as `transform` does,
            and the next weights (or one more `Linear`) undo it.

        Raises
        ------
        TypeError, ValueError
            If `network_b` is not a Network, the layer does not have n_b units or is the last, the scale is 0,
            or b is wider than a: P then drops directions, and the function would change.
        """
        change = self.matrix, self.scale, self.shift
        return in_the_basis(*change, self.group, network_b, layer, tap)

    def table(self) -> list[tuple[str, str]]:
        """Return the status table: names and values, as printed."""
        before = "" if self.unaligned is None else f" (not aligned {self.unaligned:.3f})"
        rows = [
            ("P", f"{self.group}, {self.n_b} units of b to {self.n_a} of a"),
            ("samples", f"{self.count}{', centered' if self.center else ''}"),
            ("R^2, held out", f"{self.r2:.3f}{before}"),
            ("ceiling", f"{self.ceiling:.3f} (judged on the samples that were fitted)"),
            *((f"{name} (null)", _summary(null)) for name, null in self.nulls.items()),
        ]
        if self.untrained is not None:
            rows += [(UNTRAINED, f"{self.untrained:.3f}")]
        if self.nulls:
            held = float(self.share[self.shared].sum())
            count = int(self.shared.sum())
            rows += [("modes shared", f"{count} of {self.n_a}, {held:.3f} of a's variance")]
        first = "" if self.distance_before is None else f" (before {self.distance_before:.3f})"
        rows += [
            ("scale of b", f"{self.scale:.3f}"),
            ("|A - B P^T| / |A|", f"{self.distance:.3f}{first}"),
        ]
        rows += [("optimum", f"{self.optimality}, gap {self.gap:.1e}")]
        return [*rows, ("verdict", f"{self.verdict}{f' ({self.note})' if self.note else ''}")]

    def plot(self, *, ax: Axes | None = None) -> Figure:
        """Draw R^2 per mode beside shuffled rows and the untrained pair.

        Parameters
        ----------
        ax : Axes, optional
            Axes to draw into; a new figure otherwise.

        Raises
        ------
        MissingExtraError
            Without Matplotlib, the extra "plot".
        """
        from ..report import alignment_figure  # a facade: drawn by the room above

        return alignment_figure(self, ax=ax)

    def __repr__(self) -> str:
        what = f"{self.group}, {self.n_b} to {self.n_a} units, held-out R^2 {self.r2:.3f}"
        return f"{type(self).__name__}({what}, {self.verdict})"


def _summary(null: KindSummary) -> str:
    return f"{null.mean:.3f} ± {null.sd:.2g}, p {p_text(null.p, null.p_floor)} ({null.n} draws)"
