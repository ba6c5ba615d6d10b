"""Test whether the coordinates of signals differ from those after a random rotation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from .._geometry.charts import random_rotation
from .._signals.sources import Signals, Source, as_source
from .._util.parallel import mapping
from .._util.progress import Progress, reporting
from .._util.tables import Tabulated
from .._util.threads import computing
from .._util.validate import Array, integer, square
from ._significance import step_down_max_t
from ._verdicts import EXPLAINED, LEAST_CONTROLS, LEVEL, NOT_TESTABLE, PRESENT, p_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["PrivilegedBasis", "privileged_basis"]

STATISTICS = ("kurtosis", "largest share")
NULL = "random rotations"


@dataclass(frozen=True, eq=False, repr=False)
class PrivilegedBasis(Tabulated):
    """Statistics of the coordinates at several places, and of the same signals in random bases.

    Attributes
    ----------
    places : tuple of str
    n : int
        Number of coordinates.
    counts : tuple of int
        Number of signals at each place.
    values : ndarray, shape (n_places, 2)
        Kurtosis: mean over the signals of ``n sum y_i^4 / (sum y_i^2)^2``, 1 for flat signals, about 3 in a
        random basis, n where each signal has one coordinate. Largest share: mean of ``max y_i^2 / sum y_i^2``.
    draws : ndarray, shape (n_draws, n_places, 2)
        The same after random rotations, each of which acts on all places.
    p : ndarray, shape (n_places, 2)
        Corrected for all places and both statistics (step-down max-T).
    verdicts : tuple of str
        For each place: "present" (one of both has p <= 0.05), "explained by random rotations" or "not
        testable" (fewer than 19 draws).
    """

    places: tuple[str, ...]
    n: int
    counts: tuple[int, ...]
    values: Array
    draws: Array
    p: Array
    verdicts: tuple[str, ...]

    def table(self) -> list[tuple[str, str]]:
        """Return the status table: names and values, as printed."""
        floor = 1 / (1 + len(self.draws))
        rows = [("coordinates", f"{self.n}, {len(self.draws)} random rotations")]
        for k, place in enumerate(self.places):
            parts = []
            for j, name in enumerate(STATISTICS):
                null = self.draws[:, k, j]
                center = f"{null.mean():.3g} ± {null.std():.1g}" if len(null) else "-"
                parts.append(
                    f"{name} {self.values[k, j]:.3g} ({center}, p {p_text(self.p[k, j], floor)})"
                )
            rows.append((place, f"{', '.join(parts)}: {self.verdicts[k]}"))
        return rows

    def plot(self, *, ax: Any = None) -> Figure:
        """Draw both statistics place by place, with the range of the random rotations.

        Parameters
        ----------
        ax : Figure, SubFigure or two Axes, optional
            Axes to draw into; a new figure otherwise.
        """
        from ..report import privileged_basis_figure  # a facade: drawn by the room above

        return privileged_basis_figure(self, ax=ax)

    def __repr__(self) -> str:
        found = sum(verdict == PRESENT for verdict in self.verdicts)
        return f"{type(self).__name__}({found} of {len(self.places)} places, {self.n} coordinates)"


def privileged_basis(
    signals: Mapping[str, Signals] | Signals,
    *,
    draw: Callable[[np.random.Generator], Array] | None = None,
    nulls: int = 19,
    random_state: int | np.random.Generator | None = 0,
    threads: int | None = 1,
    progress: Progress = False,
) -> PrivilegedBasis:
    """Test whether the coordinates of signals are special, against rotations of the same signals.

    If rotations are symmetries of the network, as in a residual stream, then rotated signals are an exact
    null for every statistic of the coordinates.

    Parameters
    ----------
    signals : mapping of str to signals, or signals
        Signals by place (such as a layer of a stream), one sample per row; anything that
        :func:`descrambler.gram` reads. All have the same width.
    draw : callable, optional
        Function from a NumPy generator to a random rotation of the symmetry group, shape (n, n), such as
        ``stream.random_rotation`` of a residual stream. By default Haar-distributed on SO(n).
    nulls : int
        Number of rotations; at least 19 are needed to reach p = 0.05.
    random_state : int, Generator or None
        Seed of the rotations.
    threads : int or None
        Threads for the places; None for one thread per processor. The result does not depend on it.
    progress : bool or callable
        True shows a bar of the places. A function is called with a step (`done`, `total`, `label`).

    Returns
    -------
    PrivilegedBasis

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, shape or value, the widths differ, or signals are zero or not
        finite.
    """
    nulls = integer("nulls", nulls, 0)
    several = isinstance(signals, Mapping)
    given = signals if isinstance(signals, Mapping) else {"signals": signals}
    if not given:
        raise ValueError("signals must hold at least one place, got an empty mapping")
    sources = [
        as_source(f"signals[{name!r}]" if several else "signals", value)
        for name, value in given.items()
    ]
    n = sources[0].n
    for source in sources:
        if source.n != n:
            raise ValueError(
                f"signals must have one width, as one rotation acts on all places: {sources[0].name} has {n} "
                f"columns, {source.name} has {source.n}"
            )
    rotations: list[Array] = [np.eye(n), *_rotations(n, draw, nulls, random_state)]
    found = []
    with (
        computing(n),
        mapping(threads) as apply,
        reporting(progress, len(sources), "place") as report,
    ):
        for done, one in enumerate(apply(partial(_statistics, rotations=rotations), sources), 1):
            found.append(one)
            report(done, sources[done - 1].name)
    # Place, rotation, statistic.
    whole = np.array([values for values, _ in found])
    values, draws = whole[:, 0], whole[:, 1:].swapaxes(0, 1)
    p: Array = np.ones(values.shape)
    if nulls:
        p = step_down_max_t(values.ravel(), draws.reshape(nulls, -1)).reshape(p.shape)
    return PrivilegedBasis(
        places=tuple(map(str, given)),
        n=n,
        counts=tuple(count for _, count in found),
        values=values,
        draws=draws,
        p=p,
        verdicts=tuple(_verdict(row, nulls) for row in p),
    )


def _rotations(
    n: int,
    draw: Callable[[np.random.Generator], Array] | None,
    nulls: int,
    random_state: int | np.random.Generator | None,
) -> list[Array]:
    generator = np.random.default_rng(random_state)
    if draw is None:
        return [random_rotation(n, generator) for _ in range(nulls)]
    drawn: list[Array] = [
        square("draw()", draw(generator)).astype(np.float64) for _ in range(nulls)
    ]
    for rotation in drawn:
        if len(rotation) != n or np.abs(rotation @ rotation.T - np.eye(n)).max() > 1e-8:
            raise ValueError(
                f"draw must return an orthogonal matrix of shape {(n, n)}, got shape {rotation.shape}, or it "
                "is not orthogonal"
            )
    return drawn


def _statistics(source: Source, rotations: list[Array]) -> tuple[Array, int]:
    """Return kurtosis and largest share after each rotation, and the number of signals."""
    total, count = np.zeros((len(rotations), 2)), 0
    for block in source.blocks():
        rows = block.astype(np.float64)
        size = np.linalg.norm(rows, axis=1, keepdims=True)
        if not (np.isfinite(size).all() and size.all()):
            raise ValueError(
                f"{source.name} must be finite and no row all zero, which has no largest coordinate: leave "
                "out such rows"
            )
        rows /= size
        for sums, rotation in zip(total, rotations, strict=True):
            squares = np.square(rows @ rotation.T)
            sums += source.n * np.square(squares).sum(), squares.max(axis=1).sum()
        count += len(rows)
    return total / count, count


def _verdict(p: Array, nulls: int) -> str:
    if nulls < LEAST_CONTROLS:
        return NOT_TESTABLE
    return PRESENT if p.min() <= LEVEL else EXPLAINED + NULL
