"""A network interpreted with evidence: descrambled, measured, and held against null draws."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import numpy as np
from numpy.typing import ArrayLike
from threadpoolctl import threadpool_limits

from .._util.validate import Array, matrix
from ..analysis._jacobian import directions_matrix
from ..axis import Axis, index_axis
from ..network._network import Network
from ._findings import Claim, claims, judge, measure
from ._interpretation import Interpretation
from ._study import Study
from .detectors import DETECTORS, Axes, Detector, rejection
from .nulls import KINDS, UNTRAINED, Null, Setting, draw

__all__ = ["Interpretation", "interpret"]


def interpret(
    network: Network,
    inputs: ArrayLike,
    initial: Network | None = None,
    *,
    nulls: int = 200,
    null_inputs: int = 2000,
    random_state: int | np.random.Generator | None = 0,
    input_axis: Axis | None = None,
    output_axis: Axis | None = None,
    nuisance: ArrayLike | None = None,
    wanted: ArrayLike | None = None,
    detectors: Sequence[Detector] = DETECTORS,
    workers: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> Interpretation:
    """Descramble a network, look for what it may have learnt, and test it against nulls.

    Parameters
    ----------
    network : Network
        With at least two linear layers.
    inputs : array_like, shape (m, n_in)
        What the network sees, one sample in a row: real data, not noise.
    initial : Network, optional
        The same network before training; by default ``network.initial``. Without one there is no null
        of untrained networks.
    nulls : int
        Draws of each null kind, at least 20.
    null_inputs : int
        Inputs, drawn once and shared, on which the findings and their nulls are measured; all where
        there are fewer.
    random_state : int, Generator or None
        Seed. Every draw has its own, so that the number of workers changes nothing.
    input_axis, output_axis : Axis, optional
        What inputs and outputs are; plain numbers otherwise. What rests on the order of an axis with
        ``ordered=False`` is not testable.
    nuisance, wanted : array_like, shape (any, n_in), optional
        Directions in which the inputs vary for reasons that do not, and that do matter: differences
        between baselines, say, and between noise-free signals.
    detectors : sequence of Detector
        What to look for, beside the rejection of the nuisance.
    workers : int, optional
        Threads; by default as many as there are processors.
    progress : callable, optional
        Told the null kind after each draw.

    Returns
    -------
    Interpretation

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, shape or value.
    """
    if nulls < 20:
        raise ValueError(f"nulls must be at least 20, to reach p = 0.05, got {nulls}")
    if null_inputs < 2:
        raise ValueError(f"null_inputs must be at least 2, got {null_inputs}")
    study = Study(network, matrix("inputs", inputs))
    assert study.inputs is not None
    entropy = cast(int, np.random.SeedSequence(_seed(random_state)).entropy)
    shared = _shared(study.inputs, null_inputs, entropy)
    setting = Setting(network, shared, initial or network.initial)
    directions = _directions("nuisance", nuisance, network), _directions("wanted", wanted, network)
    axes = Axes(
        input_axis or index_axis("input", network.n_in),
        output_axis or index_axis("output", network.n_out),
    )
    family = claims(network, (*detectors, rejection(*directions)), axes)
    kinds = tuple(
        kind
        for kind in KINDS
        if (kind is not UNTRAINED or setting.initial is not None)
        and any(kind in claim.detector.nulls for claim in family if not claim.barred)
    )
    draws = _draw_all(setting, kinds, family, nulls, entropy, workers, progress)
    measured = study if shared is study.inputs else Study(network, shared)
    return Interpretation(
        study=study,
        findings=judge(measured, family, measure(measured, family), draws, axes),
        axes=axes,
        n_nulls=nulls,
        kinds=kinds,
        setting=setting,
        seed=entropy,
    )


def _directions(name: str, value: ArrayLike | None, network: Network) -> Array | None:
    return None if value is None else directions_matrix(name, value, network.n_in)


def _seed(random_state: int | np.random.Generator | None) -> int | None:
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**63))
    return random_state


def _shared(inputs: Array, count: int, entropy: int) -> Array:
    if len(inputs) <= count:
        return inputs
    rng = np.random.default_rng(np.random.SeedSequence(entropy, spawn_key=(len(KINDS),)))
    chosen: Array = inputs[np.sort(rng.choice(len(inputs), count, replace=False))]
    return chosen


def _draw_all(
    setting: Setting,
    kinds: Sequence[Null],
    family: Sequence[Claim],
    count: int,
    entropy: int,
    workers: int | None,
    progress: Callable[[str], None] | None,
) -> dict[Null, Array]:
    """Values of every draw of every kind, shape (count, d) each."""
    jobs = [(kind, number) for kind in kinds for number in range(count)]

    def one(job: tuple[Null, int]) -> Array:
        kind, number = job
        return measure(draw(setting, kind, entropy, number), family, kind)

    values: dict[Null, Array] = {kind: np.empty((count, len(family))) for kind in kinds}
    for (kind, number), row in zip(jobs, _in_threads(one, jobs, workers), strict=True):
        values[kind][number] = row
        if progress is not None:
            progress(kind.name)
    return values


def _in_threads(
    work: Callable[[tuple[Null, int]], Array],
    jobs: list[tuple[Null, int]],
    workers: int | None,
) -> Iterator[Array]:
    pool = ThreadPoolExecutor(workers or len(os.sched_getaffinity(0)))
    try:
        # Threads of ours and of a BLAS together wait for each other most of the time.
        with threadpool_limits(1, user_api="blas"):
            yield from pool.map(work, jobs)
    finally:
        # After Ctrl-C or an error, only what has begun is finished.
        pool.shutdown(cancel_futures=True)
