"""The ratios that the page on speed begins with."""

from __future__ import annotations

from collections.abc import Iterator

from . import cayley, exact
from .diagonal import NormSquareOf
from .measure import Case, Row, Scale
from .peers import PEERS
from .problems import weight_families

TITLE = "Ratios"
ABOUT = """\
`exact` smoothness from a Gram matrix against `scipy.linalg.eigh` alone; the diagonal norm square, certified, against the
faster of pymanopt's two optimizers, which stay at a local optimum; one Cayley value and gradient against NumPy's formula, at
equal threads. Every answer is checked before it is timed; candidates run in turn in one process. With two threads 0.1 s pass
before each call: for tens of milliseconds after a product the threads of NumPy's BLAS keep a processor busy, in which they look for more."""
SIZES = (256, 512, 1024, 2048, 4096)


class BestPeer(NormSquareOf):
    """The race against pymanopt on random W: the last line of all, that of the best peer."""

    def rows(self, scale: Scale) -> Iterator[Row]:
        """Certify, and race."""
        *_, best = super().rows(scale)
        yield best


def cases(scale: Scale) -> Iterator[Case]:
    """Yield them all; with more than one thread those where NumPy uses more."""
    sizes = [n for n in SIZES if n <= scale.largest]
    sizes = scale.choose(tiny=[6], quick=[80, 256], full=sizes)
    if scale.threads == 1:
        for n in sizes:
            yield from (case for case in exact.cases_of(n) if case.limit is not None or n < 256)
        peers = [peer for peer in PEERS if peer.name.startswith("pymanopt")]
        for n in scale.choose(tiny=[6], quick=[80], full=[80, 256, 1024]):
            yield BestPeer("random", weight_families(n)["random"], peers)
    for n in sizes:
        yield from cayley.cases_of(n, scale.threads)
