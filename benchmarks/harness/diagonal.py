"""Diagonal norm square: certified on every kind of W, against every peer on random W."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

import descrambler as ds
from descrambler._util.validate import Array

from .measure import Row, Scale, median_seconds
from .peers import PEERS, Peer, warm_up
from .problems import NormSquare, weight_families
from .race import Watch

TITLE = "Diagonal norm square: the certified global optimum"
CURVES = "Diagonal norm square"
ABOUT = """\
Weights of five kinds; the certified relative gap is to be at most 1e-9.
On random W the peers start at P = 1 and have 10 s, 20 s from n = 512. They may stay at a worse local optimum, whose gap
is noted: a peer's time is when it first came within 1e-6 of the best value that it ever reached; of one that came
no nearer than 1e-2 it is unknown, and more than the cap. The best peer is the fastest of those whose gap is within
1e-3 of the least."""

CERTIFIED, LIMIT = 1e-9, 0.1
SETTLED, AS_GOOD, NEAR = 1e-6, 1e-3, 1e-2
SLOW = ("low rank", "ill-conditioned")


def cases(scale: Scale) -> Iterator[NormSquareOf]:
    """Yield every family at every size."""
    sizes = scale.choose(tiny=(6,), quick=(80, 256), full=(80, 256, 512, 1024))
    if scale.threads > 1:
        yield NormSquareOf("random", weight_families(sizes[-1])["random"])
        return
    for n in sizes:
        for name, w in weight_families(n).items():
            if scale.name != "quick" or n == 80 or name not in SLOW:
                yield NormSquareOf(name, w)


class NormSquareOf:
    """The certified solution for one W; where W is random, the peers on it."""

    def __init__(self, name: str, w: Array, peers: Sequence[Peer] = PEERS) -> None:
        self.case = f"n = {len(w)}, {name}"
        self.w = w
        self.name = name
        self.peers = peers

    def ours(self) -> ds.Descrambling:
        """Solve."""
        return ds.diagonalize(self.w, "norm_square")

    def _within(self, cap: float) -> ds.Descrambling:
        stop = time.perf_counter() + cap
        with warnings.catch_warnings():
            # What is not certified is a line of the table.
            warnings.simplefilter("ignore")
            return ds.diagonalize(
                self.w, "norm_square", callback=lambda _: time.perf_counter() > stop
            )

    def check(self) -> None:
        """Assert that the rotation is one, and attains what is said."""
        self._checked(self.ours())

    def _checked(self, result: ds.Descrambling) -> ds.Descrambling:
        p = result.rotation.matrix
        attained = float(np.sum(np.diagonal(p @ self.w) ** 2))
        assert abs(attained / result.objective - 1) < 1e-12
        assert result.orthogonality_error < 1e-11
        assert np.linalg.slogdet(p)[0] > 0
        return result

    def rows(self, scale: Scale) -> Iterator[Row]:
        """Certify, within the cap; race."""
        result = self._checked(self._within(scale.cap))
        yield Row(
            f"{self.case}, certified gap",
            "exact",
            ours_seconds=result.seconds,
            value=result.gap,
            limit=CERTIFIED,
            note=f"{result.n_eval} decompositions, {result.status}",
            n=len(self.w),
            curve=self.name,
        )
        if self.name == "random":
            yield from self._races(result.objective, scale)

    def _races(self, best: float, scale: Scale) -> Iterator[Row]:
        warm_up()
        ours = median_seconds(self.ours, 3)
        problem = NormSquare(self.w, best)
        watches = {}
        for peer in self.peers:
            if peer.missing:
                yield Row(self.case, "exact", peer.name, note=f"not installed: {peer.missing}")
                continue
            watches[peer.name] = watch = peer.run(
                problem, SETTLED, scale.cap / (3 if len(self.w) > 256 else 6)
            )
            yield self._against(ours, peer.name, watch)
        if not watches:
            return
        nearest = min(watch.best for watch in watches.values())
        fastest = min(
            (name for name, watch in watches.items() if watch.best <= nearest + AS_GOOD),
            key=lambda name: _settled(watches[name]),
        )
        case = f"{self.case}, best peer"
        yield replace(self._against(ours, fastest, watches[fastest]), case=case, limit=LIMIT)

    def _against(self, ours: float, name: str, watch: Watch) -> Row:
        arrived = watch.best <= NEAR
        theirs = _settled(watch) if arrived else watch.elapsed
        return Row(
            self.case,
            "exact",
            name,
            ours,
            theirs,
            ours / theirs,
            theirs_arrived=arrived,
            note=f"gap {watch.best:.1e}" if watch.best > SETTLED else "",
        )


def _settled(watch: Watch) -> float:
    return watch.seconds_to(watch.best + SETTLED)[0]
