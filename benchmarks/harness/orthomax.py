"""Varimax, quartimax and kurtosis against factor_analyzer and python-picard."""

from __future__ import annotations

import importlib.util
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import descrambler as ds
from descrambler._util.validate import Array, require_extra
from descrambler.group import random_rotation

from .measure import Row, Scale, seconds_of

TITLE = "Varimax, quartimax, kurtosis: against the peer's best of ten starts"
ABOUT = """\
Laplace-distributed sources of unequal power, rotated at random (for kurtosis whitened: python-picard needs it), at
the scale where factor_analyzer's absolute tolerance is a relative one. The peer starts ten times, or as often
as the cap allows, each run until it says that it has converged; ours runs once. Time is that of one start
(median); the note gives ours / theirs of the criterion, which is to be at least 1."""
STARTS, LIMIT = 10, 0.5


def cases(scale: Scale) -> Iterator[AgainstPeer]:
    """Yield the three criteria at each size."""
    shapes = ((64, 20_000), (256, 100_000))
    for n, m in scale.choose(tiny=((4, 500),), quick=shapes[:1], full=shapes):
        if scale.threads > 1 and m > 20_000:
            continue
        mixed = sources(n, m)
        yield AgainstPeer("varimax", mixed, "factor_analyzer", factor_varimax)
        yield AgainstPeer("quartimax", mixed, "factor_analyzer", factor_quartimax)
        yield AgainstPeer("kurtosis", whitened(mixed), "picard", picard)


def sources(n: int, m: int) -> Array:
    """Return rotated sources in columns, the sum of their fourth powers being 1."""
    generator = np.random.default_rng([n, m])
    independent = generator.laplace(size=(m, n)) * np.logspace(0, -0.25, n)
    mixed = np.asarray(independent @ random_rotation(n, generator))
    return np.asarray(mixed / np.sum(np.square(mixed) ** 2) ** 0.25)


def whitened(signals: Array) -> Array:
    """Return signals with unit covariance, nearest to those given."""
    centered = signals - signals.mean(axis=0)
    values, vectors = np.linalg.eigh(centered.T @ centered / len(signals))
    return np.asarray(centered @ (vectors / np.sqrt(values)) @ vectors.T)


def value(criterion: str, signals: Array) -> float:
    """Criterion of descrambled signals, as its formula says."""
    square = np.square(signals)
    if criterion == "kurtosis":
        return float(np.sum(np.mean(square**2, axis=0) / np.mean(square, axis=0) ** 2))
    fourth = float(np.vdot(square, square))
    if criterion == "quartimax":
        return fourth
    return fourth - float(np.sum(square.sum(axis=0) ** 2)) / len(signals)


class _TimeUp(Exception):
    pass


def factor_varimax(signals: Array, start: Array, stop: float) -> tuple[Array, bool]:
    """Varimax of factor_analyzer, to its end."""
    module = require_extra("factor_analyzer", "bench", "a benchmark")
    rotator = module.Rotator(method="varimax", normalize=False)
    return np.asarray(rotator.fit_transform(signals @ start)), True


def factor_quartimax(signals: Array, start: Array, stop: float) -> tuple[Array, bool]:
    """Quartimax of factor_analyzer; what it has when the time is up, and False."""
    module = require_extra("factor_analyzer", "bench", "a benchmark")
    seen: list[Array] = []

    class Rotator(module.Rotator):  # type: ignore[misc, name-defined]
        def _quartimax_obj(self, loadings: Array) -> Any:
            seen[:] = [loadings]
            if time.perf_counter() > stop:
                raise _TimeUp
            return super()._quartimax_obj(loadings)

    try:
        rotator = Rotator(method="quartimax", normalize=False)
        return np.asarray(rotator.fit_transform(signals @ start)), True
    except _TimeUp:
        return seen[0], False


def picard(signals: Array, start: Array, stop: float) -> tuple[Array, bool]:
    """Picard-O with the cubic score, to its end: fourth moments of white signals."""
    module = require_extra("picard", "bench", "a benchmark")
    _, _, unmixed = module.picard(
        signals.T, fun="cube", whiten=False, centering=False, w_init=start, max_iter=500
    )
    return np.asarray(unmixed.T), True


@dataclass(frozen=True)
class AgainstPeer:
    """One criterion of the same signals, and the peer that has it."""

    criterion: str
    signals: Array
    peer: str
    rotate: Callable[[Array, Array, float], tuple[Array, bool]]

    @property
    def case(self) -> str:
        """Criterion and size."""
        m, n = self.signals.shape
        return f"{self.criterion}, {n} x {m}"

    def ours(self) -> ds.Descrambling:
        """Solve, from P = 1."""
        return ds.descramble(self.signals, self.criterion)

    def check(self) -> None:
        """Assert that the objective is the criterion at P, and better than before."""
        self._attained(self.ours())

    def _attained(self, result: ds.Descrambling) -> float:
        attained = value(self.criterion, result.transform(self.signals))
        assert abs(attained / result.objective - 1) < 1e-9
        assert attained > value(self.criterion, self.signals)
        assert result.orthogonality_error < 1e-11
        return attained

    def rows(self, scale: Scale) -> Iterator[Row]:
        """Run ours, then the peer from different starts."""
        result = self.ours()
        attained = self._attained(result)
        repeats = [seconds_of(self.ours) for _ in range(2 if result.seconds < 5 else 0)]
        ours = float(np.median([result.seconds, *repeats]))
        if importlib.util.find_spec(self.peer) is None:
            note = f"not installed: {self.peer}"
            yield Row(self.case, "descramble", self.peer, ours, note=note)
            return
        seconds, values, arrived = self._starts(scale.cap)
        ratio = attained / max(values)
        notes = [
            f"value {ratio:.7f} of the best of {len(values)} (theirs spread {np.ptp(values) / max(values):.0e})",
            f"{result.n_iter} iterations, {result.status}",
        ]
        yield Row(
            self.case,
            "descramble",
            self.peer,
            ours,
            seconds,
            ours / seconds,
            LIMIT,
            good=ratio > 1 - 1e-6,
            theirs_arrived=arrived,
            note="; ".join(notes),
        )

    def _starts(self, cap: float) -> tuple[float, list[float], bool]:
        """Seconds of one start, all values, and whether the runs were left to end."""
        n = self.signals.shape[1]
        require_extra(self.peer, "bench", "a benchmark")
        begin = time.perf_counter()
        seconds: list[float] = []
        values: list[float] = []
        arrived = True
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            while not values or (len(values) < STARTS and time.perf_counter() - begin < cap):
                rotation = random_rotation(n, len(values)) if values else np.eye(n)
                start = time.perf_counter()
                rotated, ended = self.rotate(self.signals, rotation, start + cap)
                seconds.append(time.perf_counter() - start)
                values.append(value(self.criterion, rotated))
                arrived = arrived and ended
        return float(np.median(seconds)), values, arrived
