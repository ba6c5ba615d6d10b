"""Align one network's signals with another's by a rotation or an assignment, and compare with chance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from .._geometry.rotation import Rotation
from .._signals.gram import Gram
from .._signals.pairs import Moments, pair_moments
from .._signals.sources import Signals, Source, as_source
from .._solvers.procrustes import GROUPS, random_element
from .._util.parallel import mapping
from .._util.progress import Progress, reporting
from .._util.seeds import seed_of
from .._util.threads import computes
from .._util.validate import Array, choice, flag, integer
from ..network._network import Network
from ._align_scores import (
    Axes,
    Halves,
    Scores,
    block,
    fitted,
    held_out,
    of_matrix,
    residual,
    scale,
    shift,
)
from ._align_verdict import NullScores, judged
from ._alignment import RANDOM, SHUFFLED, Alignment

__all__ = ["align"]


@computes
def align(
    signals_a: Signals,
    signals_b: Signals,
    group: str = "SO",
    *,
    center: bool = True,
    untrained: tuple[Signals, Signals] | None = None,
    rows_per_sample: int = 1,
    nulls: int = 19,
    random_state: int | np.random.Generator | None = 0,
    threads: int | None = 1,
    progress: Progress = False,
) -> Alignment:
    """Find the P that brings the signals of network b closest to those of network a.

    P maximizes ``tr(P B^T A)``. For equal widths, and if a is wider, this is the smallest
    ``|A - B P^T|``; if b is wider, the smallest ``|A P - B|``. Only second moments are kept, about
    ``2 (n_a + n_b)^2 + 2 nulls n_a n_b`` numbers.

    Parameters
    ----------
    signals_a, signals_b : array_like, shape (m, n_a) and (m, n_b), or blocks of rows
        Signals of the two networks for the same inputs in the same order, one sample per row; anything
        that :func:`descrambler.gram` reads. Two iterators are read in step; two Dask arrays are summed
        by their workers. The widths may differ.
    group : {"SO", "O", "permutation", "signed permutation"}
        Allowed P. "SO" (rotations) and "O" (rotations and reflections): the orthogonal Procrustes problem,
        solved with a certificate as by ``diagonalize(..., "sum")``. Permutations: SciPy's exact assignment,
        for hidden units between elementwise activations.
    center : bool
        Subtract the means of the signals first. Otherwise the means are part of the fit.
    untrained : pair of signals, optional
        Signals of the same two networks before training, on the same inputs. Without them, similarity
        due to training cannot be told from similarity due to the inputs.
    rows_per_sample : int
        Number of consecutive rows that belong together, such as the tokens of one text of fixed length.
        They stay in the same half and are shuffled as one block.
    nulls : int
        Number of draws per null. At least 19 are needed to reach p = 0.05; with fewer, nothing is tested.
    random_state : int, Generator or None
        Seed of the draws.
    threads : int or None
        Threads that fit the draws; None for one thread per processor. The result does not depend on it.
    progress : bool or callable
        True shows a bar of the draws. A function is called with a step (`done`, `total`, `label`).

    Returns
    -------
    Alignment
        P is fitted to all samples. R^2 is held out: P and one scale are fitted on the even samples and
        tested on the odd ones, and vice versa.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, shape or value, the signals are not finite, do not vary, or
        do not have the same number of rows.
    """
    choice("group", group, GROUPS)
    center = flag("center", center)
    rows_per_sample = integer("rows_per_sample", rows_per_sample, 1)
    nulls = integer("nulls", nulls, 0)
    seed = seed_of(random_state) % 2**63
    pair = _pair("signals_a", signals_a, "signals_b", signals_b)
    before = _untrained(untrained, group, center, rows_per_sample)
    halves = pair_moments(*pair, rows_per_sample, nulls, seed)
    axes = _axes(halves, "signals_a", "signals_b")
    draws = _draws(halves, group, center, axes, nulls, seed, threads, progress)
    whole = halves[0].plus(halves[1])
    fit = fitted(whole, group, center)
    p = block(fit.matrix, whole)
    size = scale(p, whole, center)
    own, ceiling = held_out(halves, group, center, axes)
    unaligned = None
    if pair[0].n == pair[1].n:
        unaligned = of_matrix(np.eye(pair[0].n), halves, center, axes)
    return judged(
        rotation=Rotation(fit.matrix, len(fit.matrix)),
        scale=size,
        shift=shift(size * p, whole, center),
        group=group,
        n_a=pair[0].n,
        n_b=pair[1].n,
        count=whole.count // rows_per_sample,
        center=center,
        objective=fit.value,
        bound=fit.bound,
        variances=axes.variances,
        scores=own,
        ceiling=ceiling.total,
        unaligned=None if unaligned is None else unaligned.total,
        distances=_distances(p, whole, center, axes),
        untrained=before,
        draws=draws,
    )


def _pair(name_a: str, a: Signals, name_b: str, b: Signals) -> tuple[Source, Source]:
    if a is b and isinstance(a, Iterator):
        raise TypeError(
            f"{name_a} and {name_b} must be two iterators that are read in step, got the same one twice"
        )
    for name, value in ((name_a, a), (name_b, b)):
        if isinstance(value, Network):
            raise TypeError(
                f"{name} must be signals, got a network: pass network.signals(inputs, layer, tap)"
            )
        if isinstance(value, Gram):
            raise TypeError(
                f"{name} must be signals, got a Gram matrix: it does not say which rows belong together"
            )
    return as_source(name_a, a), as_source(name_b, b)


def _untrained(
    pair: tuple[Signals, Signals] | None, group: str, center: bool, rows: int
) -> Scores | None:
    if pair is None:
        return None
    if not isinstance(pair, Sequence) or len(pair) != 2:
        raise TypeError(
            "untrained must be a pair (signals of a, signals of b) before training, got "
            f"{type(pair).__name__}"
        )
    names = "untrained[0]", "untrained[1]"
    halves = pair_moments(*_pair(names[0], pair[0], names[1], pair[1]), rows)
    return held_out(halves, group, center, _axes(halves, *names)).scores


def _axes(halves: Halves, name_a: str, name_b: str) -> Axes:
    for name, first, second in (
        (name_a, halves[0].a, halves[1].a),
        (name_b, halves[0].b, halves[1].b),
    ):
        if not (first.trace() > 0 and second.trace() > 0):
            raise ValueError(
                f"{name} must vary from row to row, in the even and in the odd samples, got constant rows"
            )
    return Axes.of(halves)


def _distances(p: Array, whole: Moments, center: bool, axes: Axes) -> tuple[float, float | None]:
    """Relative distance |A - B P^T| / |A| after and before."""
    mean_a, _ = whole.means
    size = float(whole.a.trace()) + (0 if center else whole.count * float(mean_a @ mean_a))

    def relative(matrix: Array) -> float:
        left = residual(matrix, shift(matrix, whole, center), whole, axes)
        return float(np.sqrt(left.sum()) / np.sqrt(size))

    return relative(p), relative(np.eye(len(p))) if p.shape[0] == p.shape[1] else None


def _draws(
    halves: Halves,
    group: str,
    center: bool,
    axes: Axes,
    nulls: int,
    seed: int,
    threads: int | None,
    progress: Progress,
) -> NullScores:
    """Scores of shuffled rows, fitted anew, and of random elements of the group."""
    jobs = [(kind, index) for kind in (SHUFFLED, RANDOM) for index in range(nulls)]
    one = partial(_draw, halves=halves, group=group, center=center, axes=axes, seed=seed)
    found: dict[str, list[Scores]] = {SHUFFLED: [], RANDOM: []}
    with mapping(threads) as apply, reporting(progress, len(jobs), "draw") as report:
        for done, (job, value) in enumerate(zip(jobs, apply(one, jobs), strict=True), 1):
            found[job[0]].append(value)
            report(done, job[0])
    return found


def _draw(
    job: tuple[str, int], halves: Halves, group: str, center: bool, axes: Axes, seed: int
) -> Scores:
    kind, index = job
    if kind == SHUFFLED:
        first, second = halves
        return held_out((first.draw(index), second.draw(index)), group, center, axes).scores
    n_a, n_b = halves[0].cross.shape
    p = random_element(max(n_a, n_b), group, np.random.default_rng([seed, index]))
    return of_matrix(block(p, halves[0]), halves, center, axes)
