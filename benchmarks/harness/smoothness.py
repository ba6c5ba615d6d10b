"""Time to a gap: smoothness of signals with ill-conditioned Gram matrices, against every peer."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping

import descrambler as ds

from .measure import Row, Scale, median_seconds
from .peers import PEERS, warm_up
from .problems import Smoothness
from .race import ROUNDING, Watch

TITLE = "Smoothness: time to the optimum"
ABOUT = """\
Signals whose Gram matrix has eigenvalues that fall over 8 decades (and over 2), started at P = 1. A run ends
when its value is within 1e-6 of the optimum (2 decades: 1e-3), or at the cap: 60 s, and 20 s up to n = 256, which is
still a thousand times the exact solution's. Ours starts from the signals, its Gram matrix included; the others are
given the Gram matrix, in the basis where A is diagonal. "cayley-lbfgs" is the reference's algorithm in our C++.
"> 20 s": not there at the cap; the note tells how far it came."""

GOAL, EARLIER = 1e-6, 1e-3
# At most a thousandth of any peer's time; at most a third of the best peer's.
EXACT_LIMIT, ITERATIVE_LIMIT = 1e-3, 1 / 3
EXACT = "exact (ours)"
OURS = {
    "cayley-lbfgs": "cayley-lbfgs (the reference)",
    "riemannian-lbfgs": "riemannian-lbfgs (ours)",
}


def cases(scale: Scale) -> Iterator[Races]:
    """Yield a race for each size and spread; with two threads only where they may matter."""
    sizes = scale.choose(tiny=(6,), quick=(80, 256), full=(80, 256, 512, 1024))
    if scale.threads > 1:
        yield Races(sizes[-1], 8, GOAL, share=1 / 3)
        return
    for n in sizes:
        yield Races(n, 8, GOAL, share=1 / 3 if n <= 256 else 1)
    for n in scale.choose(tiny=(6,), quick=(80,), full=(80, 256)):
        yield Races(n, 2, EARLIER, share=1 / 3)


class Races:
    """The exact solution, our iterations and every peer on the same signals: to a gap, in a share of the cap."""

    def __init__(self, n: int, decades: int, goal: float, share: float) -> None:
        self.case = f"n = {n}, {decades} decades"
        self.problem = Smoothness(n, decades)
        self.goal, self.share = goal, share

    def ours(self) -> ds.Descrambling:
        """Solve exactly, from the signals."""
        return ds.descramble(self.problem.signals)

    def check(self) -> None:
        """Assert that this is the optimum, and certified."""
        result = self.ours()
        assert abs(result.objective / self.problem.unit / self.problem.optimum - 1) < 1e-9
        assert result.optimality == "certified", result.gap

    def rows(self, scale: Scale) -> Iterator[Row]:
        """Run all in turn."""
        self.check()
        warm_up()
        seconds = median_seconds(self.ours, 5)
        yield self._exact_row(seconds)
        cap = self.share * scale.cap
        watches = {method: self._iterative(method, cap) for method in OURS}
        for method, watch in watches.items():
            yield self._to_goal(seconds, watch, OURS[method], None)
        peers = {}
        for peer in PEERS:
            if peer.missing:
                yield Row(self.case, "exact", peer.name, note=f"not installed: {peer.missing}")
                continue
            peers[peer.name] = watch = peer.run(self.problem, self.goal, cap)
            limit = EXACT_LIMIT if self.goal == GOAL else None
            yield self._to_goal(seconds, watch, peer.name, limit)
        if peers and self.problem.n <= 256:
            yield self._to_earlier(watches["riemannian-lbfgs"], peers)

    def _iterative(self, method: str, cap: float) -> Watch:
        def run(watch: Watch) -> None:
            ds.descramble(
                ds.Gram(self.problem.gram / self.problem.unit),
                method=method,
                gauge="none",
                max_iter=10**9,
                tol=0,
                callback=watch.callback(1),
            )

        with warnings.catch_warnings():
            # Stopped by the watch, it has not converged.
            warnings.simplefilter("ignore")
            return Watch(self.problem.optimum, self.goal, cap).time(run)

    def _exact_row(self, seconds: float) -> Row:
        # What rounding leaves of the gap, so that there is something to draw.
        trace = [(seconds, max(self.ours().gap, ROUNDING))]
        return Row(self.case, theirs=EXACT, theirs_seconds=seconds, trace=trace, n=self.problem.n)

    def _to_goal(self, ours: float, watch: Watch, name: str, limit: float | None) -> Row:
        theirs, arrived = watch.seconds_to(self.goal)
        return Row(
            f"{self.case}, to {self.goal:g}",
            "exact",
            name,
            ours,
            theirs,
            ours / theirs,
            limit,
            theirs_arrived=arrived,
            arrival_counts=True,
            note="" if arrived else f"gap {watch.best:.1e}",
            n=self.problem.n,
            trace=watch.drawn(),
        )

    def _to_earlier(self, ours: Watch, peers: Mapping[str, Watch]) -> Row:
        """Against the peer that was there first or, if none was, came nearest."""
        mine, arrived = ours.seconds_to(EARLIER)
        best = min(peers, key=lambda name: _standing(peers[name]))
        theirs, theirs_arrived = peers[best].seconds_to(EARLIER)
        notes = [
            f"{who}: gap {watch.best:.1e}"
            for who, watch, there in (
                ("ours", ours, arrived),
                ("theirs", peers[best], theirs_arrived),
            )
            if not there
        ]
        return Row(
            f"{self.case}, to {EARLIER:g}, best peer",
            "riemannian-lbfgs",
            best,
            mine,
            theirs,
            mine / theirs,
            ITERATIVE_LIMIT,
            ours_arrived=arrived,
            theirs_arrived=theirs_arrived,
            note=", ".join(notes),
        )


def _standing(watch: Watch) -> tuple[bool, float]:
    seconds, arrived = watch.seconds_to(EARLIER)
    return not arrived, seconds if arrived else watch.best
