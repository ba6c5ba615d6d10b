"""A network interpreted with evidence: descrambled, measured, and held against null draws."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import ArrayLike
from threadpoolctl import threadpool_limits

from .._util.parallel import Executor, mapping
from .._util.progress import Progress, reporting
from .._util.seeds import seed_of
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
    threads: int | None = None,
    executor: Executor | None = None,
    progress: Progress = False,
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
        Seed. Every draw has its own, so that the number of threads changes nothing.
    input_axis, output_axis : Axis, optional
        What inputs and outputs are; plain numbers otherwise. What rests on the order of an axis with
        ``ordered=False`` is not testable.
    nuisance, wanted : array_like, shape (any, n_in), optional
        Directions in which the inputs vary for reasons that do not, and that do matter: differences
        between baselines, say, and between noise-free signals.
    detectors : sequence of Detector
        What to look for, beside the rejection of the nuisance.
    threads : int or None
        Threads of this process that share the draws; None for one thread per processor.
    executor : Executor, optional
        Does the draws instead of threads: anything with the interface of `concurrent.futures`, such as
        ``client.get_executor()`` of a Dask client.
    progress : bool or callable
        True shows a bar of the draws. A function is called after each with a step, which has `done`,
        `total` and `label`, the null kind.

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
    entropy = seed_of(random_state)
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
    one = partial(_measured, setting=setting, family=family, entropy=entropy)
    draws: dict[Null, Array] = {kind: np.empty((nulls, len(family))) for kind in kinds}
    jobs = [(kind, number) for kind in kinds for number in range(nulls)]
    with (
        # In small products the threads of a BLAS wait for each other most of the time.
        threadpool_limits(1, user_api="blas"),
        mapping(threads, executor) as apply,
        reporting(progress, len(jobs), "draw") as report,
    ):
        for done, ((kind, number), row) in enumerate(zip(jobs, apply(one, jobs), strict=True), 1):
            draws[kind][number] = row
            report(done, kind.name)
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


def _shared(inputs: Array, count: int, entropy: int) -> Array:
    if len(inputs) <= count:
        return inputs
    rng = np.random.default_rng(np.random.SeedSequence(entropy, spawn_key=(len(KINDS),)))
    chosen: Array = inputs[np.sort(rng.choice(len(inputs), count, replace=False))]
    return chosen


def _measured(
    job: tuple[Null, int], setting: Setting, family: Sequence[Claim], entropy: int
) -> Array:
    """Values of all claims on one draw of a null kind, shape (d,)."""
    kind, number = job
    return measure(draw(setting, kind, entropy, number), family, kind)
